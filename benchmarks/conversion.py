"""Raw recordings to the store, and events to frames, beside tonic.

Frames of the suite are exact: every event is in one frame, that of its bin of equal time. That is checked here against
integer arithmetic in NumPy, and the share of frame counts in which tonic's `ToFrame` differs is told. The files are
real N-MNIST recordings where SNN_NMNIST is set, otherwise the embedded saccades written in the same format.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import numpy as np

from benchmarks._measure import Row, Unequal, rates, require_equal, turns
from benchmarks._networks import nmnist_recordings
from snn.data import binning
from snn.data.conversion import convert
from snn.data.format import EVENT, FIELDS
from snn.data.store import open_event_store

T, SHAPE = 10, (2, 34, 34)


def run(quick: bool = False) -> list[Row]:
    recordings, what = nmnist_recordings(30 if quick else 200)
    recordings = [np.ascontiguousarray(r).astype(EVENT) for r in recordings]
    seconds = 0.0 if quick else 6.0
    return [_binning(recordings, what, seconds), _reading(recordings, what, seconds)]


def _binning(recordings: list[np.ndarray], what: str, seconds: float) -> Row:
    from tonic.transforms import ToFrame

    events, offsets = np.concatenate(recordings), np.cumsum([0, *map(len, recordings)])
    to_frame = ToFrame(sensor_size=SHAPE[::-1], n_time_bins=T)
    natural = [r.astype([(name, r.dtype[name]) for name in FIELDS], copy=True) for r in recordings]

    def ours() -> np.ndarray:
        return binning.frames(events, offsets[:-1], offsets[1:], T, SHAPE)

    def tonics() -> list[np.ndarray]:
        return [to_frame(r) for r in natural]

    frames = ours()
    require_equal("frames and integer arithmetic", frames, np.stack([exact(r) for r in recordings]))
    theirs = np.stack(tonics())
    lost = len(events) - int(theirs.sum())
    print(
        f"  exact: {len(recordings)} recordings, {len(events):,} events, each in one of {T} frames; tonic's hold "
        f"{lost:+,} events fewer, and {np.count_nonzero(theirs != frames)} of {frames.size:,} counts differ",
        flush=True,
    )
    taken = turns({"ours": ours, "tonic": tonics}, seconds, 3)
    name = f"events to {T} frames, {what}; rival: tonic's ToFrame"
    return rates(name, taken["ours"], taken["tonic"], "Mevents/s", len(events) / 1e6)


def exact(events: np.ndarray) -> np.ndarray:
    """bin = (t − t_first) · T // (t_last − t_first + 1), in integers."""
    t = events["t"] - events["t"][0]
    frames = np.zeros((T, *SHAPE), np.int64)
    np.add.at(frames, (t * T // (t[-1] + 1), events["p"], events["y"], events["x"]), 1)
    return frames


def _reading(recordings: list[np.ndarray], what: str, seconds: float) -> Row:
    """Files of 40-bit events: ours reads, checks, sums up, writes and seals the store, on which every later read is a
    map of the file; tonic's way to the same is its reader into its disk cache (HDF5, uncompressed, nothing checked)."""
    from tonic.cached_dataset import DiskCachedDataset
    from tonic.io import read_mnist_file

    kind = np.dtype([("x", "<u2"), ("y", "<u2"), ("t", "<i8"), ("p", "u1")])
    with tempfile.TemporaryDirectory() as folder:
        files = _write_nmnist(Path(folder) / "raw", recordings)
        out = Path(folder) / "store"
        params, split = {"folder": str(Path(folder) / "raw")}, {"validation": 10, "seed": 0}

        def ours() -> None:
            convert("nmnist", params, split, out, progress=False)

        class Files:
            def __len__(self) -> int:
                return len(files)

            def __getitem__(self, i: int) -> tuple[np.ndarray, int]:
                return read_mnist_file(files[i], kind), int(files[i].parent.name)

        def tonics() -> None:
            with tempfile.TemporaryDirectory(dir=folder) as cache:
                cached = DiskCachedDataset(Files(), cache_path=cache, compress=False)
                for i in range(len(files)):
                    cached[i]

        with contextlib.redirect_stderr(None):
            taken = turns({"ours": ours, "tonic": tonics}, seconds, 3)
        kept, n = open_event_store(out), sum(map(len, recordings))
        if kept.manifest["events"]["total"] != n or sum(kept.n_events(i) for i in range(len(kept))) != n:
            raise Unequal(f"the store holds {kept.manifest['events']['total']} events, the files {n}")
        read = np.concatenate([kept.events(i) for i in range(len(kept))])
        files_of = {name: i for i, name in enumerate(f.stem for f in files)}
        order = [files_of[Path(str(name)).stem] for name in kept.names]
        require_equal("the store's events and the files'", read, np.concatenate([recordings[i] for i in order]))
    name = f"files to a sealed store, {what}; rival: tonic's reader and disk cache"
    return rates(name, taken["ours"], taken["tonic"], "Mevents/s", n / 1e6)


def _write_nmnist(folder: Path, recordings: list[np.ndarray]) -> list[Path]:
    """The recordings as N-MNIST's files, in ten classes, one in five for the test split."""
    files = []
    for i, events in enumerate(recordings):
        split = "Test" if i // 10 % 5 == 0 else "Train"
        file = folder / split / str(i % 10) / f"{i:05d}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        raw = np.zeros((len(events), 5), np.uint8)
        raw[:, 0], raw[:, 1] = events["x"], events["y"]
        raw[:, 2] = events["p"] << 7 | events["t"] >> 16 & 127
        raw[:, 3], raw[:, 4] = events["t"] >> 8 & 255, events["t"] & 255
        raw.tofile(file)
        files.append(file)
    return files
