"""What the run of a cell is called, and what it holds: shared by live runs and by those that a sync makes.

A run is found by its tag `snn.cell`; `snn.digest` says which state of the files it shows, and `snn.live` which process
writes it while the training runs.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from snn.benchmark.cell import Cell
from snn.tracking.store import ORIGIN, clean, origin

if TYPE_CHECKING:
    from mlflow.entities import Metric

CELL, DIGEST, LIVE = "snn.cell", "snn.digest", "snn.live"


class Identity(NamedTuple):
    """Name, parameters and tags that every run of a cell has, live or not."""

    name: str
    params: dict[str, str]
    tags: dict[str, str]


def identity(cell: Cell, store: Path) -> Identity:
    """store: the folder of the benchmark's local store, which tells working copies apart."""
    # What differs most comes first: the tables and legends of the UI cut long names.
    where = f"{cell.network} {cell.dataset}"
    params = {key: str(value) for key, value in cell.asdict().items()}
    tags = {
        CELL: cell.key,
        ORIGIN: origin(store),
        "group": f"{cell.method} T{cell.t_train} {where}",
        "mlflow.source.name": "snn-bench",
        "mlflow.source.type": "LOCAL",
    }
    return Identity(f"{cell.method} T{cell.t_train} seed{cell.seed} {where}", params, tags)


def flat(value: Any, prefix: str = "") -> dict[str, str]:
    """Nested settings as `a.b.c` -> text, within MLflow's limits of length and letters, without passwords."""
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in flat(inner, f"{prefix}{key}.").items()}
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return {re.sub(r"[^\w\-. :/]", "_", prefix.rstrip("."))[:250]: clean(text)[:6000]}


def numbers(row: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The finite numbers of a row, their names prefixed: a value that is missing is a hole in the curve.

    Raises ValueError where a value is no number.
    """
    values = {f"{prefix}{name}": float(value) for name, value in row.items() if value not in ("", None)}
    return {name: value for name, value in values.items() if math.isfinite(value)}


def metrics(values: Mapping[str, float], time_ms: int, step: int) -> list[Metric]:
    """The values as MLflow's metrics (no `@` and `=` in names), all of one time (milliseconds since 1970) and step."""
    from mlflow.entities import Metric

    return [Metric(re.sub(r"[^\w\-. :/]", "_", name), value, time_ms, step) for name, value in values.items()]
