"""Damaged and hostile files, made from valid ones; and the rule by which the engine must treat them.

    for mutation in islice(network_files(content, seed=3), 1000):
        assert verdict(path, mutation) in ("refused", "accepted")

Generators are endless and seeded: the same seed gives the same files, and mutation i of a seed can be made again alone.
The rule: one line of `UserError`, or a network that the engine runs as the reference does.
`python -m tests.events.mutations network|nir SEED FIRST NUMBER` runs a campaign of mutations FIRST.. of a seed.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import random
import struct
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from snn.errors import UserError
from snn.events import Engine, EventNetwork, Population, Synapse, _hdf5, from_nir, load, save, to_nir

from .reference import Reference

HUGE = 10**400
VALUES: list[Any] = [
    None, True, False, 0, 1, 2, 3, -1, 7, 2**16, 2**31, 2**40, 2**63, 2**64, HUGE, -HUGE, 0.5, 0.1, -0.5, 1.0, 2.0,
    1e-320, 1e-45, 1e-30, 1e30, 3e38, 1e39, 1e308, float("nan"), float("inf"), -float("inf"), "", "no", "input", "out",
    "soft", "hard", "conv", "linear", "identity", "1", "\ud800", "a\nb", "x" * 100_000, [], {}, [1, 2, 3], [3, 1, 1],
    [2**20] * 3, [2**10] * 3, [2**20, 1, 1], [1, 0, 1], [1.5, 1, 1], ["1", "1", "1"], [[]], [None] * 3, {"a": 1},
    list(range(3000)),
]  # fmt: skip


class Mutation(NamedTuple):
    name: str  # what was done
    content: bytes
    refitted: bool = True  # False: the checksum stands, so that only the network that was there may be accepted


def valid_network() -> EventNetwork:
    """A small network that has one of everything, and runs in every mode."""
    rng = np.random.default_rng(0)

    def w(*shape: int) -> np.ndarray:
        return rng.normal(0.2, 0.4, shape).astype(np.float32)

    return EventNetwork(
        (2, 6, 6),
        [
            Population("stem", (4, 3, 3), threshold=0.9, v_min=-0.5),
            Population("block", (4, 3, 3), tau_us=500.0, v0=0.25),
            Population("sum", (4, 3, 3), v_min=None),
            Population("out", (3, 1, 1), spiking=False),
        ],
        [
            Synapse("input", "stem", "conv", w(4, 2, 3, 3), padding=1, pool=2),
            Synapse("stem", "block", "conv", w(4, 4, 3, 3), padding=1),
            Synapse("stem", "sum", "identity", scale=0.7),
            Synapse("block", "sum", "identity", scale=0.9),
            Synapse("sum", "out", "linear", w(3, 36)),
        ],
        classes=["a", "b", "c"],
        meta={"dataset": "made up", "t_train": 10},
    )


@cache
def network_content() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        save(valid_network(), Path(folder) / "network.npz")
        return (Path(folder) / "network.npz").read_bytes()


@cache
def nir_content() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        to_nir(valid_network(), Path(folder) / "network.nir", extensions=True)
        return (Path(folder) / "network.nir").read_bytes()


def verdict(path: Path, mutation: Mutation) -> str:
    """Write the file and read it: "refused" or "accepted"; what the rule does not allow is an exception."""
    path.write_bytes(mutation.content)
    try:
        network = from_nir(path) if path.suffix == ".nir" else load(path)
    except UserError as error:
        check_message(error, path)
        return "refused"
    check_runs(network)
    again = path.with_name("again.npz")
    save(network, again)
    first = again.read_bytes()
    save(load(again), again)
    assert again.read_bytes() == first, "what is saved and loaded is another network"
    if not mutation.refitted and path.suffix != ".nir":
        assert first == network_content(), "a damaged file is accepted as another network"
    return "accepted"


def check_message(error: UserError, path: Path | None = None) -> None:
    text = str(error)
    assert len(text) < 1500, f"the message has {len(text)} characters: {text[:200]}"
    assert "\n" not in text, f"the message has several lines: {text[:500]}"
    assert path is None or str(path) in text, f"the message does not name the file: {text[:500]}"


def check_runs(network: EventNetwork) -> None:
    """In every mode and order, as the reference does (of what is small enough for it)."""
    rng = np.random.default_rng(0)
    c, h, w = network.input_shape
    n = 25
    t, x, y, p = np.sort(rng.integers(0, 2000, n)), *(rng.integers(0, k, n) for k in (w, h, c))
    neurons = sum(population.size for population in network.populations)
    for mode in ("float", "int8"):
        for order in ("breadth", "depth"):
            try:
                engine = Engine(network, mode, order)
            except UserError as error:
                check_message(error)
                continue
            if neurons > 2**22:
                continue
            result = engine.run(t, x, y, p, trace=True)
            if neurons < 500 and result.spikes.sum() < 5000:
                with np.errstate(over="ignore"):
                    expected = Reference(network, mode, order).run(
                        list(zip(*(a.tolist() for a in (t, x, y, p)), strict=True))
                    )
                for population, trace in zip(network.populations, result.trace or [], strict=True):
                    assert trace.tolist() == [list(s) for s in expected.trace[population.name]], population.name
                assert result.counts.tolist() == expected.counts
                assert result.prediction == expected.prediction


# Network files


def network_files(content: bytes, seed: int) -> Iterator[Mutation]:
    """Mutations of a network file: of its header and weights with the checksum refitted, of its zip, of its bytes."""
    ways = (_header_values, _header_values, _header_structure, _weights, _npy_header, _zip, _bytes)
    return _mutations(content, seed, ways)


class Parts:
    """A network file taken apart: JSON of the header, arrays by name; `pack` puts it together."""

    def __init__(self, content: bytes) -> None:
        with np.load(io.BytesIO(content)) as stored:
            self.weights: dict[str, Any] = {name: stored[name] for name in stored.files if name != "header"}
            self.header = json.loads(stored["header"].tobytes())

    def pack(self, change: Callable[[dict[str, bytes]], None] = lambda members: None, **how: Any) -> bytes:
        """change: of the members' bytes, in place; how: arguments of `ZipFile`."""
        self.header.pop("checksum", None)
        digest = hashlib.sha256(json.dumps(self.header, sort_keys=True).encode())
        for name in sorted(self.weights):
            values = np.ascontiguousarray(self.weights[name])
            digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
            digest.update(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())
        header = json.dumps(self.header | {"checksum": digest.hexdigest()}, sort_keys=True).encode()
        members = {"header.npy": npy(np.frombuffer(header, np.uint8))}
        members |= {f"{name}.npy": npy(values) for name, values in self.weights.items()}
        change(members)
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", **how) as archive:
            for name, member in members.items():
                archive.writestr(name, member)
        return file.getvalue()


def npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, values, allow_pickle=True)
    return file.getvalue()


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every value in a tree of JSON."""
    places = []
    if isinstance(tree, dict | list):
        for key in tree if isinstance(tree, dict) else range(len(tree)):
            places += [(tree, key), *_places(tree[key])]
    return places


def _header_values(content: bytes, rng: random.Random) -> Mutation:
    parts, names = Parts(content), []
    for _ in range(rng.choice([1, 1, 1, 2])):
        container, key = rng.choice(_places(parts.header))
        value = copy.deepcopy(rng.choice(VALUES))
        if rng.random() < 0.3 and isinstance(container[key], int | float):
            value = container[key] + rng.choice([-1, 1, 0.5])
        container[key] = value
        names.append(f"{key} = {str(type(value)) if value in (HUGE, -HUGE) else repr(value)[:30]}")
    return Mutation("header: " + ", ".join(names), parts.pack())


def _header_structure(content: bytes, rng: random.Random) -> Mutation:
    parts = Parts(content)
    container, key = rng.choice(_places(parts.header))
    how = rng.choice(["delete", "add", "double", "swap", "nest", "copy"])
    if how == "delete":
        del container[key]
    elif how == "add" and isinstance(container, dict):
        container[rng.choice(["v_rest", "weight", "", "x" * 1000])] = rng.choice(VALUES)
    elif how == "double" and isinstance(container, list):
        container += [copy.deepcopy(container[key])] * rng.choice([1, 2, 5000])
    elif how == "swap" and isinstance(container, list):
        rng.shuffle(container)
    elif how == "nest":
        for _ in range(rng.choice([1, 3, 400])):
            container[key] = [container[key]]
    else:
        other, place = rng.choice(_places(parts.header))
        container[key] = copy.deepcopy(other[place])
    return Mutation(f"header: {how} {key!r}", parts.pack())


def _weights(content: bytes, rng: random.Random) -> Mutation:
    parts = Parts(content)
    name = rng.choice(sorted(parts.weights))
    w = parts.weights[name]
    how = rng.choice(["type", "shape", "values", "remove", "rename", "extra", "order"])
    if how == "type":
        kind = rng.choice(["c8", "U8", "S4", "f8", "f2", ">f4", "i4", "?", "O", "M8[s]", "V4"])
        with warnings.catch_warnings(action="ignore"):
            parts.weights[name] = w.view("V4") if kind == "V4" else np.asarray(w).astype(kind)
        how = f"type {kind}"
    elif how == "shape":
        shape = rng.choice([(-1,), (1, -1), (*w.shape, 1), w.shape[::-1], (0,), ()])
        parts.weights[name] = w.ravel()[:1].reshape(()) if shape == () else w[:0] if shape == (0,) else w.reshape(shape)
    elif how == "values":
        w = parts.weights[name] = w.copy()
        value = rng.choice([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e20, 1e-45, 0.0, 1e10, -1e10])
        w[(...,) if rng.random() < 0.3 else tuple(rng.randrange(n) for n in w.shape)] = value
        how = f"value {value}"
    elif how == "remove":
        del parts.weights[name]
    elif how == "rename":
        parts.weights[rng.choice(["weight/99", "weight/2", "weight/-1", "a", "../x", "weight"])] = parts.weights.pop(
            name
        )
    elif how == "extra":
        parts.weights[rng.choice(["weight/99", "weight/2", "../x", "more"])] = w
    else:
        parts.weights[name] = np.asfortranarray(w)
    return Mutation(f"{name}: {how}", parts.pack())


def _npy_header(content: bytes, rng: random.Random) -> Mutation:
    """The description of an array lies about its data."""
    parts = Parts(content)
    name = rng.choice(["header", *sorted(parts.weights)]) + ".npy"
    shape = rng.choice(
        ["(2**40,)", "(1099511627776,)", "(-1,)", "(4, -9)", "(1.5,)", "('a',)", "4", "()", "(True,)", "None"]
    )
    kind = rng.choice(["'<f4'", "'<f4'", "'|O'", "'<c8'", "'<U4'", "'nonsense'", "[('a', '<f4')]", "'|u1'", "3"])
    text = f"{{'descr': {kind}, 'fortran_order': {rng.choice(['False', 'True', '2'])}, 'shape': {shape}, }}"
    text = rng.choice([text] * 5 + ["{" * 200, "{}", "\0", "__import__('os')", text + "#" * 9000])
    version = rng.choice([1, 1, 1, 2, 3, 4])

    def change(members: dict[str, bytes]) -> None:
        old = members[name]
        data = old[10 + struct.unpack("<H", old[8:10])[0] :]
        size = struct.pack("<H" if version == 1 else "<I", len(text) + 1)
        members[name] = b"\x93NUMPY" + bytes([version, 0]) + size + text.encode() + b"\n" + data

    return Mutation(f"{name}: description {text[:90]}", parts.pack(change))


def _zip(content: bytes, rng: random.Random) -> Mutation:
    """The archive itself: compressed, encrypted, lying about sizes, with members twice."""
    parts = Parts(content)
    how = rng.choice(["deflate", "bzip2", "lzma", "twice", "fields", "fields", "fields", "nothing", "pickle", "bomb"])
    methods = {"deflate": zipfile.ZIP_DEFLATED, "bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}
    if how in methods:
        return Mutation(f"zip: {how}", parts.pack(compression=methods[how]))
    if how == "bomb":
        return Mutation(
            "zip: bomb",
            parts.pack(lambda m: m.update({"weight/0.npy": bytes(10**7)}), compression=zipfile.ZIP_DEFLATED),
        )
    if how == "pickle":
        return Mutation("zip: pickle", parts.pack(lambda m: m.update({"weight/0.npy": npy(np.array([print]))})))
    if how == "nothing":
        return Mutation("zip: without members", parts.pack(dict.clear))
    if how == "twice":
        file = io.BytesIO(parts.pack())
        with zipfile.ZipFile(file, "a") as archive, warnings.catch_warnings(action="ignore"):
            name = rng.choice(archive.namelist())
            archive.writestr(name, archive.read(name))
        return Mutation(f"zip: {name} twice", file.getvalue())
    data = bytearray(parts.pack())
    for _ in range(rng.choice([1, 1, 2])):
        signature, size = rng.choice([(b"PK\x03\x04", 30), (b"PK\x01\x02", 46), (b"PK\x05\x06", 22)])
        starts = [i for i in range(len(data)) if data.startswith(signature, i)]
        start = rng.choice(starts) + rng.randrange(4, size)
        data[start] = rng.choice([0, 1, 2, 8, 9, 12, 14, 99, 255, rng.randrange(256)])
    return Mutation("zip: fields", bytes(data), refitted=False)


def _bytes(content: bytes, rng: random.Random) -> Mutation:
    """Bytes changed, cut off, inserted or lost, with no checksum refitted."""
    data = bytearray(content)
    how = rng.choice(["change", "change", "change", "cut", "insert", "lose", "zero"])
    for _ in range(rng.choice([1, 1, 3, 20])):
        if not data:
            break
        i = rng.randrange(len(data))
        if how == "change":
            data[i] = rng.randrange(256)
        elif how == "cut":
            del data[i:]
        elif how == "insert":
            data[i:i] = rng.randbytes(rng.choice([1, 4, 100]))
        elif how == "lose":
            del data[i : i + rng.choice([1, 4, 100])]
        else:
            data[i : i + 64] = bytes(len(data[i : i + 64]))
    return Mutation(f"bytes: {how}", bytes(data), refitted=False)


# NIR files


def nir_files(content: bytes, seed: int) -> Iterator[Mutation]:
    """Mutations of a NIR file: of its data sets, of its graph, of HDF5 itself, of its bytes."""
    return _mutations(content, seed, (_data_sets, _data_sets, _graph, _containers, _bytes))


def _hdf(content: bytes, change: Callable[[Any], str]) -> Mutation:
    import h5py

    file = io.BytesIO(content)
    with h5py.File(file, "r+") as stored:
        name = change(stored)
    return Mutation(name, file.getvalue())


def _items(stored: Any) -> tuple[list[str], list[str]]:
    """Paths of the groups and of the data sets."""
    import h5py

    groups: list[str] = []
    sets: list[str] = []
    stored.visititems(lambda name, item: (groups if isinstance(item, h5py.Group) else sets).append(name))
    return sorted(groups), sorted(sets)


ARRAYS: list[Any] = [
    np.float32(0), np.float64(np.nan), np.float64(np.inf), np.float32(3e38), 1e300, -1, 0, 1, 2, 3, 2**40, -(2**62),
    0.5, "no", b"\xff\xfe", "IF", "LIF", "Conv2d", "Linear", "NIRGraph", "Input", "Output", "CubaLIF", "Scale",
    "x" * 10_000, np.zeros(0), np.zeros((0, 3)), np.ones(3), np.ones((2, 2)), np.ones((3, 1, 1, 1, 1)),
    np.array([1, 2, 3]),
    np.array([2**40, 1, 1]), np.array([2**20] * 3), np.array([-1, 6, 6]), np.array([1.5, 6, 6]), np.array([0, 0]),
    np.array([2**31, 2**31]), np.array([1j]), np.array([True, False]), np.array([b"a", b"b"]), np.float32([[np.nan]]),
]  # fmt: skip


def _data_sets(content: bytes, rng: random.Random) -> Mutation:
    def change(stored: Any) -> str:
        _, sets = _items(stored)
        name = rng.choice(sets)
        old = stored[name][()]
        del stored[name]
        how = rng.choice(["value", "value", "value", "delete", "type", "shape", "element", "json"])
        value: Any = rng.choice(ARRAYS)
        if how == "delete":
            return f"{name}: deleted"
        if how == "type" and isinstance(old, np.ndarray | np.generic) and old.dtype.kind in "iuf":
            with np.errstate(all="ignore"):
                value = np.asarray(old).astype(rng.choice(["c8", "i2", "u1", "f2", "f8", "S4", "?"]))
        elif how == "shape" and isinstance(old, np.ndarray):
            value = rng.choice([old.ravel(), old[None], old[:1], old[..., :1]])
        elif how == "element" and isinstance(old, np.ndarray) and old.dtype.kind in "iuf" and old.size:
            value = old.copy()
            value.flat[rng.randrange(old.size)] = rng.choice([0, 1, 2, 7, 100])
        elif how == "json" and isinstance(old, bytes) and old.startswith(b"{"):
            value = _damaged_json(old, rng)
        stored[name] = value
        return f"{name}: {how} {str(value)[:40]!r}"

    return _hdf(content, change)


def _damaged_json(old: bytes, rng: random.Random) -> str:
    tree = json.loads(old)
    container, key = rng.choice(_places(tree))
    container[key] = rng.choice(VALUES)
    return rng.choice([json.dumps(tree)] * 4 + ["[" * 5000, "{", "3", "null", "[]"])


def _graph(content: bytes, rng: random.Random) -> Mutation:
    def change(stored: Any) -> str:
        nodes = stored["node/nodes"]
        names = sorted(nodes)
        edges = stored["node/edges"][()].tolist()
        how = rng.choice(
            ["add edge", "remove edge", "turn edge", "swap edges", "rename", "remove node", "copy", "chain"]
        )
        if how == "add edge":
            edges.append([rng.choice(names).encode(), rng.choice([*names, "nowhere"]).encode()])
        elif how == "remove edge":
            edges.pop(rng.randrange(len(edges)))
        elif how == "turn edge":
            edges[rng.randrange(len(edges))].reverse()
        elif how == "swap edges":
            rng.shuffle(edges)
        elif how == "rename":
            nodes.move(rng.choice(names), rng.choice(["input", "ä", "a b", "x" * 300, "new\nline"]) + "~")
        elif how == "remove node":
            del nodes[rng.choice(names)]
        elif how == "copy":
            a, b = rng.sample(names, 2)
            del nodes[b]
            nodes.copy(a, b)
        else:
            for i in range(50):
                nodes.copy("stem", f"extra{i}")
                edges.append([b"stem" if not i else f"extra{i - 1}".encode(), f"extra{i}".encode()])
        del stored["node/edges"]
        stored["node/edges"] = np.array(edges, object)
        return f"graph: {how}"

    return _hdf(content, change)


def _containers(content: bytes, rng: random.Random) -> Mutation:
    """HDF5 itself: data sets that are declared but not stored, links in circles and to elsewhere, groups for data."""

    def change(stored: Any) -> str:
        import h5py

        groups, sets = _items(stored)
        how = rng.choice(["huge", "circle", "tree", "soft", "external", "group", "set", "empty", "null"])
        name = rng.choice(groups if how in ("circle", "tree", "set") else sets)
        if how == "circle":
            stored[name]["loop"] = stored[rng.choice(["/", "node", name])]
        elif how == "tree":
            for i in range(30):
                stored.create_group(f"node/metadata/level{i}")
                if i:
                    for k in "ab":
                        stored[f"node/metadata/level{i}/{k}"] = stored[f"node/metadata/level{i - 1}"]
        else:
            del stored[name]
        if how == "huge":
            chunks = rng.choice([None, (1024,)])
            stored.create_dataset(name, (rng.choice([2**30, 2**38, 2**45]),), "f4", chunks=chunks)
        elif how == "soft":
            stored[name] = h5py.SoftLink(rng.choice(["/" + name, "/nowhere", "/node"]))
        elif how == "external":
            stored[name] = h5py.ExternalLink("/etc/passwd", "/")
        elif how == "group":
            stored.create_group(name)
        elif how == "set":
            stored[name] = np.ones(3)
        elif how in ("empty", "null"):
            stored[name] = h5py.Empty("f4")
        return f"hdf5: {name} {how}"

    return _hdf(content, change)


Way = Callable[[bytes, random.Random], Mutation]


def _mutations(content: bytes, seed: int, ways: tuple[Way, ...]) -> Iterator[Mutation]:
    for i in count():
        yield _mutation(content, seed, i, ways)


def _mutation(content: bytes, seed: int, i: int, ways: tuple[Way, ...]) -> Mutation:
    rng = random.Random(f"{seed} {i}")
    while True:
        try:
            return rng.choice(ways)(content, rng)
        except (KeyError, IndexError, TypeError, ValueError, OverflowError, RuntimeError, OSError):
            continue  # this change cannot be made here; another one


def main(kind: str, seed: int, first: int, number: int) -> None:
    """A campaign in this process: prints each finding, and a table of outcomes by way."""
    files, content, suffix = {
        "network": (network_files, network_content, ".npz"),
        "nir": (nir_files, nir_content, ".nir"),
    }[kind]
    _hdf5.SECONDS = 5  # some files send the HDF5 library into an endless loop
    outcomes: Counter[tuple[str, str]] = Counter()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"mutated{suffix}"
        for i, mutation in enumerate(islice(files(content(), seed), first, first + number), first):
            print(f"\r{i} ", end="", file=sys.stderr, flush=True)
            begun = time.perf_counter()
            try:
                outcome = verdict(path, mutation)
            except Exception as error:
                outcome = "FINDING"
                print(f"\n{kind} seed {seed} number {i}: {mutation.name}: {type(error).__name__}: {str(error)[:300]}")
            slowest = max(slowest, time.perf_counter() - begun)
            outcomes[mutation.name.split(":")[0].split("/")[0], outcome] += 1
    for (way, outcome), n in sorted(outcomes.items()):
        print(f"{way:12} {outcome:10} {n}")
    print(f"slowest {slowest:.1f} s")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
