"""Who is trained on, who validates, who tests.

Every recording draws a lot: SHA-256 of (seed, its name). Inside each class the lowest lots are the test split (where
there is no official one), the next the validation split, the rest is trained on. So a recording's place depends on the
lots alone, not on the order of files or on a random generator's version, and limited splits nest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from snn.data.format import Entry
from snn.data.params import SplitParams
from snn.errors import ConfigError, DataError

SPLITS = ("train", "validation", "test")
LEFT_OUT = len(SPLITS)
"""Code of a recording that a limit leaves out; a split's code is its position in `SPLITS`."""


def split(entries: Sequence[Entry], params: SplitParams, classes: Sequence[str]) -> np.ndarray:
    """The split's code of every entry, uint8 [n].

    Raises `ConfigError` (naming the key) where the numbers asked for cannot be had, `DataError` where a class has
    nothing to train or to test on.
    """
    labels = np.array([e.label for e in entries], dtype=np.int64)
    lots = np.array([hashlib.sha256(f"{params.seed}/{e.name}".encode()).hexdigest() for e in entries])
    by_lot = np.argsort(lots, kind="stable")

    official = {e.split for e in entries}
    if official <= {"train", "test"}:
        code = np.array([SPLITS.index(e.split) for e in entries], dtype=np.uint8)
    elif official == {None}:
        if not params.test:
            raise ConfigError(
                "split.test: this data set has no official test split; say how many recordings to test on"
            )
        code = np.zeros(len(entries), dtype=np.uint8)
        code[_lowest(by_lot, labels, _number(params.test, len(entries)), len(classes), "test")] = SPLITS.index("test")
    else:
        raise DataError(f"the reader gives splits {sorted(map(str, official))}; only train and test, or none at all")

    trained = by_lot[code[by_lot] == 0]
    number = _number(params.validation, len(trained))
    code[_lowest(trained, labels, number, len(classes), "validation")] = SPLITS.index("validation")

    for k, name in enumerate(SPLITS):
        members = by_lot[code[by_lot] == k]
        empty = [classes[c] for c in range(len(classes)) if not (labels[members] == c).any()]
        if empty:
            raise DataError(
                f"class without samples: {', '.join(empty)} has no recordings in the {name} split; "
                "add some, remove the class, or change split.validation and split.test"
            )
        limit = getattr(params.limit, name)
        if limit is not None and limit < len(members):
            if limit < len(classes):
                raise ConfigError(f"split.limit.{name}: {limit} is less than one for each of {len(classes)} classes")
            code[np.setdiff1d(members, _lowest(members, labels, limit, len(classes), f"limit.{name}"))] = LEFT_OUT
    return code


def version(entries: Sequence[Entry], code: np.ndarray, classes: Sequence[str]) -> str:
    """Sixteen hex digits over name, class and split of all recordings in use, in any order."""
    lines = (
        f"{e.name}\t{classes[e.label]}\t{SPLITS[c]}\n" for e, c in zip(entries, code, strict=True) if c != LEFT_OUT
    )
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()[:16]


def _number(part: int | float, total: int) -> int:
    return round(part * total) if isinstance(part, float) else part


def _lowest(by_lot: np.ndarray, labels: np.ndarray, number: int, n_classes: int, key: str) -> np.ndarray:
    """The `number` first members of `by_lot`, every class in proportion (largest remainders get the odd ones)."""
    if number > len(by_lot):
        raise ConfigError(f"split.{key}: asks for {number} of {len(by_lot)} recordings; ask for fewer")
    sizes = np.bincount(labels[by_lot], minlength=n_classes)
    exact = sizes * (number / max(1, len(by_lot)))
    share = np.floor(exact + 1e-9).astype(np.int64)
    odd = np.argsort(share - exact, kind="stable")[: number - share.sum()]
    share[odd] += 1
    return np.concatenate([by_lot[labels[by_lot] == c][: share[c]] for c in range(n_classes)])
