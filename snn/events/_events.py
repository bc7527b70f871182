"""Incoming events: brought into columns, checked, refused with a reason."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from snn.errors import UserError

COUNTERS = (23, 24, 31, 32)  # bits of the time counters that sensors and their file formats have


class Columns(NamedTuple):
    """One recording: int64 arrays of one length; t in µs."""

    t: np.ndarray
    x: np.ndarray
    y: np.ndarray
    p: np.ndarray


def columns_of(t: Any, x: Any, y: Any, p: Any, sort: bool = False) -> Columns:
    """Contiguous int64 columns; sorted by time (ties keep their order) only on request."""
    out: list[np.ndarray] = []
    for name, column in zip("txyp", (t, x, y, p), strict=True):
        try:
            values = np.asarray(column)
        except (ValueError, TypeError, RuntimeError):
            raise UserError(f"events: {name} must be a list of whole numbers") from None
        if values.size and values.dtype.kind not in "iub":
            raise UserError(f"events: {name} must hold whole numbers, not {values.dtype} (t in microseconds)")
        if values.ndim != 1 or (out and len(values) != len(out[0])):
            raise UserError(f"events: t, x, y, p must be one-dimensional and equally long; {name} is {values.shape}")
        if values.dtype == np.uint64 and values.size and values.max() > np.iinfo(np.int64).max:
            raise UserError(f"events: {name} holds {values.max()}, which no 64-bit signed number does")
        out.append(np.require(values, np.int64, ["C", "A", "W", "E"]))  # also of memory maps: one type, one compilation
    if sort and len(out[0]) > 1:
        drops = np.flatnonzero(out[0][1:] < out[0][:-1])
        for i in drops:
            if _wraps(int(out[0][i]), int(out[0][i + 1])):
                raise UserError(_backwards(int(out[0][i]), int(out[0][i + 1]), int(i) + 1))
        if len(drops):
            order = np.argsort(out[0], kind="stable")
            out = [values[order] for values in out]
    return Columns(*out)


def structured(events: Any, offsets: Any) -> tuple[np.ndarray, np.ndarray]:
    """The structured events and int64 offsets of a batch, checked."""
    try:
        events, offsets = np.asarray(events), np.asarray(offsets)
    except (ValueError, TypeError, RuntimeError):
        raise UserError("events must be a structured array, offsets a list of whole numbers") from None
    if events.ndim != 1 or not set("txyp") <= set(events.dtype.names or ()):
        raise UserError(f"events must be a one-dimensional structured array with fields t, x, y, p, not {events.dtype}")
    if offsets.ndim != 1 or not len(offsets) or offsets.dtype.kind not in "iu":
        raise UserError("offsets must be whole numbers [n + 1], the first event of each recording and the end")
    within = (offsets >= 0) & (offsets <= len(events))
    offsets = offsets.astype(np.int64)
    if not within.all() or (np.diff(offsets) < 0).any():
        raise UserError(f"offsets must ascend within 0 to {len(events)}, the number of events")
    return events, offsets


def check(events: Columns, shape: tuple[int, int, int], before: int = -1, first: int = 0) -> None:
    """Raise `UserError` for the first invalid event.

    shape: (C, H, W) of the network's input; before: the last time stamp so far, -1 for none; first: the number that
    the first event has in the message.
    """
    from snn.events import _kernel as kernel  # imports the compiler

    t, x, y, p = events
    what, i = kernel.check(t, x, y, p, before, shape)
    n = first + i
    if what == kernel.IN_ORDER:
        return
    if what == kernel.BACKWARDS:
        raise UserError(_backwards(int(t[i - 1]) if i else before, int(t[i]), n))
    if what == kernel.NEGATIVE:
        raise UserError(f"event {n}: negative time {t[i]} µs; a counter that wrapped? Unwrap it before running")
    if what == kernel.OUTSIDE:
        raise UserError(f"event {n}: (x, y) = ({x[i]}, {y[i]}) lies outside the sensor of {shape[2]} x {shape[1]}")
    raise UserError(f"event {n}: polarity {p[i]}, but the network's input has {shape[0]} channels")


def _backwards(before: int, now: int, i: int) -> str:
    if _wraps(before, now):
        return f"event {i}: the time counter wraps, from {before} to {now} µs; unwrap the time stamps before running"
    return f"event {i}: time goes backwards, from {before} to {now} µs; sort=True sorts the events of one call"


def _wraps(before: int, now: int) -> bool:
    """A fall from the last sixteenth of a counter's range to its first, or below 0 (a signed counter)."""
    if now < 0 <= before:
        return True
    return any(2**b * 15 // 16 <= before < 2**b and 0 <= now < 2**b // 16 for b in COUNTERS)
