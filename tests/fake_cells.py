"""Cells as a finished benchmark leaves them, with small made-up numbers."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

from snn.benchmark.cell import Cell
from snn.benchmark.layout import CellFolder, Layout
from snn.phases.outcome import Outcome, write
from snn.runtime.files import write_json

PHASES = ["train", "sweep", "deploy"]
RECORD = {
    "config": {"lr": 0.1, "neuron": {"tau": 2.0}, "steps": [1, 2], "source": "https://me:hunter22@host/data"},
    "code": "c0de",
    "commit": "abc123",
    "dataset_version": "0123456789abcdef",
    "started": "2026-01-02T03:04:05+00:00",
    "seconds": 12.5,
}


def layout(root: Path, benchmark: str = "demo") -> Layout:
    """The files of a benchmark below `root`."""
    return Layout(benchmark, root / "results", root / "reports")


def make_cell(folder: CellFolder, cell: Cell, epochs: int = 3, status: str = "ok", accuracy: float = 0.5) -> None:
    """Write the phases of one cell; where its training diverged, that one alone."""
    train, sweep, deploy = Outcome(status), Outcome(), Outcome()
    for epoch in range(1, epochs + 1):
        loss = math.nan if status != "ok" and epoch == epochs else 2 / epoch
        row = {"epoch": epoch, "lr": 0.1, "loss": loss, "train_accuracy": 1 - 1 / epoch, "val_loss": 2 / epoch}
        row |= {"val_accuracy": 0.9 - 0.5 / epoch, "test_accuracy": 0.9 - 0.6 / epoch, "seconds": 1.5, "time_steps": 4}
        train.history.append(row)
    if status != "ok":
        train.reason = f"loss is not finite in epoch {epochs}"
        write_phase(folder, "train", train)
        return
    train.add("accuracy", accuracy, cell.t_train)
    for t in (1, 2, 4, 8):
        sweep.add("accuracy", accuracy - 0.01 / t, t)
    for mode in ("event-float", "event-int8"):
        deploy.add("accuracy", accuracy - 0.02, mode=mode)
        deploy.add("difference", -0.02, mode=mode)
        deploy.add("synops", 1000.0, mode=mode)
    for phase, outcome in zip(PHASES, (train, sweep, deploy), strict=True):
        write_phase(folder, phase, outcome)


def write_phase(folder: CellFolder, phase: str, outcome: Outcome, **record: Any) -> None:
    """Write a phase as the jobs do. record: what its record says beside, or in place of, `RECORD`."""
    write(folder, phase, outcome, {"status": outcome.status, "reason": outcome.reason, **RECORD, **record})


def make_benchmark(
    layout: Layout,
    datasets: tuple[str, ...] = ("saccades",),
    networks: tuple[str, ...] = ("3c1fc",),
    methods: tuple[str, ...] = ("sdt", "mtt"),
    seeds: int = 2,
    epochs: int = 3,
) -> dict[Cell, list[str]]:
    """Write a whole matrix; returns its cells with their phases, as `sync` takes them."""
    cells = [
        Cell(dataset, network, method, 4, seed)
        for dataset, network, method, seed in itertools.product(datasets, networks, methods, range(seeds))
    ]
    for number, cell in enumerate(cells):
        make_cell(layout.cell(cell), cell, epochs=epochs, accuracy=0.5 + number / 200)
    for dataset in datasets:
        counts = {"train": {"a": 6, "b": 4}, "test": {"a": 3, "b": 2}}
        write_json(layout.store(dataset) / "manifest.json", {"classes": ["a", "b"], "counts": counts})
    return dict.fromkeys(cells, PHASES)
