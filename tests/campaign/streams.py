"""Arrays of events for the engine: equal bits for every way of cutting them up, or one line where they are invalid."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from snn.errors import UserError
from snn.events import Engine, EventNetwork, engine
from tests.events.mutations import check_message, valid_network

from .runner import Finding, Part, Verdict

EVENT = np.dtype([("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "i1")])
FIELDS = ("prediction", "counts", "first_spike_us", "spikes", "synops", "n_events", "saturated")
ODD: list[Any] = [
    -1, 2**15, 2**31, 2**40, 2**62, 2**63 - 1, -(2**62), float("nan"), float("inf"), 0.5, None, "1", 1j, True,
    [1, 2], {},
]  # fmt: skip


@cache
def engines() -> dict[tuple[str, str], Engine]:
    network = valid_network()
    bounded = [replace(p, v_min=-4.0) if p.v_min is None else p for p in network.populations]  # as dynapcnn needs it
    networks = {"float": network, "int8": network}
    networks["dynapcnn"] = EventNetwork(network.input_shape, bounded, network.synapses)
    return {(m, o): Engine(n, m, o) for m, n in networks.items() for o in ("breadth", "depth")}


def columns(rng: random.Random, n: int) -> list[Any]:
    """Valid t, x, y, p of a 6 x 6 sensor with two polarities; many ties in time."""
    g = np.random.default_rng(rng.getrandbits(62))
    t = np.sort(g.integers(0, rng.choice([3, 100, 5000, 10**9]), n)) + rng.choice([0, 0, 5000, 2**40])
    return [t, g.integers(0, 6, n), g.integers(0, 6, n), g.integers(0, 2, n)]


def damaged(rng: random.Random, c: list[Any]) -> list[Any]:
    """The columns in another form, or with something wrong in them."""
    i, n = rng.randrange(4), len(c[0])
    how = rng.choice(["type", "type", "value", "value", "value", "length", "shape", "order", "kind", "layout"])
    if how == "type":
        kind = rng.choice(["i1", "u1", "i2", "u2", "i4", ">i8", "u8", "f4", "f8", "c8", "?", "U8", "O", "M8[us]", "S3"])
        with np.errstate(all="ignore"):
            c[i] = np.asarray(c[i]).astype(kind)
    elif how == "value" and n:
        values = np.asarray(c[i]).astype(object)
        values[rng.randrange(n)] = rng.choice(ODD)
        c[i] = values.tolist() if rng.random() < 0.5 else _narrowed(values)
    elif how == "length":
        c[i] = c[i][: rng.randrange(n + 1)]
    elif how == "shape":
        c[i] = rng.choice([np.asarray(c[i])[None], np.asarray(c[i])[:, None], np.int64(3), np.zeros((0, 2))])
    elif how == "order":
        g = np.random.default_rng(rng.getrandbits(30))
        c[0] = g.permutation(c[0])
    elif how == "kind":
        c[i] = rng.choice(
            [None, "abc", c[i].tolist(), tuple(c[i].tolist()), {}, object(), range(n), np.ma.masked_array(c[i])]
        )
    else:
        c = [np.repeat(a, 2)[::2] if isinstance(a, np.ndarray) else a for a in c]
        c[i].flags.writeable = False
    return c


def _narrowed(values: np.ndarray) -> np.ndarray:
    """As an array of numbers, where that is possible."""
    try:
        return np.array(values.tolist())
    except (ValueError, OverflowError):
        return values


def trial(rng: random.Random) -> Verdict:
    engine_ = engines()[rng.choice(sorted(engines()))]
    c = columns(rng, rng.choice([0, 1, 2, 30, 200]))
    if rng.random() < 0.5:
        c = damaged(rng, c)
    sort = rng.random() < 0.15
    whole = _attempt(lambda: engine_.run(*c, sort=sort))
    if isinstance(whole, str):
        if not sort:
            _check_refused_by_a_batch(engine_, c)
        return Verdict("refused", whole)
    if sort:
        order = np.argsort(np.asarray(c[0]), kind="stable")
        c = [np.asarray(a)[order] for a in c]
        _equal(whole, _attempt(lambda: engine_.run(*c)), "sorted by hand")
    n = len(c[0])
    state, at = engine_.state(), 0
    while at < n or rng.random() < 0.2:
        size = rng.choice([0, 1, 1, 3, 50, n])
        piece = [a[at : at + size] for a in c]
        if rng.random() < 0.2:  # what is refused in between leaves the state as it was
            _attempt(lambda: engine_.feed(state, *damaged(rng, columns(rng, 3))), expect_refusal=False)
            return _again(engine_, whole, c)
        engine_.feed(state, *piece)
        at += size
    _equal(whole, engine_.result(state), "in pieces")
    _check_batch(rng, engine_, whole, c)
    return Verdict("accepted")


def _again(engine_: Engine, whole: Any, c: list[Any]) -> Verdict:
    """An engine gives the same after whatever was fed to a state of it."""
    _equal(whole, engine_.run(*c), "after another state was fed")
    return Verdict("accepted")


def _attempt(act: Any, expect_refusal: bool = True) -> Any:
    try:
        return act()
    except UserError as error:
        check_message(error)
        return str(error)


def _structured(c: list[Any]) -> np.ndarray:
    events = np.zeros(len(c[0]), EVENT)
    for name, values in zip("txyp", c, strict=True):
        events[name] = values
    return events


def _check_refused_by_a_batch(engine_: Engine, c: list[Any]) -> None:
    """An invalid recording in the middle of a batch is refused too, where it can be stored as one at all."""
    try:
        arrays = [np.asarray(a) for a in c]
        if any(a.ndim != 1 or len(a) != len(arrays[0]) or a.dtype.kind not in "iub" for a in arrays):
            return
        events = _structured([np.asarray(a) for a in c])
        if any((events[name] != a).any() for name, a in zip("txyp", arrays, strict=True)):
            return
    except (ValueError, TypeError, OverflowError):
        return
    good = _structured(columns(random.Random(0), 5))
    batch, offsets = np.concatenate([good, events, good]), np.cumsum([0, 5, len(events), 5])
    if any(a.dtype.kind == "b" for a in arrays):
        return
    if not isinstance(_attempt(lambda: engine_.run_batch(batch, offsets)), str):
        raise Finding("a recording that is refused alone is accepted in a batch")


def _check_batch(rng: random.Random, engine_: Engine, whole: Any, c: list[Any]) -> None:
    """Between other recordings, with threads, and in small pieces."""
    events = _structured([np.asarray(a) for a in c])
    others = [_structured(columns(rng, rng.choice([0, 1, 20]))) for _ in range(3)]
    recordings = [others[0], others[1], events, others[2]]
    batch, offsets = np.concatenate(recordings), np.cumsum([0, *map(len, recordings)])
    before = engine.PIECE, engine.LONG
    engine.PIECE, engine.LONG = rng.choice([(1, 1), (7, 10), before])
    try:
        many = engine_.run_batch(batch, offsets, threads=rng.choice([1, 1, 2]))
    finally:
        engine.PIECE, engine.LONG = before
    for name in FIELDS:
        if not np.array_equal(getattr(many, name)[2], getattr(whole, name)):
            raise Finding(f"{name} differs in a batch")


def _equal(a: Any, b: Any, how: str) -> None:
    if isinstance(b, str):
        raise Finding(f"refused {how}: {b[:300]}")
    for name in FIELDS:
        x, y = getattr(a, name), getattr(b, name)
        if not np.array_equal(x, y):
            raise Finding(f"{name} differs {how}: {x!r}, {y!r}"[:400])


PARTS = [Part("events/chunkings", trial, share=0.22)]
