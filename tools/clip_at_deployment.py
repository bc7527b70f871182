"""How much of the loss without a clock a lower clip of the membrane takes back, without any training.

    python tools/clip_at_deployment.py results/nmnist_0to7

runs the event-driven networks that the deployments of a benchmark left behind (`deploy/network.npz`) with other lower
bounds of the membrane than they were trained with, on the validation split. A Markdown table: accuracy in percent,
mean over seeds [least, most], and spikes a recording. docs/nmnist.md says what came of it.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from snn.data.store import open_store
from snn.events import EventNetwork, load
from snn.phases.deploy import gathered

BOUNDS = (-1.0, -2.0, -4.0, None)


def main(results: Path) -> None:
    found: dict[tuple, list[list[tuple[float, float]]]] = defaultdict(list)
    for file in sorted(results.glob("cells/*/*/*/*/seed*/deploy/network.npz")):
        dataset, *setting = file.parts[-7:-3]
        found[dataset, *setting].append([run(file, results / "data" / dataset, bound) for bound in BOUNDS])
    titles = ["no clip" if bound is None else f"clip at {bound:g}" for bound in BOUNDS]
    print("| network | method | T | n |", *(f"{title} |" for title in titles))
    print("| --- | --- | --- | --- |", *(["--- |"] * len(BOUNDS)))
    for (_, network, method, t), seeds in found.items():
        values = np.array(seeds)  # [seeds, bounds, (percent, spikes)]
        cells = [
            f"{percent.mean():.1f} [{percent.min():.1f}, {percent.max():.1f}], {spikes.mean():,.0f}"
            for percent, spikes in values.transpose(1, 2, 0)
        ]
        print(f"| {network} | `{method}` | {t[1:]} | {len(seeds)} |", *(f"{cell} |" for cell in cells), flush=True)


def run(file: Path, data: Path, bound: float | None) -> tuple[float, float]:
    """(accuracy in percent, spikes a recording) on the validation split with this lower bound in all populations."""
    store, network = open_store(data, verify=False), load(file)
    clipped = [replace(population, v_min=bound) for population in network.populations]
    indices = store.indices("validation")
    engine = EventNetwork(network.input_shape, clipped, network.synapses).engine(mode="float")
    result = engine.run_batch(*gathered(store, indices))
    return 100 * float((result.prediction == store.labels[indices]).mean()), float(result.spikes.sum(1).mean())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
