"""Moments of a recording at which the prediction is asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from snn.errors import UserError, did_you_mean

LATEST_US = 2**62  # no recording is as long; what is later is the same as this


class Checkpoints(NamedTuple):
    times_us: np.ndarray  # int64, elapsed since a recording's first event
    fractions: np.ndarray  # float64, of a recording's events

    @classmethod
    def of(cls, asked: Mapping[str, Any] | None) -> Checkpoints:
        """{"times_us": [...], "fractions": [...]}, both optional; raises `UserError` for anything else."""
        if not isinstance(asked, Mapping | None):
            raise UserError(f'checkpoints must be {{"times_us": […], "fractions": […]}}, not {type(asked).__name__}')
        asked = asked or {}
        for key in asked:
            if key not in cls._fields:
                raise UserError(f"unknown checkpoints {key!r}{did_you_mean(str(key), cls._fields)}")
        times, fractions = (_numbers(key, asked.get(key, ())) for key in cls._fields)
        if not (times >= 0).all():
            raise UserError("checkpoints: times_us must be microseconds, 0 or more")
        if not ((fractions >= 0) & (fractions <= 1)).all():
            raise UserError("checkpoints: fractions must lie in [0, 1]")
        return cls(np.minimum(np.floor(times), LATEST_US).astype(np.int64), fractions)

    def stops(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of events consumed at each checkpoint, ascending, and where each of them belongs (as the kernel's
        `stops_of`, but t may be a column of a file that is mapped: only a few of its times are read)."""
        n, begun = range(len(t)), int(t[0]) if len(t) else 0
        by_time = [bisect_right(n, at, key=lambda i: int(t[i]) - begun) for at in self.times_us.tolist()]
        by_count = np.floor(self.fractions * len(t) + 1e-9).astype(np.int64)
        stops = np.concatenate([np.array(by_time, np.int64), by_count])
        order = np.argsort(stops, kind="stable")
        return stops[order], order


def _numbers(key: str, values: Any) -> np.ndarray:
    try:
        numbers = np.asarray(values)
    except (ValueError, TypeError, RuntimeError):  # lists of different lengths
        numbers = np.empty((1, 1), object)
    if numbers.size == 0:
        return np.zeros(0)
    if numbers.ndim > 1 or numbers.dtype.kind not in "iuf" or not np.isfinite(numbers).all():
        raise UserError(f"checkpoints: {key} must be a list of finite numbers")
    return numbers.astype(np.float64).reshape(-1)
