"""The recordings that the report shows: frames of those that networks lose event-driven, and one recording on its way
through the event-driven engine.

A network *loses* a recording that it classifies correctly clock-driven, at the T of training, and wrongly event-driven.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from snn.benchmark.layout import CellFolder
from snn.data.manifest import DATA, MANIFEST
from snn.data.store import EventStore, open_store

MOST = 36
"""Recordings of a data set with frames: those lost most often."""
FRAMES = 6
LARGEST = 48
"""Pixels of a frame's longer side; larger sensors are summed to at most that."""
SPIKES_OF_A_LAYER = 4000
"""Kept of each layer of the recording on its way through the engine; evenly thinned out beyond."""


class Deployed(NamedTuple):
    """One deployed cell: which recordings [n], and whether each was correct clock-driven and event-driven."""

    cell: Mapping[str, Any]
    mode: str
    recordings: np.ndarray
    clock: np.ndarray
    event: np.ndarray

    @property
    def lost(self) -> np.ndarray:
        return self.clock & ~self.event


def gather(
    cells: Sequence[Mapping[str, Any]], predictions: Mapping[str, np.ndarray], stores: Mapping[str, Path]
) -> dict[str, np.ndarray]:
    """The arrays of `recordings.npz`; none for a data set that has no store of events at hand.

    predictions: as `collect` writes them. `<dataset>/`: index [R] in the store, label [R], lost [R] by how many cells,
    frames uint8 [R, FRAMES, P, h, w] event counts. `run/`: cell (its key), mode, index, label, prediction, t_end_us,
    events [n, 4] (t in µs since the first event, x, y, p) and `layer<k>/<name>` [n, 4] (t, c, y, x) of every spike.
    """
    by_dataset: defaultdict[str, list[Deployed]] = defaultdict(list)
    for cell in cells:
        deployed = _deployed(cell, predictions)
        if deployed:
            by_dataset[cell["dataset"]].append(deployed)
    arrays: dict[str, np.ndarray] = {}
    for dataset, of_dataset in by_dataset.items():
        store = _store(stores.get(dataset))
        if store is None:
            continue
        arrays |= {f"{dataset}/{name}": array for name, array in _lost(of_dataset, store).items()}
        if not any(name.startswith("run/") for name in arrays):
            arrays |= {f"run/{name}": array for name, array in _run(of_dataset, store).items()}
    return arrays


def _deployed(cell: Mapping[str, Any], predictions: Mapping[str, np.ndarray]) -> Deployed | None:
    start = "{dataset}/{network}/{method}/T{t_train}/seed{seed}/deploy/".format(**cell)
    clock = predictions.get(f"{start}clock/{cell['t_train']}/accuracy")
    for mode in ("event-float", "event-int8"):
        event = predictions.get(f"{start}{mode}//accuracy")
        if clock is not None and event is not None:
            return Deployed(cell, mode, predictions[f"{start}index"], clock, event)
    return None


def _store(manifest: Path | None) -> EventStore | None:
    folder = manifest.parent if manifest else None
    if folder is None or not (folder / MANIFEST).exists() or not (folder / DATA).exists():
        return None  # where files travel through an object store, the events may not be here
    store = open_store(folder, verify=False)
    return store if isinstance(store, EventStore) else None


def _lost(deployed: Sequence[Deployed], store: EventStore) -> dict[str, np.ndarray]:
    """The recordings lost by the most cells, with their frames."""
    counts: defaultdict[int, int] = defaultdict(int)
    for of_cell in deployed:
        for i in of_cell.recordings[of_cell.lost]:
            counts[int(i)] += 1
    chosen = sorted(counts, key=lambda i: (-counts[i], i))[:MOST]
    index = np.array(chosen, np.int64)
    frames = store.frames(index, FRAMES) if chosen else np.zeros((0, FRAMES, *store.shape), np.uint8)
    return {
        "index": index,
        "label": store.labels[index].astype(np.int64),
        "lost": np.array([counts[i] for i in chosen], np.int64),
        "frames": np.minimum(_smaller(frames), 255).astype(np.uint8),
    }


def _smaller(frames: np.ndarray) -> np.ndarray:
    """Summed over squares of pixels until no side is longer than `LARGEST`."""
    *head, height, width = frames.shape
    by = -(-max(height, width) // LARGEST)
    if by == 1:
        return frames
    padded = np.pad(frames.astype(np.int64), [(0, 0)] * len(head) + [(0, -height % by), (0, -width % by)])
    return padded.reshape(*head, padded.shape[-2] // by, by, padded.shape[-1] // by, by).sum(axis=(-3, -1))


def _run(deployed: Sequence[Deployed], store: EventStore) -> dict[str, np.ndarray]:
    """One recording through the network with the highest event-driven accuracy: of those that it gets right the one
    of median length."""
    best = max(deployed, key=lambda d: float(d.event.mean()))
    path = CellFolder(Path(best.cell["folder"])).network_file
    right = best.recordings[best.event]
    if not path.exists() or not len(right):
        return {}
    from snn.events import Engine, load  # the compiler, only where something runs

    i = int(sorted(right, key=lambda i: (store.n_events(int(i)), i))[len(right) // 2])
    events = store.events(i)
    t, x, y, p = (events[name].astype(np.int64) for name in ("t", "x", "y", "p"))
    network = load(path)
    result = Engine(network, mode=best.mode.removeprefix("event-")).run(t, x, y, p, trace=True)
    spikes = {
        f"layer{k}/{population.name}": trace[:, 1:] - np.array([t[0], 0, 0, 0])
        for k, (population, trace) in enumerate(zip(network.populations, result.trace or [], strict=False), 1)
    }
    return {
        "cell": np.array("{dataset}/{network}/{method}/T{t_train}/seed{seed}".format(**best.cell)),
        "mode": np.array(best.mode),
        "index": np.array(i),
        "label": np.array(int(store.labels[i])),
        "prediction": np.array(int(result.prediction)),
        "t_end_us": np.array(int(t[-1] - t[0])),
        "events": _thin(np.column_stack([t - t[0], x, y, p])),
        "n_spikes": np.array([len(trace) for trace in spikes.values()]),
        **{name: _thin(trace) for name, trace in spikes.items()},
    }


def _thin(rows: np.ndarray) -> np.ndarray:
    """At most `SPIKES_OF_A_LAYER` of the rows, evenly spread, as int32."""
    if len(rows) > SPIKES_OF_A_LAYER:
        rows = rows[np.linspace(0, len(rows) - 1, SPIKES_OF_A_LAYER).astype(int)]
    return rows.astype(np.int32)
