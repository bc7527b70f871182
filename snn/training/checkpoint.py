"""Files of weights: the checkpoint that a training resumes from, whole or not there at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from snn.errors import DataError
from snn.runtime import files


def save(path: Path, state: dict[str, Any]) -> None:
    """`torch.save`, whole or not at all; a full disk is an OSError as everywhere else (torch's own is not)."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    files.write_bytes(path, buffer.getvalue())


def load_checkpoint(path: Path, identity: str) -> dict[str, Any] | None:
    """The checkpoint at `path`, or None if there is none or it belongs to another configuration or code.

    DataError where it cannot be read.
    """
    if not path.exists():
        return None
    try:
        state = torch.load(path, weights_only=True)
        if state["identity"] != identity:
            print(f"{path}: of another configuration or code version; starting from the beginning", flush=True)
            return None
        return state
    except Exception as error:
        reason = type(error).__name__
        raise DataError(
            f"{path}: not a readable checkpoint ({reason}); delete this file to train from the beginning"
        ) from None
