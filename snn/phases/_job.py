"""What the jobs of one cell share: its inputs, its network, its record, and its metric rows."""

from __future__ import annotations

import csv
import datetime
import importlib.metadata
import io
import os
import platform
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from snn import methods, models
from snn.benchmark.cell import Cell
from snn.config.blocks import Train
from snn.data.store import Store, open_store
from snn.errors import DataError, Diverged
from snn.neurons import NeuronSpec, make_neuron
from snn.runtime import files, memory
from snn.runtime.seeds import derive
from snn.training.loop import Splits, generator
from snn.training.method import Run

PACKAGES = ("torch", "spikingjelly", "tonic", "numpy", "numba", "snakemake", "mlflow", "seaborn")


@dataclass
class Job:
    """One phase of one cell: its specification (`snn.benchmark.plan.Plan.spec`), the token of that and of the code, and files."""

    spec: dict[str, Any]
    token: str
    store_path: Path
    folder: Path
    phase: str
    started: float = field(default_factory=time.time)
    cpu_started: float = field(default_factory=time.process_time)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cell = Cell(**self.spec["cell"])
        self.train = Train(**self.spec["train"])
        self.neuron = NeuronSpec(**self.spec["neuron"])
        self.method = methods.find(self.cell.method)
        self.params = methods.parameters(self.cell.method, self.spec["method"])
        self.device = self.spec["device"]
        memory.keep_freed_memory()
        # Bits differ between thread counts: the count is part of the specification and goes into the record.
        torch.set_num_threads(self.spec["threads"])
        if self.device != "cpu" and not torch.cuda.is_available():
            raise DataError(f"resources.device: {self.device!r} asked for, but torch sees no GPU; set it to 'cpu'")

    @property
    def out(self) -> Path:
        return self.folder / self.phase

    def store(self) -> Store:
        return open_store(self.store_path)

    def build(self, store: Store) -> nn.Module:
        """The cell's network with initial weights drawn from its seed (the same for every method)."""
        torch.manual_seed(derive(self.cell.seed, "initialisation"))
        make = nn.ReLU if self.method.activation == "relu" else lambda: make_neuron(self.neuron)
        name, values = self.spec["network"]["name"], self.spec["network"]["values"]
        network = models.build(name, values, store.shape, store.n_classes, make)
        # Activations are channels-last everywhere; on a GPU weights of the same layout spare cuDNN a copy each time.
        return network if self.device == "cpu" else network.to(self.device, memory_format=torch.channels_last)

    def trained(self, store: Store) -> tuple[nn.Module, dict[str, torch.Tensor]]:
        """(the trained network as evaluated, the running statistics as training left them)."""
        path = self.folder / "train" / "weights.pt"
        try:
            saved = torch.load(path, weights_only=True, map_location=self.device)
        except Exception as error:
            raise DataError(
                f"{path}: not readable as weights ({type(error).__name__}); delete it and run again"
            ) from None
        network = self.build(store)
        network.load_state_dict(saved["network"])
        return network.eval(), saved["running"]

    def run(self, store: Store, splits: Splits, epochs: int, teacher: nn.Module | None = None) -> Run:
        """What the method may know of a training of so many epochs."""
        return Run(
            t_train=self.cell.t_train,
            classes=store.n_classes,
            input_shape=store.shape,
            epochs=epochs,
            iterations=epochs * -(-len(splits.train) // self.train.batch_size),
            train=self.train,
            steps=generator(self.cell.seed, "steps"),
            device=self.device,
            teacher=teacher,
            labels=splits.train.labels,
            static=store.kind == "images",
        )

    def diverged(self) -> str:
        """Why the training of this cell gave no network, or an empty string."""
        record = files.read_json(self.folder / "train" / "record.json")
        return "" if record["status"] == "ok" else record["reason"]

    def add(self, metric: str, value: float, t_eval: int | None = None, mode: str = "clock") -> None:
        self.rows.append(
            {
                "phase": self.phase,
                "t_eval": "" if t_eval is None else t_eval,
                "mode": mode,
                "metric": metric,
                "value": value,
            }
        )

    def write(self, predictions: dict[str, np.ndarray], status: str = "ok", reason: str = "", **more: Any) -> None:
        """metrics.csv, predictions.npz if there are any and, last, record.json: a folder with a record is complete."""
        write_csv(self.out / "metrics.csv", self.rows, ["phase", "t_eval", "mode", "metric", "value"])
        if predictions:
            with files.replacing(self.out / "predictions.npz") as temporary, open(temporary, "wb") as f:
                np.savez_compressed(f, **predictions)
        files.write_json(self.out / "record.json", {**self.record(status, reason), **more})

    def record(self, status: str, reason: str) -> dict[str, Any]:
        return {
            "status": status,
            "reason": reason,
            "cell": self.spec["cell"],
            "config": self.spec,
            "code": self.token.rpartition("-")[2],
            "token": self.token,
            "commit": commit(),
            "versions": {p: importlib.metadata.version(p) for p in PACKAGES} | {"python": platform.python_version()},
            "hardware": hardware(self.device),
            "threads": torch.get_num_threads(),
            "started": datetime.datetime.fromtimestamp(self.started, datetime.UTC).isoformat(timespec="seconds"),
            "seconds": time.time() - self.started,
            "cpu_seconds": time.process_time() - self.cpu_started,  # of all threads; without the imports before
        }


def load_teacher(job: Job, store: Store, folder: Path) -> nn.Module:
    """The teacher's trained network: evaluation mode, no gradient."""
    record = files.read_json(folder / "train" / "record.json")
    other = Job(record["config"], "", job.store_path, folder, "train")
    if reason := other.diverged():
        raise Diverged(f"its teacher {other.cell.key} diverged: {reason}")
    network, _ = other.trained(store)
    return network.requires_grad_(False)


def tested(store: Store, limit: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """A part of the test split: positions in the split and in the store, labels, and the predictions' head of these."""
    chosen = recordings(store, limit)
    indices = store.indices("test")[chosen]
    labels = store.labels[indices].astype(np.int64)
    return chosen, indices, labels, {"index": indices.astype(np.int64), "label": labels}


def recordings(store: Store, limit: int | None, split: str = "test") -> np.ndarray:
    """Positions within the split: all, or `limit` of them spread evenly over the classes, always the same."""
    labels = store.labels[store.indices(split)]
    if limit is None or limit >= len(labels):
        return np.arange(len(labels))
    rank = np.empty(len(labels), np.int64)  # how many of the same class stand before it
    for label in np.unique(labels):
        rank[labels == label] = np.arange((labels == label).sum())
    return np.sort(np.lexsort((labels, rank))[:limit])


def commit() -> str:
    """The project's commit, with `+changes` where tracked files differ from it."""

    def git(*arguments: str) -> str:
        here = Path(__file__).parent
        return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def hardware(device: str) -> dict[str, Any]:
    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = (
            ", ".join(sorted({line.split(":")[1].strip() for line in lines if line.startswith("model name")})) or name
        )
    info = {"cpu": name, "cores": os.cpu_count(), "device": device}
    if device != "cpu":
        info["gpu"] = torch.cuda.get_device_name(device)
    return info


def write_csv(path: Path, rows: list[dict[str, Any]], columns: list[str]) -> None:
    """Numbers are written with repr precision, so that reading them back gives the same bits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    files.write_text(path, text.getvalue())
