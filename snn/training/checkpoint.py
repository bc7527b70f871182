"""Files of weights, among them the checkpoint from which a training resumes; they are written atomically."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from snn.errors import DataError
from snn.runtime import files


def save(path: Path, state: dict[str, Any]) -> None:
    """`torch.save`, atomically. A full disk raises OSError, as elsewhere (torch raises RuntimeError)."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    files.write_bytes(path, buffer.getvalue())


def load(path: Path, device: str = "cpu") -> Any:
    """What `save` wrote; an exception of any type where the file is damaged.

    torch does not look at the checksums that it writes, so that a changed byte would be a changed weight.
    """
    with zipfile.ZipFile(path) as archive:
        if (member := archive.testzip()) is not None:
            raise ValueError(f"{member} does not match its checksum")
    return torch.load(path, weights_only=True, map_location=device)


def load_checkpoint(path: Path, identity: str) -> dict[str, Any] | None:
    """The checkpoint at `path`, or None if there is none or it is of another `identity`, i.e. configuration or code.

    DataError where it cannot be read.
    """
    if not path.exists():
        return None
    with readable(path):
        state = load(path)
        if state["identity"] != identity:
            print(f"{path}: of another configuration or code version; starting from the beginning", flush=True)
            return None
        return dict(state)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """While entered, an exception means that the checkpoint at `path` is damaged: a DataError says so."""
    try:
        yield
    except Exception as error:
        reason = type(error).__name__
        raise DataError(
            f"{path}: not a readable checkpoint ({reason}); delete this file to train from the beginning"
        ) from None
