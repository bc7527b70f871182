"""What readers of listed files have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from snn.data.format import Entry

T = TypeVar("T")


def chosen(listed: Sequence[T], positions: Sequence[int] | None) -> Iterator[T]:
    """All of `listed`, or those at some positions, in their order."""
    return iter(listed) if positions is None else (listed[i] for i in positions)


def lacking(entries: Sequence[Entry], official: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """`Description.missing` of a copy with these entries; official: the complete number of samples of each split."""
    counts = Counter(entry.split for entry in entries)
    return {split: {"all classes": n - counts[split]} for split, n in official.items() if n > counts[split]}
