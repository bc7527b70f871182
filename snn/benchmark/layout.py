"""Where the files of a benchmark are, and how they are read: the only place that knows.

    results/<benchmark>/
      config.json                    the resolved configuration, as the jobs read it
      data/<dataset>/                the store of a data set
      cells/<cell>/<phase>/          what a phase of a cell leaves, complete once its record.json is there
      cells/<cell>/checkpoint.pt     of a training that is not finished
      foreign/<dataset>/T<t>.npz     frames for the scripts of other frameworks
      logs/                          one a job
      mlflow/                        the local MLflow store
    reports/<benchmark>/             the collected files, tables, figures and page

Phases, the workflow, the report and tracking take their paths from here. Paths may hold Snakemake's wildcards.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snn.benchmark.cell import Cell
from snn.data.manifest import CONVERTED, DATA, INDEX, MANIFEST
from snn.errors import DataError
from snn.runtime import files

PHASES: dict[str, tuple[str, ...]] = {
    "train": ("weights.pt", "history.csv", "metrics.csv", "predictions.npz", "record.json"),
    "sweep": ("metrics.csv", "predictions.npz", "record.json"),
    "deploy": ("metrics.csv", "predictions.npz", "curves.csv", "record.json"),
    "probe": ("metrics.csv", "curves.csv", "record.json"),
    "robustness": ("metrics.csv", "predictions.npz", "curves.csv", "record.json"),
}
"""The phases of a cell in their order, and the files that each leaves; the record is always written last."""

STORE = (CONVERTED,)
"""What the workflow declares of a data set's store: the file that is written last. Snakemake deletes declared outputs
before it runs a rule, and an old store must stay until a new one is complete (`snn/data/conversion.py`)."""

STORE_FILES = (DATA, INDEX, MANIFEST, CONVERTED)
"""All files of a store: declared where files travel through an object store, which moves declared files alone."""

FOREIGN = ("predictions.npz", "history.csv", "record.json")
"""What the script of another framework leaves of a cell in `<cell>/foreign/`."""

COLLECTED = (
    *("metrics.csv", "curves.csv", "holes.csv", "history.csv", "predictions.npz"),
    *("recordings.npz", "provenance.json"),
)
"""What the report is made from, and nothing else."""

REMEDY = "delete its folder and run `snakemake` again"


@dataclass(frozen=True)
class CellFolder:
    """The files of one cell."""

    path: Path

    def phase(self, phase: str) -> Path:
        return self.path / phase

    def files(self, phase: str) -> list[Path]:
        """The files of a phase, as the workflow declares them."""
        return [self.path / phase / name for name in PHASES[phase]]

    def named(self, phase: str) -> dict[str, Path]:
        """The same by name, e.g. `metrics` for metrics.csv."""
        return {path.stem: path for path in self.files(phase)}

    def foreign_files(self) -> list[Path]:
        """What the script of another framework leaves."""
        return [self.path / "foreign" / name for name in FOREIGN]

    @property
    def foreign_network(self) -> Path:
        """The network that it may leave beside them (docs/foreign.md)."""
        return self.path / "foreign" / "network.nir"

    def adopted_files(self) -> list[Path]:
        """The phases of another framework's cell: it has no weights of ours."""
        return [*self.files("train")[1:], *self.files("sweep")]

    @property
    def checkpoint(self) -> Path:
        """Of a training that is not finished; no declared output, since Snakemake deletes those before a rerun."""
        return self.path / "checkpoint.pt"

    @property
    def weights(self) -> Path:
        return self.path / "train" / "weights.pt"

    @property
    def network_file(self) -> Path:
        """The deployed network, where the deployment was not refused."""
        return self.path / "deploy" / "network.npz"

    def is_complete(self, phase: str) -> bool:
        return (self.path / phase / "record.json").exists()

    def record(self, phase: str) -> dict[str, Any]:
        """The record of a phase. DataError where it is damaged."""
        return read_record(self.path / phase / "record.json")

    def training_failure(self) -> str:
        """Why the training gave no network, or an empty string."""
        record = self.record("train")
        return "" if record["status"] == "ok" else str(record.get("reason") or record["status"])

    def rows(self, phase: str, name: str) -> list[dict[str, str]]:
        """The rows of a phase's table, e.g. `metrics.csv`; none where it has no such table."""
        return read_rows(self.path / phase / name)

    def predictions(self, phase: str) -> dict[str, np.ndarray]:
        """The arrays of a phase's predictions.npz; none where it has no such file. DataError where it is damaged."""
        path = self.path / phase / "predictions.npz"
        if not path.exists():
            return {}
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        except Exception as error:
            raise DataError(f"{path}: not a file of predictions ({type(error).__name__}); {REMEDY}") from None


