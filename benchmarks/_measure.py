"""How things are timed here: contestants take turns, and processor time stands beside wall time.

A ratio is the median over the turns of the ratio within a turn, so that what slows the machine for a while slows both
sides. With one thread and no input or output, processor time is the wall clock's of an idle machine; how far the two
are apart tells how loaded the machine was.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, NamedTuple

import numpy as np

LOADED = 0.1
"""Share of the wall time in which a single thread that never waits did not run: above it the machine was loaded."""


class Unequal(RuntimeError):
    """Two contestants did not do the same work: their times must not be compared."""


class Spent(NamedTuple):
    """Seconds of one turn: on the processor, and on the wall's clock."""

    cpu: float
    wall: float


@dataclass(frozen=True)
class Row:
    """One figure. A ratio above 1 is in our favour; rival and ratio are None where nothing was measured beside ours.

    wall: the same ratio by the wall's clock; loaded: share of the wall time that the processor was with others. Both
    None where they mean nothing (memory, subprocesses that wait for the disk).
    """

    name: str
    ours: float
    rival: float | None
    unit: str
    ratio: float | None
    wall: float | None = None
    loaded: float | None = None

    def public(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if key not in ("wall", "loaded")}


def spent(job: Callable[[], Any]) -> Spent:
    cpu, wall = time.process_time(), time.perf_counter()
    job()
    return Spent(time.process_time() - cpu, time.perf_counter() - wall)


def turns(contestants: Mapping[str, Callable[[], Any]], seconds: float, least: int = 5) -> dict[str, list[Spent]]:
    """Each contestant in turn, until `seconds` are over, and at least `turns` times."""
    taken: dict[str, list[Spent]] = {name: [] for name in contestants}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, taken.values())) < least:
        for name, job in contestants.items():
            taken[name].append(spent(job))
    return taken


def rates(
    name: str,
    ours: list[Spent],
    rival: list[Spent],
    unit: str,
    amount: float = 1.0,
    rival_amount: float | None = None,
    wall: bool = False,
) -> Row:
    """`amount` of `unit` a second. wall: by the wall's clock (where several threads share the work)."""
    rival_amount = amount if rival_amount is None else rival_amount
    more = amount / rival_amount
    by_cpu, by_wall = (
        [getattr(r, c) / getattr(o, c) * more for o, r in zip(ours, rival, strict=True)] for c in Spent._fields
    )
    clock = "wall" if wall else "cpu"
    return Row(
        name,
        amount / median(getattr(s, clock) for s in ours),
        rival_amount / median(getattr(s, clock) for s in rival),
        unit,
        median(by_wall if wall else by_cpu),
        median(by_wall),
        None if wall else max(0.0, 1 - sum(s.cpu for s in [*ours, *rival]) / sum(s.wall for s in [*ours, *rival])),
    )


def costs(name: str, ours: float, rival: float | None, unit: str) -> Row:
    """Of what less is better: seconds, MiB."""
    return Row(name, ours, rival, unit, None if rival is None else rival / ours)


def reason(done: subprocess.CompletedProcess) -> str:
    """Why it failed: its last line, or its status where it ended without a word."""
    return [f"ended with status {done.returncode}", *done.stderr.strip().splitlines()][-1]


def require_equal(what: str, ours: Any, rival: Any) -> None:
    """Raise `Unequal` where two arrays differ anywhere."""
    ours, rival = np.asarray(ours), np.asarray(rival)
    if ours.shape != rival.shape or (ours != rival).any():
        differing = f"{int((ours != rival).sum())} of {ours.size}" if ours.shape == rival.shape else "the shapes"
        raise Unequal(f"{what}: ours and the rival's differ in {differing}; their times cannot be compared")
