"""A cell that another framework trains: what its script is given, and how what it leaves becomes a cell like any other.

    store ─ export ─▶ frames.npz ─ the script, in its own environment ─▶ <cell>/foreign/ ─ adopt ─▶ train/ and sweep/

`frames.npz` (no test labels: nothing can be chosen on them; P polarities)

    train/frames, validation/frames    [N, T, P, H, W] counts, unsigned, at T = t_train;  train/label, … int64 [N]
    test/<T>/frames                    the same of the test split, at t_train and every T of `sweep.t_eval`
    test/index                         int64 [N], the recordings of the test split
    classes                            int64, their number K

Written, and to be read, an array at a time: `np.load` reads one when it is asked for, and each time anew.

`<cell>/foreign/`, by the script, E epochs; predicted classes are 0 … K-1, or -1 for no output

    predictions.npz    index [N] as given; validation [E, N'], test [E, N]: after each epoch at t_train;
                       sweep/<T> [N]: of the last epoch's network, for every T that was given
    history.csv        a row an epoch: epoch, loss, train_accuracy, seconds, and any other columns of numbers
    record.json        {"status": "ok" or "diverged", "reason": str, "parameters": int, "cpu_seconds": float or absent,
                       "versions": {package: version}, "nir": see below, or absent}
    network.nir        of methods with `nir: true`: the last epoch's network, to be deployed event-driven

`"nir"` says how the file is to be read (keys of `Reading`, all optional), or, as a text, why there is none.
The accuracies are computed here; `snn/phases/foreign_deploy.py` deploys the network.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
from pydantic import PositiveFloat

from snn.benchmark.cell import Cell
from snn.benchmark.layout import CellFolder
from snn.config.blocks import Model
from snn.config.validation import validate
from snn.data.store import EventStore, open_store
from snn.errors import ConfigError, DataError
from snn.phases.outcome import Outcome, write
from snn.phases.record import Stopwatch, record
from snn.phases.train import training_metrics
from snn.runtime import files
from snn.training.evaluate import NO_OUTPUT

if TYPE_CHECKING:
    from snn.benchmark.plan import Plan

COLUMNS = ("epoch", "loss", "train_accuracy", "seconds")


class Reading(Model):
    """How the script's network.nir is to be read, see `snn.events.from_nir`: what NIR has no field for.

    dt in seconds: for leaky neurons of tools that compute in time steps. step_us: what a step of the training is in the
    recordings, in microseconds; None: the mean length of a frame.
    """

    reset: Literal["soft", "hard"] = "hard"
    v_min: float | None = None
    dt: PositiveFloat | None = None
    step_us: PositiveFloat | None = None


class Adopted(NamedTuple):
    """The two phases of another framework's cell."""

    train: Outcome
    sweep: Outcome


def export(store: EventStore, t_train: int, t_eval: Iterable[int], out: Path) -> None:
    """Write `frames.npz`, described above, with no more in memory than one split at one T."""
    with files.replacing(out) as temporary, ZipFile(temporary, "w", ZIP_DEFLATED) as archive:

        def write(name: str, array: np.ndarray) -> None:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as f:
                np.lib.format.write_array(f, array, allow_pickle=False)

        write("classes", np.asarray(np.int64(store.n_classes)))
        write("test/index", store.indices("test"))
        for split in ("train", "validation"):
            indices = store.indices(split)
            write(f"{split}/label", store.labels[indices].astype(np.int64))
            write(f"{split}/frames", store.frames(indices, t_train))
        for t in sorted({t_train, *t_eval}):
            write(f"test/{t}/frames", store.frames(store.indices("test"), t))


def adopt(plan: Plan, cell: Cell) -> None:
    """Make the phases `train` and `sweep` of the cell of what the script left. DataError where that is not usable;
    nothing is written then."""
    stopwatch, layout = Stopwatch(), plan.layout
    store = open_store(layout.store(cell.dataset))
    assert isinstance(store, EventStore), "the plan refuses foreign methods on images"
    adopted = read_cell(
        layout.cell(cell), store, cell=cell, t_eval=plan.config.sweep.t_eval, threads=plan.config.resources.threads
    )
    for phase, outcome in (("sweep", adopted.sweep), ("train", adopted.train)):
        spec, token = plan.spec(cell, phase), plan.token(cell, phase)
        head = record(spec, token, status=outcome.status, reason=outcome.reason)
        write(layout.cell(cell), phase, outcome, stopwatch.times() | head)


