"""Mutated files of results: stores, checkpoints, weights, records, tables and what is collected from them."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import fake_cells
import numpy as np
import torch
import yaml

from snn.benchmark.cell import Cell
from snn.benchmark.layout import CellFolder
from snn.benchmark.plan import Plan
from snn.config.read import read_configuration
from snn.config.validation import merge
from snn.data.conversion import convert
from snn.data.manifest import sealed
from snn.data.store import EventStore, ImageStore, open_store
from snn.errors import UserError
from snn.phases.experiment import Experiment
from snn.phases.train import train
from tests.data import mutations as bytewise
from tests.events import mutations as values

from .runner import ROOT, Finding, Part, Verdict, check, command, refused

CELL = Cell("saccades", "3c1fc", "sdt", 2, 0)
TINY = {
    "benchmark": "tiny",
    "matrix": {"networks": ["3c1fc"], "methods": ["sdt", "mtt"], "extra": [], "t_train": [4], "seeds": [0, 1]},
    "probe": {"seeds": 0},
    "robustness": {"seeds": 0, "recovery": []},
}
ONE = {
    "matrix": {"networks": ["3c1fc"], "methods": ["sdt"], "extra": [], "t_train": [2], "seeds": [0]},
    "datasets": {"saccades": {"params": {"samples": 60}, "split": {"validation": 20, "test": 20}}},
    "train": {"epochs": 2, "batch_size": 20},
}


# --- stores


@cache
def stores() -> dict[str, dict[str, bytes]]:
    """The files of a small store of events and of one of images."""
    contents = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("nmnist", "image-folder .png"):
            reader, layout = bytewise.LAYOUTS[name]
            params, split = layout(Path(folder) / name / "raw")
            convert(reader, params, split, Path(folder) / name / "store", progress=False)
            contents[name] = {p.name: p.read_bytes() for p in (Path(folder) / name / "store").iterdir() if p.is_file()}
    return contents


def store(rng: random.Random) -> Verdict:
    """Of one file; with the checksums made to fit, or not: then only an unchanged store may be accepted."""
    files = dict(stores()[rng.choice(sorted(stores()))])
    intact = dict(files)
    name = rng.choice(["data.bin", "index.npz", "index.npz", "manifest.json", "manifest.json"])
    refit = rng.random() < 0.7
    files[name] = _damaged(name, files[name], rng)
    if refit:
        files["manifest.json"] = _refitted(files)
    with tempfile.TemporaryDirectory() as folder:
        for other, content in files.items():
            (Path(folder) / other).write_bytes(content)
        try:
            opened = open_store(folder)
            if isinstance(opened, EventStore):
                opened.frames(np.arange(len(opened)), 3)
            elif isinstance(opened, ImageStore):
                opened.images(np.arange(len(opened)))
        except UserError as error:
            return refused(error, folder)
    read = ("data.bin", "index.npz", "manifest.json")
    if not refit and any(files[other] != intact[other] for other in read):
        raise Finding(f"{name} was changed, and the store is accepted")
    return Verdict("accepted")


def _damaged(name: str, content: bytes, rng: random.Random) -> bytes:
    if name == "manifest.json" and rng.random() < 0.7:
        tree = json.loads(content)
        container, key = rng.choice(values._places(tree))
        container[key] = rng.choice([v for v in values.VALUES if v is not values.HUGE])
        return json.dumps(tree, indent=1, sort_keys=True).encode()
    if name == "index.npz" and rng.random() < 0.7:
        with np.load(io.BytesIO(content)) as stored:
            arrays = dict(stored.items())
        _damage_array(arrays, rng)
        out = io.BytesIO()
        np.savez(out, **arrays)  # type: ignore[arg-type]  # numpy 2's stub of **kwds
        return out.getvalue()
    return bytewise.mutated(content, rng)


def _damage_array(arrays: dict[str, np.ndarray], rng: random.Random) -> None:
    """One array of the dictionary gets another type, shape, value or name; where there is none, one more is there."""
    if not arrays:
        arrays["more"] = np.zeros(1)
        return
    name = rng.choice(sorted(arrays))
    a = arrays.pop(name)
    how = rng.choice(["type", "shape", "value", "value", "value", "name", "gone"])
    if how == "type":
        try:
            a = a.astype(rng.choice(["i4", "f8", "u1", "S3", "c8", ">i8", "?"]))
        except ValueError:
            a = a[:1]
    elif how == "shape":
        a = rng.choice([a[:-1], a[None], a[:0], np.concatenate([a, a])])
    elif how == "value" and a.dtype.kind in "iuf" and a.size:
        a = a.copy()
        limits = np.iinfo(a.dtype) if a.dtype.kind in "iu" else np.finfo(a.dtype)
        a.flat[rng.randrange(a.size)] = rng.choice([limits.min, limits.max, 0, 1, 2, 3, 7])
    elif how == "name":
        name = rng.choice(["", "../x", "labels", "more"])
    if how != "gone":
        arrays[name] = a


def _refitted(files: dict[str, bytes]) -> bytes:
    """The manifest with sizes and checksums that fit, as far as it still has them."""
    try:
        manifest = json.loads(files["manifest.json"])
        for name, stored in manifest["files"].items():
            stored |= {"bytes": len(files[name]), "sha256": hashlib.sha256(files[name]).hexdigest()}
        return sealed({name: value for name, value in manifest.items() if name != "sha256"}).encode()
    except (ValueError, KeyError, TypeError, AttributeError, UnicodeError):
        return files["manifest.json"]


# --- checkpoints and weights


class _Stopped(Exception):
    pass


@cache
def _plan() -> Plan:
    base = read_configuration(ROOT / "config/config.yaml").model_dump()
    return Plan.load(merge(base, ONE))


@cache
def _store() -> Path:
    """The data of the cell, in a folder that the campaign's process removes at its end."""
    folder = Path(tempfile.mkdtemp(prefix="snn-campaign-store-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # the children end without
    params, split = _plan().config.datasets["saccades"].params, _plan().config.datasets["saccades"].split
    convert("saccades", params, split, folder / "store", progress=False)
    return folder / "store"


def _experiment(folder: Path) -> Experiment:
    plan = _plan()
    return Experiment(
        plan.spec(CELL, "train"), plan.token(CELL, "train"), _store(), CellFolder(folder), frame_cache_mb=100
    )


@cache
def undisturbed() -> tuple[dict[str, bytes], dict[str, torch.Tensor]]:
    """(the cell's files after a training: its checkpoint after one epoch and its weights; the trained weights)."""
    from snn.phases import outcome

    torch.set_num_threads(1)

    def stop(epoch: int, row: dict[str, float]) -> None:
        raise _Stopped

    with tempfile.TemporaryDirectory() as scratch:
        experiment = _experiment(Path(scratch))
        with contextlib.suppress(_Stopped):
            train(experiment, on_epoch=stop)
        content = {"checkpoint": experiment.folder.checkpoint.read_bytes()}
        whole = train(experiment)
        outcome.write(experiment.folder, "train", whole, {"status": "ok", "config": experiment.spec})
        content["weights"] = experiment.folder.weights.read_bytes()
        return content, whole.weights["network"]


def _saved(content: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    state = torch.load(io.BytesIO(content), weights_only=True)
    change(state)
    out = io.BytesIO()
    torch.save(state, out)
    return out.getvalue()


def _damaged_state(content: bytes, rng: random.Random) -> bytes:
    """Bytes changed; or the state changed in its structure and saved again, so that all checksums fit."""
    if rng.random() < 0.5:
        return bytewise.mutated(content, rng)

    def change(state: dict[str, Any]) -> None:
        tree, moments = state, state.get("optimizer", {}).get("state")
        while True:
            key = rng.choice(sorted(tree, key=str))
            if not isinstance(tree[key], dict) or not tree[key] or rng.random() < 0.3:
                break
            tree = tree[key]
        match rng.choice(["gone", "type", "shape", "more"]):
            case "gone" if tree is not moments:  # a parameter without moments may be one without a gradient
                del tree[key]
            case "shape" if isinstance(tree[key], torch.Tensor):
                tree[key] = rng.choice(
                    [tree[key][None], tree[key].reshape(-1)[:1], torch.zeros(0), tree[key].to(torch.complex64)]
                )
            case "more":
                tree[rng.choice(["more", 17])] = rng.choice([1, "x", torch.zeros(3)])
            case _:
                tree[key] = rng.choice([None, "x", [], {}, 3, torch.zeros(2)])

    return _saved(content, change)


def checkpoint(rng: random.Random) -> Verdict:
    """A training that resumes from it is refused, or gives the bits of the undisturbed one."""
    content, weights = undisturbed()
    with tempfile.TemporaryDirectory() as scratch:
        experiment = _experiment(Path(scratch))
        experiment.folder.checkpoint.write_bytes(_damaged_state(content["checkpoint"], rng))
        try:
            trained = train(experiment)
        except UserError as error:
            return refused(error, scratch)
        _check_same(trained.weights["network"], weights)
    return Verdict("accepted")


def trained_weights(rng: random.Random) -> Verdict:
    """A cell's weights, as a later phase or a student reads them."""
    content, weights = undisturbed()
    with tempfile.TemporaryDirectory() as scratch:
        experiment = _experiment(Path(scratch))
        experiment.folder.weights.parent.mkdir()
        experiment.folder.weights.write_bytes(_damaged_state(content["weights"], rng))
        try:
            network, _ = experiment.load_network()
        except UserError as error:
            return refused(error, scratch)
        _check_same(network.state_dict(), weights)
    return Verdict("accepted")


def _check_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    if a.keys() != b.keys() or not all(torch.equal(a[name], b[name]) for name in b):
        raise Finding("accepted, and the weights are others than those of an undisturbed training")


# --- the files of cells, and what is collected from them


@cache
def benchmark() -> dict[str, bytes]:
    """The files of a finished benchmark with made-up numbers, by their path in its folder."""
    with tempfile.TemporaryDirectory() as scratch:
        layout = fake_cells.layout(Path(scratch), "tiny")
        fake_cells.make_benchmark(layout)
        for cell in layout.results.glob("cells/*/*/*/*/*"):
            for phase in ("train", "sweep", "deploy"):
                _add_predictions(cell / phase)
        return {str(p.relative_to(scratch)): p.read_bytes() for p in Path(scratch).rglob("*") if p.is_file()}


def _add_predictions(phase: Path) -> None:
    label = np.arange(8) % 2
    name = {"train": "clock/4/accuracy", "sweep": "clock/1/accuracy", "deploy": "event-float//accuracy"}[phase.name]
    with open(phase / "predictions.npz", "wb") as f:
        np.savez_compressed(f, index=np.arange(8), label=label, **{name: 1 - label})  # type: ignore[arg-type]


def _in_benchmark(rng: random.Random, suffixes: tuple[str, ...], folder: str, act: Callable[[], Verdict]) -> Verdict:
    """`act` in the folder of the benchmark, of which one file below `folder` was mutated."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in benchmark().items():
            path = Path(scratch) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (Path(scratch) / "tiny.yaml").write_text(yaml.safe_dump(TINY))
        os.chdir(scratch)
        try:
            if folder == "reports":
                check(command("collect", "--configfile", "tiny.yaml"))
            candidates = sorted(p for p in Path(folder).rglob("*") if p.suffix in suffixes)
            _damage_result(rng.choice(candidates), rng)
            return act()
        finally:
            os.chdir(before)


def _damage_result(path: Path, rng: random.Random) -> None:
    if path.suffix == ".json" and rng.random() < 0.6:
        tree = json.loads(path.read_text())
        container, key = rng.choice(values._places(tree))
        container[key] = rng.choice(values.VALUES[:-1])
        path.write_text(json.dumps(tree))
    elif path.suffix == ".npz" and rng.random() < 0.6:
        with np.load(path) as stored:
            arrays = dict(stored.items())
        _damage_array(arrays, rng)
        with open(path, "wb") as f:
            np.savez_compressed(f, **arrays)  # type: ignore[arg-type]
    elif path.suffix == ".csv" and rng.random() < 0.6:
        lines = [line.split(",") for line in path.read_text().splitlines()]
        row = rng.choice(lines)
        match rng.choice(["value", "value", "value", "more", "fewer", "twice"]):
            case "value":
                odd = ["", "nan", "inf", "-1", "x", "1e400", "9" * 30, '"', "\0", "ü", "train", "7"]
                row[rng.randrange(len(row))] = rng.choice(odd)
            case "more":
                row.append("1")
            case "fewer":
                row.pop()
            case _:
                lines.append(row)
        path.write_text("".join(",".join(line) + "\n" for line in lines))
    else:
        bytewise.damage_file(path, rng)


def records(rng: random.Random) -> Verdict:
    """A file of a cell or a manifest: `snn status` and `snn collect`."""

    def act() -> Verdict:
        check(command("status", "--configfile", "tiny.yaml"))
        return check(command("collect", "--configfile", "tiny.yaml"))

    return _in_benchmark(rng, (".json", ".csv", ".npz"), "results", act)


def collected(rng: random.Random) -> Verdict:
    """A file that `snn collect` wrote: `snn report`."""
    return _in_benchmark(
        rng, (".json", ".csv", ".npz"), "reports", lambda: check(command("report", "--configfile", "tiny.yaml"))
    )


def synchronised(rng: random.Random) -> Verdict:
    """A file of a cell: `snn mlflow-sync`."""
    return _in_benchmark(
        rng, (".json", ".csv"), "results", lambda: check(command("mlflow-sync", "--configfile", "tiny.yaml"))
    )


def prepare_training() -> None:
    undisturbed()


def prepare_benchmark() -> None:
    benchmark()


def prepare_stores() -> None:
    stores()


PARTS = [
    Part("results/stores", store, share=0.12, prepare=prepare_stores),
    Part("results/checkpoints", checkpoint, share=0.01, prepare=prepare_training, address_space=False),
    Part("results/weights", trained_weights, share=0.02, prepare=prepare_training, address_space=False),
    Part("results/records", records, share=0.03, prepare=prepare_benchmark),
    Part(
        "results/collected",
        collected,
        share=0.002,
        prepare=prepare_benchmark,
        address_space=False,
    ),
    Part(
        "results/mlflow",
        synchronised,
        share=0.001,
        prepare=prepare_benchmark,
        address_space=False,
    ),
]
