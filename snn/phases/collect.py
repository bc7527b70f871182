"""Gather the cells of a benchmark into one folder: the tidy table, and all that the report is made from.

    cells/…/{train,sweep,deploy,probe,robustness}/
        ─▶ metrics.csv  history.csv  curves.csv  predictions.npz  holes.csv  recordings.npz  provenance.json

The report reads these seven files and nothing else; the last holds the checksums of all, by which the report refuses
what was changed since. Metrics are those of the phases, and one that is counted here from the predictions of each
evaluation: `classes_never_predicted`. A phase that is missing or diverged is a row of
`holes.csv` with its reason, and none of its metrics count. Rows are sorted, and numbers are written so that they read
back exactly: the same cells give the same bytes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from snn.benchmark.cell import Cell
from snn.benchmark.layout import PHASES, REMEDY, read_record, read_rows, write_rows
from snn.data.manifest import sealed
from snn.data.npz import load_npz
from snn.errors import DataError
from snn.phases import recordings
from snn.runtime.files import read_json, replacing, sha256, write_text

PHASE_ORDER = list(PHASES)
CELL = ("dataset", "network", "method", "t_train", "seed")
METRICS = ("benchmark", "protocol", *CELL, "phase", "t_eval", "mode", "metric", "value")
LONGEST = 1e12  # seconds of a phase; no float holds the largest integers of JSON
HYPERPARAMETERS = ("method", "network", "neuron", "precision", "train")
"""Blocks of a training's configuration that the report shows: none that holds addresses or folders."""
PARTIAL = "partial"  # numbers are there, but for some mode that was refused


def collect(
    benchmark: str,
    protocol: str,
    cells: Iterable[Mapping[str, Any]],
    out: Path,
    manifests: Mapping[str, Path] | None = None,
) -> None:
    """Read the folders of `cells` and write the seven files into `out`.

    manifests: data set -> its store's manifest.json, quoted in the provenance (counts, version, what is missing).

    Each of `cells` has the keys of `CELL` and `folder`; `phases` may name the phases that it should have. Without
    that, a phase is expected where any seed of the same cell has it.
    """
    out = Path(out)
    cells = sorted(cells, key=lambda cell: tuple(cell[key] for key in CELL))
    expected = _expected_phases(cells)
    metrics: list[dict] = []
    history: list[dict] = []
    curves: list[dict] = []
    holes: list[dict] = []
    records: list[tuple[str, dict, dict]] = []
    predictions: dict[str, np.ndarray] = {}
    for cell in cells:
        key = {name: cell[name] for name in CELL}
        for phase in expected(cell):
            folder = Path(cell["folder"]) / phase
            hole = _hole(folder)
            if (folder / "record.json").exists():
                records.append((phase, key, _record(folder / "record.json")))
                history += [key | row for row in read_rows(folder / "history.csv")]
            if hole:
                holes.append(key | {"phase": phase, "status": hole[0], "reason": hole[1]})
            if hole and hole[0] != PARTIAL:
                if phase == "train":
                    break  # what follows is missing because of this: one hole, not three
                continue
            metrics += _metrics({"benchmark": benchmark, "protocol": protocol, **key}, phase, folder / "metrics.csv")
            curves += [key | {"phase": phase} | row for row in read_rows(folder / "curves.csv")]
            evaluated = _predictions(folder / "predictions.npz")
            predictions |= _correct(key, phase, evaluated)
            metrics += [
                {"benchmark": benchmark, "protocol": protocol, **key, "phase": phase} | row
                for row in _never_predicted(evaluated)
            ]
    metrics.sort(key=_metric_order)
    _write_csv(out / "metrics.csv", METRICS, metrics)
    _write_csv(out / "history.csv", (*CELL, "epoch"), history)
    _write_csv(out / "curves.csv", (*CELL, "phase", "mode", "curve", "x", "value"), curves)
    _write_csv(out / "holes.csv", (*CELL, "phase", "status", "reason"), holes)
    _write_npz(out / "predictions.npz", predictions)
    _write_npz(out / "recordings.npz", recordings.gather(cells, predictions, manifests or {}))
    provenance = _provenance(benchmark, protocol, cells, records, manifests or {})
    names = ("metrics.csv", "history.csv", "curves.csv", "holes.csv", "predictions.npz", "recordings.npz")
    sums = {"files": {name: sha256(out / name) for name in names}}
    write_text(out / "provenance.json", sealed(provenance | sums))


