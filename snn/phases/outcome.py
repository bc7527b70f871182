"""What a phase of a cell computes, and how it becomes files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from snn.benchmark.layout import PHASES, CellFolder, write_rows
from snn.runtime import files
from snn.training import checkpoint

METRICS = ("phase", "t_eval", "mode", "metric", "value")
CURVES = ("mode", "curve", "x", "value")
HISTORY = (
    "epoch", "lr", "loss", "train_accuracy", "val_loss", "val_accuracy", "test_accuracy", "seconds", "time_steps",
    "gradient_norm_first",
)  # fmt: skip


@dataclass
class Outcome:
    """The results of one phase of one cell.

    status: `ok`, `diverged` (a result, not a fault: the tables show a hole with its reason) or `refused`; a reason
    beside `ok` says which part is missing. metrics and curves: see `add` and `add_curve`. predictions: `index` and
    `label` [n], and predicted classes [n] by `<mode>/<t_eval>/<metric>`. history: one row an epoch. weights: what
    weights.pt holds. record: what the record says beside the usual. superseded: files of the unfinished job that are
    deleted once the results are written.
    """

    status: str = "ok"
    reason: str = ""
    metrics: list[dict[str, Any]] = field(default_factory=list)
    predictions: dict[str, np.ndarray] = field(default_factory=dict)
    curves: list[dict[str, Any]] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)
    weights: dict[str, Any] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    superseded: list[Path] = field(default_factory=list)

    def add(self, metric: str, value: float, t_eval: int | None = None, mode: str = "clock") -> None:
        """One number; t_eval: the time steps of the evaluation, where it has any."""
        t = "" if t_eval is None else t_eval
        self.metrics.append({"t_eval": t, "mode": mode, "metric": metric, "value": value})

    def include(self, part: Outcome) -> None:
        """Take in the numbers of a part: its metrics, predictions, curves, and files to be deleted."""
        self.metrics += part.metrics
        self.curves += part.curves
        self.predictions |= part.predictions
        self.superseded += part.superseded

    def add_curve(self, mode: str, curve: str, x: float, value: float, **more: Any) -> None:
        """One point of a curve; more: further columns."""
        self.curves.append({"mode": mode, "curve": curve, "x": float(x), "value": value, **more})


def write(folder: CellFolder, phase: str, outcome: Outcome, record: dict[str, Any]) -> None:
    """Write the files of a phase and, last, its record: a folder with a record is complete."""
    to = folder.phase(phase)
    for name in PHASES[phase]:
        match name:
            case "metrics.csv":
                write_rows(to / name, METRICS, [{"phase": phase} | row for row in outcome.metrics])
            case "curves.csv":
                write_rows(to / name, _with_more(CURVES, outcome.curves), outcome.curves)
            case "history.csv":
                more = sorted({key for row in outcome.history for key in row} - set(HISTORY))
                write_rows(to / name, [*HISTORY, *more], outcome.history)
            case "predictions.npz":
                with files.replacing(to / name) as temporary, open(temporary, "wb") as f:
                    np.savez_compressed(f, **outcome.predictions)  # type: ignore[arg-type]  # numpy 2's stub of **kwds
            case "weights.pt" if outcome.weights:
                checkpoint.save(to / name, outcome.weights)
    files.write_json(to / "record.json", {**record, **outcome.record})
    for path in outcome.superseded:
        path.unlink(missing_ok=True)
        if path.parent != folder.path and path.parent.exists() and not any(path.parent.iterdir()):
            path.parent.rmdir()


def _with_more(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> list[str]:
    """`columns`, then whatever else the rows hold, in the order met."""
    return list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
