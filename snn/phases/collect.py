"""Gather the cells of a benchmark into one folder: the tidy table, and all that the report is made from.

    cells/…/{train,sweep,deploy,probe,robustness}/
        ─▶ metrics.csv  history.csv  curves.csv  predictions.npz  holes.csv  recordings.npz  provenance.json

The report reads these seven files and nothing else. Metrics are those of the phases, and one that is counted here from
the predictions of each evaluation: `classes_never_predicted`. A phase that is missing or diverged is a row of
`holes.csv` with its reason, and none of its metrics count. Rows are sorted, and numbers are written so that they read
back exactly: the same cells give the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from snn.errors import DataError
from snn.phases import recordings
from snn.runtime.files import read_json, replacing, write_json, write_text

PHASES = ("train", "sweep", "deploy", "probe", "robustness")
CELL = ("dataset", "network", "method", "t_train", "seed")
METRICS = ("benchmark", "protocol", *CELL, "phase", "t_eval", "mode", "metric", "value")
HYPERPARAMETERS = ("method", "network", "neuron", "precision", "train")
"""Blocks of a training's configuration that the report shows: none that holds addresses or folders."""
PARTIAL = "partial"  # numbers are there, but for some mode that was refused
REMEDY = "delete its folder and run `snakemake` again"


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
                records.append((phase, key, _json(folder / "record.json")))
                history += [key | row for row in _rows(folder / "history.csv")]
            if hole:
                holes.append(key | {"phase": phase, "status": hole[0], "reason": hole[1]})
            if hole and hole[0] != PARTIAL:
                if phase == "train":
                    break  # what follows is missing because of this: one hole, not three
                continue
            metrics += _metrics({"benchmark": benchmark, "protocol": protocol, **key}, phase, folder / "metrics.csv")
            curves += [key | {"phase": phase} | row for row in _rows(folder / "curves.csv")]
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
    write_json(out / "provenance.json", _provenance(benchmark, protocol, cells, records, manifests or {}))


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
    record = _json(folder / "record.json")
    status, reason = record.get("status", "ok"), " ".join(str(record.get("reason") or "").split())
    if status != "ok":
        return status, reason or "no reason given"
    return (PARTIAL, reason) if reason else None


def _metrics(prefix: dict, phase: str, path: Path) -> list[dict]:
    rows = []
    for row in _rows(path):
        try:
            value = repr(float(row["value"]))
            t_eval = str(int(float(row["t_eval"]))) if row["t_eval"] else ""
            rows.append(
                prefix
                | {"phase": phase, "t_eval": t_eval, "mode": row["mode"], "metric": row["metric"], "value": value}
            )
        except (KeyError, ValueError, TypeError) as error:
            raise DataError(f"{path}: not a table of metrics ({error!r}); {REMEDY}") from None
    return rows


def _metric_order(row: Mapping) -> tuple:
    cell = tuple(row[name] for name in CELL)
    return (*cell, PHASES.index(row["phase"]), row["mode"], int(row["t_eval"] or 0), row["metric"])


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
        with np.load(path, allow_pickle=False) as arrays:
            label = arrays["label"]
            predicted = {name: arrays[name] for name in sorted(set(arrays.files) - {"index", "label"})}
            for name, array in predicted.items():
                if array.shape != label.shape:
                    raise ValueError(f"{name} has shape {array.shape}, label {label.shape}")
            return _Predictions(arrays["index"], label, predicted)
    except (KeyError, ValueError, OSError, EOFError) as error:
        raise DataError(f"{path}: not a file of predictions ({error}); {REMEDY}") from None


def _correct(key: dict, phase: str, evaluated: _Predictions | None) -> dict[str, np.ndarray]:
    """Per evaluation, whether each recording was classified correctly, and which recordings they were.

    Keys: `<dataset>/<network>/<method>/T<t_train>/seed<seed>/<phase>/<mode>/<t_eval>/<metric>`, and `…/<phase>/index`.
    """
    if evaluated is None:
        return {}
    prefix = "{dataset}/{network}/{method}/T{t_train}/seed{seed}".format(**key) + f"/{phase}"
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
        "manifests": {name: _json(Path(path)) for name, path in manifests.items()},
        "seconds": dict(seconds),
        "started": started[:1] + started[-1:],
        "jobs": [_job(phase, key, record) for phase, key, record in records],
    }


def _job(phase: str, key: dict, record: dict) -> dict:
    """What the report tells of a single job: its cell, its code, its log, and what it was configured with."""
    config = {name: value for name, value in record.get("config", {}).items() if name in HYPERPARAMETERS}
    log = "logs/{dataset}/{network}/{method}/T{t_train}/seed{seed}".format(**key) + f"/{phase}.log"
    named = {name: record[name] for name in ("status", "commit", "token", "started", "seconds") if record.get(name)}
    return key | {"phase": phase, "log": log} | named | ({"config": config} if phase == "train" else {})


def _json(path: Path) -> dict:
    try:
        record = read_json(path)
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); {REMEDY}") from None
    if not isinstance(record, dict):
        raise DataError(f"{path}: not a record; {REMEDY}")
    return record


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def _write_csv(path: Path, columns: Iterable[str], rows: list[dict]) -> None:
    """`columns` first, then whatever else the rows hold, in the order met."""
    columns = list(dict.fromkeys([*columns, *(name for row in rows for name in row if name is not None)]))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with replacing(path) as temporary, open(temporary, "wb") as f:
        np.savez_compressed(f, allow_pickle=False, **arrays)  # dates every member 1980: equal arrays are equal bytes