def _expected_phases(cells: Iterable[Mapping[str, Any]]) -> Callable[[Mapping[str, Any]], list[str]]:
    """A function cell -> the phases that it should have, training first."""
    seen: defaultdict[tuple, set[str]] = defaultdict(set)
    for cell in cells:
        seen[_but_seed(cell)] |= {phase for phase in PHASES if (Path(cell["folder"]) / phase / "record.json").exists()}

    def expected(cell: Mapping[str, Any]) -> list[str]:
        names = cell.get("phases") or seen[_but_seed(cell)]
        return [phase for phase in PHASES if phase == "train" or phase in names]

    return expected


def _but_seed(cell: Mapping) -> tuple:
    return tuple(cell[name] for name in CELL if name != "seed")


def _hole(folder: Path) -> tuple[str, str] | None:
    """(status, reason) of a phase that does not give all of its numbers, or None."""
    if not (folder / "record.json").exists():
        return "missing", "not run, or it failed: see its log"
    record = _record(folder / "record.json")
    status, reason = record.get("status", "ok"), " ".join(str(record.get("reason") or "").split())
    if status != "ok":
        return status, reason or "no reason given"
    return (PARTIAL, reason) if reason else None


def _metrics(prefix: dict, phase: str, path: Path) -> list[dict]:
    rows = []
    for row in read_rows(path):
        try:
            value = repr(float(row["value"]))
            t_eval = str(int(float(row["t_eval"]))) if row["t_eval"] else ""
            rows.append(
                prefix
                | {"phase": phase, "t_eval": t_eval, "mode": row["mode"], "metric": row["metric"], "value": value}
            )
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            raise DataError(f"{path}: not a table of metrics ({repr(error)[:200]}); {REMEDY}") from None
    return rows


def _metric_order(row: Mapping) -> tuple:
    cell = tuple(row[name] for name in CELL)
    return (*cell, PHASE_ORDER.index(row["phase"]), row["mode"], int(row["t_eval"] or 0), row["metric"])


class _Predictions(NamedTuple):
    """What a phase predicted: the recordings, their classes, and evaluation `<mode>/<t_eval>/<metric>` -> predictions,
    -1 where there was no output; each array [recordings]."""

    recordings: np.ndarray
    label: np.ndarray
    predicted: dict[str, np.ndarray]


def _predictions(path: Path) -> _Predictions | None:
    if not path.exists():
        return None
    try:
        arrays = load_npz(path)
        label = arrays["label"]
        for name, array in arrays.items():
            if array.shape != label.shape or array.ndim != 1 or array.dtype.kind != "i":
                raise ValueError(f"{name} is {array.dtype} of shape {array.shape}, label of shape {label.shape}")
        predicted = {name: arrays[name] for name in sorted(arrays.keys() - {"index", "label"})}
        if wrong := [name for name in predicted if name.count("/") != 2]:
            raise ValueError(f"{wrong[0][:40]!r} names no evaluation")
        return _Predictions(arrays["index"], label, predicted)
    except Exception as error:  # zipfile and numpy raise many types for damaged files
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: not a file of predictions ({type(error).__name__}: {reason}); {REMEDY}") from None


def _correct(key: dict, phase: str, evaluated: _Predictions | None) -> dict[str, np.ndarray]:
    """Per evaluation, whether each recording was classified correctly, and which recordings they were.

    Keys: `<dataset>/<network>/<method>/T<t_train>/seed<seed>/<phase>/<mode>/<t_eval>/<metric>`, and `…/<phase>/index`.
    """
    if evaluated is None:
        return {}
    prefix = f"{Cell(**key).key}/{phase}"
    correct = {f"{prefix}/{name}": array == evaluated.label for name, array in evaluated.predicted.items()}
    return {f"{prefix}/index": evaluated.recordings} | correct


