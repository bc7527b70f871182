"""What a run is called and how it is found: shared by live runs and by those that a sync makes.

The tag `snn.cell` says what a run shows: a cell's key, or, of the mean over seeds, the key without its seed.
`snn.digest` says which state of the files. While the training runs, `snn.live` says which process writes the run
(`host:pid`), and `snn.seen` when it last did (milliseconds since 1970).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from snn.benchmark.cell import Cell
from snn.tracking.failures import clean
from snn.tracking.store import ORIGIN

CELL, DIGEST, LIVE, SEEN = "snn.cell", "snn.digest", "snn.live", "snn.seen"
MEAN = "mean"  # in place of the seed


class Identity(NamedTuple):
    """Name, parameters and tags of a run."""

    name: str
    params: dict[str, str]
    tags: dict[str, str]


def identity(cell: Cell, origin: str) -> Identity:
    """What every run of a cell has, live or not; origin: of the working copy (`snn.tracking.origin`)."""
    return _identity(cell, f"seed{cell.seed}", cell.key, origin)


def setting_identity(cell: Cell, origin: str) -> Identity:
    """What the run of the mean over seeds has; cell: one of the seeds."""
    name, params, tags = _identity(cell, MEAN, cell.key.rpartition("/")[0], origin)
    return Identity(name, params | {"seed": MEAN}, tags)


def _identity(cell: Cell, seed: str, key: str, origin: str) -> Identity:
    # What differs most comes first: the tables and legends of the UI cut long names.
    setting, where = f"{cell.method} T{cell.t_train}", f"{cell.network} {cell.dataset}"
    tags = {
        CELL: key,
        ORIGIN: origin,
        "group": f"{setting} {where}",
        "mlflow.source.name": "snn-bench",
        "mlflow.source.type": "LOCAL",
    }
    return Identity(f"{setting} {seed} {where}", {name: str(value) for name, value in cell.asdict().items()}, tags)


def flat(value: Any, prefix: str = "") -> dict[str, str]:
    """Nested settings as `a.b.c` -> text, within MLflow's limits of length and letters, without passwords."""
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in flat(inner, f"{prefix}{key}.").items()}
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return {re.sub(r"[^\w\-. :/]", "_", prefix.rstrip("."))[:250]: clean(text)[:6000]}


def numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers of a row: a value that is missing is a hole in the curve.

    Raises ValueError where a value is no number.
    """
    values = {name: float(value) for name, value in row.items() if value not in ("", None)}
    return {name: value for name, value in values.items() if math.isfinite(value)}
