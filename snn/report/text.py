"""How numbers are written: one place, so that tables and sentences agree."""

from __future__ import annotations

import math
from collections.abc import Callable

from snn.statistics import TOO_FEW, Interval

NONE = "–"


def percent(interval: Interval | None, signed: bool = False) -> str:
    """`93.1 [92.0, 94.2]` in percent (`signed`: percentage points); the mean alone where there are too few seeds."""
    if interval is None or math.isnan(interval.mean):
        return NONE
    return mean(interval, signed) + bounds(interval, lambda value: _percent(value, interval, signed))


def mean(interval: Interval | None, signed: bool = False) -> str:
    """The mean of `percent` alone: `93.1`, `−1.2`."""
    if interval is None or math.isnan(interval.mean):
        return NONE
    return _percent(interval.mean, interval, signed)


def _percent(value: float, interval: Interval, signed: bool) -> str:
    digits = 2 if interval.n_samples >= 2000 else 1  # finer than one recording would be noise
    text = f"{100 * value:{'+' if signed else ''}.{digits}f}"
    return text.replace("-", "−") if float(text) else f"{0:.{digits}f}"


def quantity(interval: Interval | None, scale: float = 1.0) -> str:
    """A number of any size with its interval: `1,540 [1,480, 1,600]`, `2.41 M [2.2 M, 2.6 M]`."""
    if interval is None or math.isnan(interval.mean):
        return NONE
    return short(interval.mean * scale) + bounds(interval, lambda value: short(value * scale))


def bounds(interval: Interval, write: Callable[[float], str]) -> str:
    """` [92.0, 94.2]`, or nothing where there is no interval."""
    if interval.note or math.isnan(interval.low):
        return ""
    low, high = write(interval.low), write(interval.high)
    return "" if low == high else f" [{low}, {high}]"  # no width, or none at this many digits: nothing to add


def short(value: float) -> str:
    """Three digits and a letter: 0.0123, 4.56, 789, 12.3 k, 4.56 M."""
    if math.isnan(value):
        return NONE
    for limit, letter in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if abs(value) >= limit:
            return _digits(value / (1e3 if letter == " k" else limit)) + letter
    return _digits(value)


def _digits(value: float) -> str:
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}".replace("-", "−")
    places = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    text = f"{value:.{places}f}"
    return (text.replace("-", "−") if float(text) else "0").removesuffix(".000")


def seeds(interval: Interval | None, planned: int = 0) -> str:
    """`3 × 1,000`: seeds and test recordings; `2 of 3 × 1,000` with a hole; and whether that is enough."""
    if interval is None:
        return f"0 of {planned}" if planned else NONE
    text = f"{interval.n_seeds} of {planned}" if planned > interval.n_seeds else f"{interval.n_seeds}"
    if interval.n_samples:
        text += f" × {interval.n_samples:,}"
    return text + (f": {TOO_FEW}" if interval.note else "")


def p_value(p: float | None) -> str:
    """`0.012`, `< 0.001`; None where there are too few seeds for one."""
    if p is None:
        return TOO_FEW
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def duration(seconds: float) -> str:
    """`2 h 05 min`, `3 min 20 s`, `12 s`."""
    seconds = round(seconds)
    if seconds >= 3600:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
    return f"{seconds // 60} min {seconds % 60:02d} s" if seconds >= 60 else f"{seconds} s"