def read_cell(folder: CellFolder, store: EventStore, *, cell: Cell, t_eval: Iterable[int], threads: int) -> Adopted:
    """Check what the script left in `<cell>/foreign/`: the outcomes of the cell's training and sweep.

    Raises DataError, naming the file and what is wrong in it.
    """
    left = folder.path / "foreign"
    indices = store.indices("test")
    labels = {"index": indices.astype(np.int64), "label": store.labels[indices].astype(np.int64)}
    left_record = read_script_record(left / "record.json")
    history = read_history(left / "history.csv")
    about: dict[str, Any] = {
        "dataset_version": store.version,
        "parameters": left_record["parameters"],
        "versions": left_record["versions"],
        "threads": threads,
        "seconds": sum(row["seconds"] for row in history),
        "cpu_seconds": left_record.get("cpu_seconds"),  # of the script, not of this job
    }
    if left_record["status"] == "diverged":
        reason = left_record["reason"]
        return Adopted(
            train=Outcome("diverged", reason, predictions=labels, history=history, record=about),
            sweep=Outcome("diverged", reason, predictions=labels, record=about),
        )

    t, steps = cell.t_train, sorted({cell.t_train, *t_eval})
    validation = store.labels[store.indices("validation")]
    shapes = {"index": (len(indices),), "validation": (len(history), len(validation))}
    shapes |= {"test": (len(history), len(indices))} | {f"sweep/{step}": (len(indices),) for step in steps}
    predictions = read_predictions(left / "predictions.npz", shapes, store.n_classes, labels["index"])
    if not np.array_equal(predictions["test"][-1], predictions[f"sweep/{t}"]):
        raise wrong(left / "predictions.npz", f"sweep/{t} is not the last row of test: two different networks")

    for row, val, test in zip(history, predictions["validation"], predictions["test"], strict=True):
        row |= {
            "val_accuracy": float((val == validation).mean()),
            "test_accuracy": float((test == labels["label"]).mean()),
        }
    best = int(np.argmax([row["val_accuracy"] for row in history]))
    last, selected = predictions["test"][-1], predictions["test"][best]
    train = Outcome(
        predictions=labels | {f"clock/{t}/accuracy": last, f"clock/{t}/accuracy_selected": selected},
        history=history,
        record=about,
    )
    numbers = history, last, selected, labels["label"]
    train.include(training_metrics(*numbers, parameters=left_record["parameters"], t=t))
    sweep = Outcome(predictions=dict(labels), record=about)
    for step in steps:
        sweep.predictions[f"clock/{step}/accuracy"] = predictions[f"sweep/{step}"]
        sweep.add("accuracy", float((predictions[f"sweep/{step}"] == labels["label"]).mean()), step)
    return Adopted(train, sweep)


# --- what the script left


def wrong(path: Path, what: str) -> DataError:
    return DataError(f"{path}: {what}; mend the script that writes it (snn/phases/foreign.py says what is asked for)")


def read_script_record(path: Path) -> dict[str, Any]:
    try:
        record = files.read_json(path)
    except ValueError as error:
        raise wrong(path, f"not JSON ({error})") from None
    types = {"status": str, "reason": str, "parameters": int, "versions": dict}
    for key, kind in types.items():
        if not isinstance(record, dict) or not isinstance(record.get(key), kind):
            raise wrong(path, f"{key!r} is missing or no {kind.__name__}")
    if record["status"] not in ("ok", "diverged"):
        raise wrong(path, f"status {record['status']!r} is neither 'ok' nor 'diverged'")
    if not isinstance(record.get("nir", ""), str):
        try:
            record["nir"] = validate(Reading, record["nir"], "nir")
        except ConfigError as error:
            raise wrong(path, str(error)) from None
    return record


def read_history(path: Path) -> list[dict[str, float]]:
    with open(path, newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    try:
        history = [{key: float(value) for key, value in row.items() if value != ""} for row in rows]
    except (TypeError, ValueError) as error:
        raise wrong(path, f"not a table of numbers ({error})") from None
    for number, row in enumerate(history, 1):
        for key in COLUMNS:
            if not math.isfinite(row.get(key, math.nan)):
                raise wrong(path, f"row {number} has no finite {key!r}")
        if row["epoch"] != number:
            raise wrong(path, f"row {number} is of epoch {row['epoch']:g}; rows are epochs 1, 2, 3, …")
        row["epoch"] = number
    return history


def read_predictions(path: Path, shapes: dict[str, tuple], classes: int, index: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays, each of its shape and of whole numbers in -1 … classes - 1, of the recordings `index`."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            predictions = {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, EOFError) as error:
        raise wrong(path, f"not readable as arrays ({error})") from None
    if predictions.keys() != shapes.keys():
        missing, more = shapes.keys() - predictions.keys(), predictions.keys() - shapes.keys()
        raise wrong(
            path,
            f"arrays missing: {', '.join(sorted(missing)) or 'none'}; unknown: {', '.join(sorted(more)) or 'none'}",
        )
    if 0 in shapes["test"]:
        raise wrong(path.with_name("history.csv"), "no epoch")
    for name, shape in shapes.items():
        array = predictions[name]
        if array.shape != shape or not np.issubdtype(array.dtype, np.integer):
            raise wrong(path, f"{name} is {array.dtype} {array.shape}, not whole numbers {shape}")
        predictions[name] = array.astype(np.int64)
    if not np.array_equal(predictions.pop("index"), index):
        raise wrong(path, "index is not the test split's, in its order")
    for name, values in predictions.items():
        if values.size and not NO_OUTPUT <= values.min() <= values.max() < classes:
            raise wrong(path, f"{name} has classes outside -1 … {classes - 1}")
    return predictions
