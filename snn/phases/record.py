"""What every phase's record.json says of where its numbers come from: commit, versions, hardware, time."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import time
from pathlib import Path
from typing import Any

import torch

from snn.runtime.provenance import commit

PACKAGES = ("torch", "spikingjelly", "tonic", "numpy", "numba", "snakemake", "mlflow", "seaborn")


class Stopwatch:
    """Wall and processor time since it was made."""

    def __init__(self) -> None:
        self.started, self._cpu = time.time(), time.process_time()

    def times(self) -> dict[str, Any]:
        """started: ISO date; seconds; cpu_seconds: of all threads, without the imports before."""
        started = datetime.datetime.fromtimestamp(self.started, datetime.UTC)
        return {
            "started": started.isoformat(timespec="seconds"),
            "seconds": time.time() - self.started,
            "cpu_seconds": time.process_time() - self._cpu,
        }


def record(spec: dict[str, Any], token: str, *, status: str, reason: str) -> dict[str, Any]:
    """The record of one phase of one cell, without its times."""
    return {
        "status": status,
        "reason": reason,
        "cell": spec["cell"],
        "config": spec,
        "code": token.rpartition("-")[2],
        "token": token,
        "commit": commit(),
        "versions": {p: importlib.metadata.version(p) for p in PACKAGES} | {"python": platform.python_version()},
        "hardware": hardware(spec["device"]),
        "threads": torch.get_num_threads(),
    }


def hardware(device: str) -> dict[str, Any]:
    """Model names of processor and GPU, number of cores, and the device that was used."""
    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        models = {line.split(":")[1].strip() for line in lines if line.startswith("model name")}
        name = ", ".join(sorted(models)) or name
    info = {"cpu": name, "cores": os.cpu_count(), "device": device}
    if device != "cpu":
        info["gpu"] = torch.cuda.get_device_name(device)
    return info
