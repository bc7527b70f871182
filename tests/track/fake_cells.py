"""Cells as a finished benchmark leaves them, with small made-up numbers."""

from __future__ import annotations

import itertools
from pathlib import Path

from snn.runtime.files import write_json, write_text


def make(folder: Path, t_train: int = 4, epochs: int = 3, status: str = "ok", accuracy: float = 0.5) -> None:
    """The text files of one cell."""
    record = {
        "status": status,
        "reason": "" if status == "ok" else "loss is not finite in epoch 2",
        "config": {"lr": 0.1, "neuron": {"tau": 2.0}, "steps": [1, 2], "source": "https://me:hunter22@host/data"},
        "code": "c0de",
        "commit": "abc123",
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 12.5,
    }
    write_json(folder / "train/record.json", record)
    lines = ["epoch,lr,loss,train_accuracy,val_loss,val_accuracy,test_accuracy,seconds,time_steps"]
    for epoch in range(1, epochs + 1):
        loss = "nan" if status != "ok" and epoch == epochs else 2 / epoch
        lines.append(f"{epoch},0.1,{loss},{1 - 1 / epoch},{2 / epoch},{0.9 - 0.5 / epoch},{0.9 - 0.6 / epoch},1.5,4")
    write_text(folder / "train/history.csv", "\n".join(lines) + "\n")
    if status != "ok":
        return
    head = "phase,t_eval,mode,metric,value\n"
    write_text(folder / "train/metrics.csv", f"{head}train,{t_train},clock,accuracy,{accuracy}\n")
    sweep = "".join(f"sweep,{t},clock,accuracy,{accuracy - 0.01 / t}\n" for t in (1, 2, 4, 8))
    write_text(folder / "sweep/metrics.csv", head + sweep)
    deploy = "".join(f"deploy,,{mode},accuracy,{accuracy - 0.02}\n" for mode in ("event-float", "event-int8"))
    write_text(folder / "deploy/metrics.csv", head + deploy)


def make_all(
    root: Path,
    datasets: tuple[str, ...] = ("saccades",),
    networks: tuple[str, ...] = ("3c1fc",),
    methods: tuple[str, ...] = ("sdt", "mtt"),
    seeds: int = 2,
    **options: int,
) -> list[dict]:
    """A whole matrix below `root`, which stands for `results/<benchmark>`; the cells as `sync` wants them."""
    cells = []
    for number, (dataset, network, method, seed) in enumerate(
        itertools.product(datasets, networks, methods, range(seeds))
    ):
        folder = root / "cells" / dataset / network / method / "T4" / f"seed{seed}"
        make(folder, accuracy=0.5 + number / 200, **options)
        cells.append(
            {"dataset": dataset, "network": network, "method": method, "t_train": 4, "seed": seed, "folder": folder}
        )
    return cells
