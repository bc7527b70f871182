"""The split of a data set into training, validation and test samples.

Every sample has a rank: the SHA-256 of (seed, its name). Inside each class the samples of lowest rank form the test
split (where there is no official one), the next ones the validation split, and the rest is trained on. A sample's split
therefore depends neither on the order of files nor on the version of a random generator, and limited splits nest.
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
"""Code of a sample that a limit leaves out; the code of a split is its position in `SPLITS`."""


def split(entries: Sequence[Entry], params: SplitParams, classes: Sequence[str]) -> np.ndarray:
    """The split code of every entry, uint8 [n].

    Raises `ConfigError` (naming the key) where a split asks for more samples than there are, `DataError` where a class
    would have no sample in one of the splits.
    """
    labels = np.array([e.label for e in entries], dtype=np.int64)
    ranks = np.array(
        [hashlib.sha256(f"{params.seed}/{e.name}".encode(errors="surrogateescape")).hexdigest() for e in entries]
    )
    by_rank = np.argsort(ranks, kind="stable")

    official = {e.split for e in entries}
    if official <= {"train", "test"}:
        code = np.array([SPLITS.index(str(e.split)) for e in entries], dtype=np.uint8)
    elif official == {None}:
        if not params.test:
            raise ConfigError(
                "split.test: this data set has no official test split; say how many recordings to test on"
            )
        code = np.zeros(len(entries), dtype=np.uint8)
        number = _number(params.test, len(entries))
        code[_stratified(by_rank, labels, number, len(classes), "test")] = SPLITS.index("test")
    else:
        raise DataError(f"the reader gives splits {sorted(map(str, official))}; only train and test, or none at all")

    training = by_rank[code[by_rank] == SPLITS.index("train")]
    number = _number(params.validation, len(training))
    code[_stratified(training, labels, number, len(classes), "validation")] = SPLITS.index("validation")

    for k, name in enumerate(SPLITS):
        members = by_rank[code[by_rank] == k]
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
            subset = _stratified(members, labels, limit, len(classes), f"limit.{name}")
            code[np.setdiff1d(members, subset)] = LEFT_OUT
    return code


def version(entries: Sequence[Entry], code: np.ndarray, classes: Sequence[str]) -> str:
    """Sixteen hex digits over name, class and split of all samples in use, whatever their order."""
    lines = (
        f"{e.name}\t{classes[e.label]}\t{SPLITS[c]}\n" for e, c in zip(entries, code, strict=True) if c != LEFT_OUT
    )
    return hashlib.sha256("".join(sorted(lines)).encode(errors="surrogateescape")).hexdigest()[:16]


def _number(part: int | float, total: int) -> int:
    return round(part * total) if isinstance(part, float) else part


def _stratified(by_rank: np.ndarray, labels: np.ndarray, number: int, n_classes: int, key: str) -> np.ndarray:
    """The first `number` samples of `by_rank`, in the class proportions of all of them.

    Numbers of a class are rounded down; the samples still lacking come from the classes of largest remainder.
    """
    if number > len(by_rank):
        raise ConfigError(f"split.{key}: asks for {number} of {len(by_rank)} recordings; ask for fewer")
    sizes = np.bincount(labels[by_rank], minlength=n_classes)
    exact = sizes * (number / max(1, len(by_rank)))
    quota = np.floor(exact + 1e-9).astype(np.int64)
    rounded_up = np.argsort(quota - exact, kind="stable")[: number - quota.sum()]
    quota[rounded_up] += 1
    return np.concatenate([by_rank[labels[by_rank] == c][: quota[c]] for c in range(n_classes)])