def _never_predicted(evaluated: _Predictions | None) -> list[dict[str, str]]:
    """The metric `classes_never_predicted` of each evaluation: how many of the classes among the recordings are
    predicted for none of them. An output neuron that never learnt shows here, and hides in a mean accuracy."""
    if evaluated is None:
        return []
    rows = []
    for name, array in evaluated.predicted.items():
        mode, t_eval, metric = name.split("/")
        if metric == "accuracy":
            missing = np.setdiff1d(evaluated.label, array).size
            value = {"metric": "classes_never_predicted", "value": repr(float(missing))}
            rows.append({"t_eval": t_eval, "mode": mode} | value)
    return rows


def _provenance(benchmark: str, protocol: str, cells: list, records: list, manifests: Mapping[str, Path]) -> dict:
    """What made these numbers: every distinct commit, code digest, version, machine and data set."""

    def distinct(name: str) -> list:
        values = {json.dumps(record[name], sort_keys=True) for _, _, record in records if record.get(name)}
        return [json.loads(value) for value in sorted(values)]

    seconds: defaultdict[str, float] = defaultdict(float)
    started: list[str] = []
    code: defaultdict[str, set[str]] = defaultdict(set)
    data: defaultdict[str, set[str]] = defaultdict(set)
    for phase, key, record in records:
        seconds[phase] += float(record.get("seconds") or 0.0)
        started.append(str(record.get("started") or ""))
        if record.get("code"):
            code[f"{phase}, {key['method']}"].add(str(record["code"]))
        if record.get("dataset_version"):
            data[key["dataset"]].add(str(record["dataset_version"]))
    versions: defaultdict[str, set[str]] = defaultdict(set)
    for of_record in distinct("versions"):
        for package, version in of_record.items():
            versions[package].add(str(version))
    started = sorted(filter(None, started))
    return {
        "benchmark": benchmark,
        "protocol": protocol,
        "cells": len(cells),
        "commits": distinct("commit"),
        "code": {name: sorted(digests) for name, digests in code.items()},
        "versions": {package: sorted(numbers) for package, numbers in versions.items()},
        "hardware": distinct("hardware"),
        "threads": distinct("threads"),
        "data": {name: sorted(numbers) for name, numbers in data.items()},
        "manifests": {name: _manifest(Path(path)) for name, path in manifests.items()},
        "seconds": dict(seconds),
        "started": started[:1] + started[-1:],
        "jobs": [_job(phase, key, record) for phase, key, record in records],
    }


def _job(phase: str, key: dict, record: dict) -> dict:
    """What the report tells of a single job: its cell, its code, its log, and what it was configured with."""
    config = {name: value for name, value in (record.get("config") or {}).items() if name in HYPERPARAMETERS}
    log = "logs/{dataset}/{network}/{method}/T{t_train}/seed{seed}".format(**key) + f"/{phase}.log"
    named = {name: record[name] for name in ("status", "commit", "token", "started", "seconds") if record.get(name)}
    return key | {"phase": phase, "log": log} | named | ({"config": config} if phase == "train" else {})


def _record(path: Path) -> dict:
    """A phase's record whose entries are of the types that the provenance is made from. DataError otherwise."""
    record = read_record(path)
    texts = [record.get(name) or "" for name in ("reason", "started", "code", "dataset_version")]
    seconds = record.get("seconds") or 0.0
    versions, config = (record.get(name) or {} for name in ("versions", "config"))
    if not (
        all(isinstance(text, str) for text in texts)
        and type(seconds) in (int, float)
        and 0 <= seconds < LONGEST
        and isinstance(versions, dict)
        and isinstance(config, dict)
    ):
        raise DataError(f"{path}: not a record of a phase; {REMEDY}")
    return record


def _manifest(path: Path) -> dict:
    try:
        manifest = read_json(path)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error}); {REMEDY}") from None
    if not isinstance(manifest, dict):
        raise DataError(f"{path}: not a manifest; {REMEDY}")
    return manifest


def _write_csv(path: Path, columns: Iterable[str], rows: list[dict]) -> None:
    """`columns` first, then whatever else the rows hold, in the order met."""
    write_rows(path, dict.fromkeys([*columns, *(name for row in rows for name in row)]), rows)


def _write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with replacing(path) as temporary, open(temporary, "wb") as f:
        np.savez_compressed(f, allow_pickle=False, **arrays)  # dates every member 1980: equal arrays are equal bytes
