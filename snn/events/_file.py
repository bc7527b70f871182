"""The network file: one `.npz` (no pickles) that says itself what it holds.

    header      uint8 [·], JSON: format, version, checksum, input_shape, output, classes, meta, populations, synapses
    weight/<i>  float32, of synapse i (identity synapses have none)

The checksum is the SHA-256 of the header without it and of every array's shape and little-endian bytes, in order.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from snn.errors import DataError, UserError
from snn.events.network import EventNetwork, Population, Synapse

FORMAT = "snn-event-network"
VERSION = 1


def save(network: EventNetwork, path: str | Path) -> None:
    """Write whole or not at all; the same network gives the same bytes."""
    path = Path(path)
    header: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "input_shape": network.input_shape,
        "output": network.output,
        "classes": network.classes,
        "meta": network.meta,
        "populations": [asdict(p) for p in network.populations],
        "synapses": [
            {k: getattr(s, k) for k in Synapse.__dataclass_fields__ if k != "weight"} for s in network.synapses
        ],
    }
    weights = {f"weight/{i}": s.weight for i, s in enumerate(network.synapses) if s.weight is not None}
    try:
        header["checksum"] = _checksum(header, weights)
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: meta holds something that JSON cannot: {error}") from None
    arrays = {"header": np.frombuffer(_dump(header), np.uint8)} | weights
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(fd, "wb") as f:
            np.savez(f, **arrays)
            f.flush()
            os.fsync(f.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def load(path: str | Path) -> EventNetwork:
    """Read and check a network file; `DataError` names the file and what is wrong with it."""
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        header = json.loads(arrays.pop("header").tobytes())
        if header["format"] != FORMAT:
            raise KeyError("format")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile):
        raise DataError(f"{path}: not a network file, or a damaged one; export it again") from None
    if header.get("version") != VERSION:
        raise DataError(f"{path}: version {header.get('version')}; this program reads version {VERSION}: update it")
    try:
        if header.pop("checksum", None) != _checksum(header, arrays):
            raise DataError(f"{path}: the checksum does not fit, the file is damaged; export it again")
        return EventNetwork(
            input_shape=header["input_shape"],
            populations=[Population(**p) for p in header["populations"]],
            synapses=[Synapse(weight=arrays.get(f"weight/{i}"), **s) for i, s in enumerate(header["synapses"])],
            classes=header["classes"],
            output=header["output"],
            meta=header["meta"],
        )
    except DataError:
        raise
    except (UserError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: {error}") from None


def _dump(header: dict[str, Any]) -> bytes:
    return json.dumps(header, sort_keys=True, allow_nan=False).encode()


def _checksum(header: dict[str, Any], weights: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(_dump(header))
    for name in sorted(weights):
        values = np.ascontiguousarray(weights[name])
        digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
        digest.update(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()
