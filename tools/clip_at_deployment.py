"""How much of the loss without a clock a lower clip of the membrane takes back, without any training.

    python tools/clip_at_deployment.py results/nmnist_0to7

runs the event-driven networks that the deployments of a benchmark left behind (`deploy/network.npz`) with other lower
bounds of the membrane than they were trained with, on the validation split. A Markdown table: accuracy in percent, what
is gained over the first bound [95 % interval], and spikes a recording. docs/nmnist.md says what came of it.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from snn.data.store import open_store
from snn.events import Engine, EventNetwork, load
from snn.phases.deploy import gathered
from snn.statistics import paired_difference

BOUNDS = (-1.0, -2.0, -4.0, None)


def main(results: Path) -> None:
    correct: dict[tuple, list] = defaultdict(list)
    spikes: dict[tuple, list] = defaultdict(list)
    for file in sorted(results.glob("cells/*/*/*/*/seed*/deploy/network.npz")):
        dataset, *setting = file.parts[-7:-3]
        for bound in BOUNDS:
            right, fired = run(file, results / "data" / dataset, bound)
            correct[*setting, bound].append(right)
            spikes[*setting, bound].append(fired)
    titles = ["no clip" if bound is None else f"clip at {bound:g}" for bound in BOUNDS]
    print("| network | method | n |", *(f"{title} |" for title in titles))
    print("| --- | --- | --- |", *(["--- |"] * len(BOUNDS)))
    for network, method, t in dict.fromkeys(key[:-1] for key in correct):
        first, cells = np.array(correct[network, method, t, BOUNDS[0]]), []
        for bound in BOUNDS:
            right, fired = np.array(correct[network, method, t, bound]), np.mean(spikes[network, method, t, bound])
            gain = paired_difference(right, first)
            gained = " ({:+.1f} [{:+.1f}, {:+.1f}])".format(*(100 * x for x in (gain.mean, gain.low, gain.high)))
            beside = "" if bound == BOUNDS[0] else gained
            cells.append(f"{100 * right.mean():.1f}{beside}, {fired:,.0f} |")
        print(f"| {network} | `{method}` | {len(first)} |", *cells, flush=True)


def run(file: Path, data: Path, bound: float | None) -> tuple[np.ndarray, float]:
    """(which recordings of the validation split are recognised with this lower bound, spikes a recording)."""
    store, network = open_store(data, verify=False), load(file)
    clipped = [replace(population, v_min=bound) for population in network.populations]
    indices = store.indices("validation")
    engine = Engine(EventNetwork(network.input_shape, clipped, network.synapses), mode="float")
    result = engine.run_batch(*gathered(store, indices))
    return result.prediction == store.labels[indices], float(result.spikes.sum(1).mean())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
