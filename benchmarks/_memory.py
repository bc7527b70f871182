"""A process of its own that tells by how many MiB its peak grew while an engine ran.

python -m benchmarks._memory RECORDINGS EVENTS       recordings of that many events each, in one batch
"""

from __future__ import annotations

import resource
import sys

import numpy as np

from benchmarks._networks import EVENT, three_conv
from snn.events import Engine


def main(recordings: int, events: int) -> None:
    rng = np.random.default_rng(0)
    batch = np.zeros(recordings * events, EVENT)  # touched, so that it lies in memory before the run
    for begin in range(0, len(batch), 1 << 14):  # little at a time: what is freed before the run would hide its growth
        part = batch[begin : begin + (1 << 14)]
        for name, limit in (("x", 34), ("y", 34), ("p", 2)):
            part[name] = rng.integers(0, limit, len(part))
        part["t"] = np.arange(begin, begin + len(part)) % events * 50
    engine = Engine(three_conv(batch[:500]))
    engine.run_batch(batch[:100], np.array([0, 50, 100]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    engine.run_batch(batch, np.arange(recordings + 1) * events)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
