"""A part of a split that is the same for every cell: spread evenly over the classes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from snn.data.spread import spread
from snn.data.store import Store


class Subset(NamedTuple):
    """Recordings of the test split, each array [n]: positions in the split, indices in the store, labels."""

    positions: np.ndarray
    indices: np.ndarray
    labels: np.ndarray

    def head(self) -> dict[str, np.ndarray]:
        """What predictions.npz says of which recordings they are."""
        return {"index": self.indices.astype(np.int64), "label": self.labels}


def evaluation_subset(store: Store, limit: int | None) -> Subset:
    """The whole test split, or `limit` recordings of it."""
    positions = stratified(store, limit)
    indices = store.indices("test")[positions]
    return Subset(positions, indices, store.labels[indices].astype(np.int64))


def stratified(store: Store, limit: int | None, split: str = "test") -> np.ndarray:
    """Positions within the split: all, or `limit` of them spread evenly over the classes, always the same."""
    labels = store.labels[store.indices(split)]
    if limit is None or limit >= len(labels):
        return np.arange(len(labels))
    return spread(labels, limit)
