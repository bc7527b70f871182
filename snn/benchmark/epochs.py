"""The epoch that a running training is in, as a small file beside its log, for whoever watches the benchmark.

It is no result: nothing depends on it, each epoch writes it over, and it means nothing afterwards.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import NamedTuple

from snn.benchmark.layout import Layout


class Epoch(NamedTuple):
    """epoch: the last finished one, from 1; epochs: of the whole training; accuracy: on the validation split, None
    where it was not evaluated."""

    epoch: int
    epochs: int
    accuracy: float | None


def epoch_file(layout: Layout, cell: str) -> Path:
    """Where it is: `logs/<cell>/train.epoch`."""
    return layout.log(cell, "train").with_suffix(".epoch")


def write_epoch(layout: Layout, cell: str, epoch: Epoch) -> None:
    """Say that an epoch has ended. A disk that refuses is no fault of the training, which goes on."""
    path = epoch_file(layout, cell)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(epoch), encoding="utf-8")


def read_epoch(layout: Layout, cell: str, since: float) -> Epoch | None:
    """The last epoch that ended after `since` (seconds as of `time.time`), or None."""
    path = epoch_file(layout, cell)
    try:
        if path.stat().st_mtime < since:
            return None  # of an earlier attempt
        epoch, epochs, accuracy = json.loads(path.read_text(encoding="utf-8"))
        return Epoch(int(epoch), int(epochs), None if accuracy is None else float(accuracy))
    except (OSError, ValueError, TypeError):  # none yet, or read while it is written
        return None