@dataclass(frozen=True)
class Layout:
    """The files of one benchmark."""

    benchmark: str
    results_root: Path = Path("results")
    reports_root: Path = Path("reports")

    @classmethod
    def around(cls, configuration: Path, benchmark: str) -> Layout:
        """The layout whose resolved configuration is the file `configuration`, or that of the working folder if the
        file lies elsewhere. With an object store, the files of a job lie in a folder that Snakemake chooses."""
        root = configuration.parent.parent.parent
        layout = cls(benchmark, root / "results", root / "reports")
        return layout if layout.configuration == configuration else cls(benchmark)

    @property
    def results(self) -> Path:
        return self.results_root / self.benchmark

    @property
    def report(self) -> Path:
        return self.reports_root / self.benchmark

    @property
    def configuration(self) -> Path:
        return self.results / "config.json"

    @property
    def mlflow(self) -> Path:
        return self.results / "mlflow"

    def store(self, dataset: str) -> Path:
        return self.results / "data" / dataset

    def store_files(self, dataset: str, every: bool = False) -> list[Path]:
        """The files of a store that the workflow declares; every: where they travel through an object store."""
        return [self.store(dataset) / name for name in (STORE_FILES if every else STORE)]

    def cell(self, cell: Cell | str) -> CellFolder:
        """The folder of a cell, or of a key that holds wildcards."""
        return CellFolder(self.results / "cells" / (cell.key if isinstance(cell, Cell) else cell))

    def frames(self, dataset: str, t: int | str) -> Path:
        """The frames that scripts of other frameworks are given."""
        return self.results / "foreign" / dataset / f"T{t}.npz"

    def log(self, *names: str) -> Path:
        return self.results.joinpath("logs", *names[:-1], f"{names[-1]}.log")

    def failure(self, cell: Cell, phase: str) -> Path:
        """The note that a failed job leaves for `snn status`."""
        return self.results / "logs" / cell.key / f"{phase}.failed"

    def collected(self) -> list[Path]:
        return [self.report / name for name in COLLECTED]


def read_record(path: Path) -> dict[str, Any]:
    """A record.json, with a status. DataError where it is damaged."""
    try:
        record = files.read_json(path)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error}); {REMEDY}") from None
    if not isinstance(record, dict) or not isinstance(record.get("status"), str):
        raise DataError(f"{path}: not a record of a phase; {REMEDY}")
    return record


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table as text; none if there is no such file. DataError where it is damaged."""
    if not path.exists():
        return []
    try:
        with open(path, newline="", encoding="utf-8") as f:
            rows = list(csv.DictReader(f))
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path}: not a table ({error}); {REMEDY}") from None
    if any(None in row or None in row.values() for row in rows):
        raise DataError(f"{path}: not a table (a row is longer or shorter than its head); {REMEDY}")
    return rows


def write_rows(path: Path, columns: Iterable[str], rows: Iterable[dict[str, Any]]) -> None:
    """Numbers are written with repr precision, so that reading them back gives the same bits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    files.write_text(path, text.getvalue())
