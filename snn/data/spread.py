"""A part of labelled samples, spread evenly over the classes, always the same."""

from __future__ import annotations

import numpy as np


def spread(labels: np.ndarray, number: int) -> np.ndarray:
    """Positions of `number` samples, ascending: the first ones of each class in turn. labels: int64 [n]."""
    rank = np.empty(len(labels), np.int64)  # how many of the same class stand before it
    for label in np.unique(labels):
        rank[labels == label] = np.arange((labels == label).sum())
    return np.sort(np.lexsort((labels, rank))[:number])
