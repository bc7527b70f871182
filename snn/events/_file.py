"""The network file: one `.npz` (no pickles, not compressed) that says itself what it holds.

    header      uint8 [·], JSON: format, version, checksum, input_shape, output, classes, meta, populations, synapses
    weight/<i>  float32, of synapse i (identity synapses have none)

The checksum is the SHA-256 of the header without it and of every array's shape and little-endian bytes, in order.
Nothing is trusted: every member's size is compared with the file's, and its shape with its size, before it is read.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import secrets
import struct
import warnings
import zipfile
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from snn.errors import DataError, UserError
from snn.events.network import EventNetwork, Population, Synapse, short

FORMAT = "snn-event-network"
VERSION = 1
MAX_HEADER = 2**24  # bytes
# What `zipfile` raises for damaged archives, beside OSError.
ZIP_ERRORS = (zipfile.BadZipFile, EOFError, NotImplementedError, OverflowError, RuntimeError, ValueError, struct.error)
HEADER_KEYS = frozenset(f.name for f in fields(EventNetwork)) | {"format", "version", "checksum"}


def save(network: EventNetwork, path: str | Path) -> None:
    """Write a network file, whole or not at all; equal networks give equal bytes.

    Missing folders are made. Raises `UserError` where `meta` holds what JSON cannot.
    """
    path = Path(path)
    header: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "input_shape": network.input_shape,
        "output": network.output,
        "classes": network.classes,
        "meta": network.meta,
        "populations": [_without_default_v0(asdict(p)) for p in network.populations],
        "synapses": [{f.name: getattr(s, f.name) for f in fields(s) if f.name != "weight"} for s in network.synapses],
    }
    weights = {f"weight/{i}": s.weight for i, s in enumerate(network.synapses) if s.weight is not None}
    try:
        header["checksum"] = _checksum(header, weights)
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: meta holds something that JSON cannot: {error}") from None
    arrays: dict[str, Any] = {"header": np.frombuffer(_dump(header), np.uint8)} | weights
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")  # `tempfile` would ignore the umask
    try:
        with temporary.open("xb") as f:
            np.savez(f, **arrays)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load(path: str | Path) -> EventNetwork:
    """Read and check a network file. Raises `DataError`, naming the file and what is wrong with it."""
    path = Path(path)
    try:
        arrays = _members(path)
        header = _header(arrays.pop("header", None))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (_Damaged, *ZIP_ERRORS) as error:
        raise DataError(f"{path}: not a network file, or a damaged one ({str(error)[:200]}); export it again") from None
    if header.get("version") != VERSION:
        version = short(header.get("version"))
        raise DataError(f"{path}: version {version}; this program reads version {VERSION}: update it")
    try:
        if header.pop("checksum", None) != _checksum(header, arrays):
            raise _Damaged("the checksum does not fit")
        return _network(header, arrays)
    except (UserError, _Damaged, RecursionError, UnicodeEncodeError, ValueError) as error:
        raise DataError(f"{path}: {error}; the file is damaged, export it again") from None


def _without_default_v0(population: dict[str, Any]) -> dict[str, Any]:
    """`v0` came later: networks that do not use it give the same bytes as before, and older programs read them."""
    return {key: value for key, value in population.items() if (key, value) != ("v0", 0)}


class _Damaged(Exception):
    """What the file holds is not what `save` writes."""


def _members(path: Path) -> dict[str, np.ndarray]:
    """The arrays by name. Members are not compressed, so that none can be larger than the file."""
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(path) as archive:
        total = 0
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            total += info.file_size
            if info.flag_bits & 1 or info.compress_type != zipfile.ZIP_STORED:
                raise _Damaged(f"member {short(name)} is encrypted or compressed")
            if name in arrays or total > path.stat().st_size or (name == "header" and info.file_size > MAX_HEADER):
                raise _Damaged(f"member {short(name)} cannot be of this size, or is there twice")
            arrays[name] = _array(name, archive.read(info))
    return arrays


def _array(name: str, content: bytes) -> np.ndarray:
    """An array in the `.npy` format, not copied; its shape must fit its size."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        with warnings.catch_warnings(action="ignore"):  # what is not as `save` writes it is refused below
            shape, fortran, dtype = read(file)
    except Exception as error:  # NumPy parses a Python literal here, which fails in many ways
        raise _Damaged(f"member {short(name)} is no NumPy array ({type(error).__name__})") from None
    expected = ("u", 1) if name == "header" else ("f", 4)
    if (dtype.kind, dtype.itemsize) != expected:
        raise _Damaged(f"member {short(name)} holds {dtype}")
    if min(shape, default=1) < 0 or math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise _Damaged(f"member {short(name)} does not hold the {shape} numbers that it promises")
    return np.frombuffer(content, dtype, offset=file.tell()).reshape(shape, order="F" if fortran else "C")


def _header(stored: np.ndarray | None) -> dict[str, Any]:
    if stored is None:
        raise _Damaged("it has no header")
    try:
        header = json.loads(stored.tobytes())
    except (ValueError, RecursionError):
        raise _Damaged("its header is not JSON") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise _Damaged("its header is another format's")
    return header


def _network(header: dict[str, Any], weights: dict[str, np.ndarray]) -> EventNetwork:
    _check_keys(header, HEADER_KEYS - {"checksum"}, HEADER_KEYS, "the header")
    if not isinstance(header["populations"], list) or not isinstance(header["synapses"], list):
        raise _Damaged("populations and synapses must be lists")
    populations, synapses, used = [], [], set()
    for entry in header["populations"]:
        _check_keys(entry, {"name", "shape"}, {f.name for f in fields(Population)}, "a population")
        populations.append(Population(**entry))
    for i, entry in enumerate(header["synapses"]):
        _check_keys(entry, {"source", "target"}, {f.name for f in fields(Synapse)} - {"weight"}, "a synapse")
        weight = weights.get(f"weight/{i}")
        used |= {f"weight/{i}"} if weight is not None else set()
        synapses.append(Synapse(weight=weight, **entry))
    if used != set(weights):
        raise _Damaged(f"{short(min(set(weights) - used))} belongs to no synapse")
    keys = [f.name for f in fields(EventNetwork) if f.name not in ("populations", "synapses")]
    return EventNetwork(populations=populations, synapses=synapses, **{key: header[key] for key in keys})


def _check_keys(entry: Any, needed: set[str] | frozenset[str], allowed: set[str] | frozenset[str], what: str) -> None:
    if not isinstance(entry, dict) or not needed <= set(entry) <= allowed:
        raise _Damaged(f"{what} must have the keys {', '.join(sorted(allowed))}")


def _dump(header: dict[str, Any]) -> bytes:
    return json.dumps(header, sort_keys=True, allow_nan=False).encode()


def _checksum(header: dict[str, Any], weights: dict[str, Any]) -> str:
    digest = hashlib.sha256(_dump(header))
    for name in sorted(weights):
        values = np.ascontiguousarray(weights[name])
        digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
        digest.update(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()
