"""The two networks of the engine's benchmark, with random weights that fire at a given rate, and their events."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from snn.errors import UserError
from snn.events import Engine, EventNetwork, Population, Synapse

EVENT = np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])


def three_conv(events: np.ndarray, rate: float = 1.0) -> EventNetwork:
    """3C1FC for N-MNIST: 8c3 - 2s - 16c3 - 2s - 16c3 (stride 2) - 10, 6160 weights."""
    layers = [
        ("conv1", (8, 34, 34), {"kernel": 3, "padding": 1}),
        ("conv2", (16, 17, 17), {"kernel": 3, "padding": 1, "pool": 2}),
        ("conv3", (16, 4, 4), {"kernel": 3, "padding": 1, "pool": 2, "stride": 2}),
        ("output", (10, 1, 1), {}),
    ]
    return _calibrated((2, 34, 34), layers, events, rate)


def vggsnn(events: np.ndarray, rate: float = 1.0) -> EventNetwork:
    """VGGSNN for CIFAR10-DVS at 128 x 128, 9,237,632 weights; the last layer does not spike."""
    layers = [
        (f"conv{i}", (c, n, n), {"kernel": 3, "padding": 1, "pool": pool})
        for i, (c, n, pool) in enumerate(
            [(64, 32, 4), (128, 32, 1), (256, 16, 2), (256, 16, 1), (512, 8, 2), (512, 8, 1), (512, 4, 2), (512, 4, 1)]
        )
    ]
    return _calibrated((2, 128, 128), [*layers, ("output", (10, 1, 1), {"pool": 2, "spiking": False})], events, rate)


def _calibrated(input_shape: tuple, layers: list, events: np.ndarray, rate: float) -> EventNetwork:
    """Gaussian weights, each layer scaled until it emits `rate` spikes for each event that reaches it."""
    rng = np.random.default_rng(0)
    populations, synapses = [], []
    source, shape = "input", input_shape
    for name, target, how in layers:
        how = dict(how)
        kernel, spiking = how.pop("kernel", None), how.pop("spiking", True)
        pool = how.get("pool", 1)
        kind = "conv" if kernel else "linear"
        form = (
            (target[0], shape[0], kernel, kernel)
            if kernel
            else (target[0], int(np.prod([shape[0], shape[1] // pool, shape[2] // pool])))
        )
        base = rng.normal(0.15, 1.0, form).astype(np.float32)

        def scaled(gain: float, base: np.ndarray = base) -> np.ndarray:
            # Multiples of 2^-12 below θ: every sum is exact, and no rest of an event fires by itself, so that a
            # clock-driven network gives the same spikes.
            return np.clip(np.rint(base * gain * 4096) / 4096, -4095 / 4096, 4095 / 4096).astype(np.float32)

        low, high = 1e-4, 2.0
        for _ in range(9 if spiking else 1):
            gain = (low * high) ** 0.5
            trial = EventNetwork(
                input_shape,
                [*populations, Population(name, target, spiking=spiking)],
                [*synapses, Synapse(source, name, kind, scaled(gain), **how)],
            )
            result = Engine(trial).run(*(events[c] for c in "txyp"))
            arrived = result.synops[-1] / base[:, 0].size if kernel else result.synops[-1] / target[0]
            if how.get("stride", 1) > 1:
                arrived *= how["stride"] ** 2
            low, high = (gain, high) if result.spikes[-1] < rate * arrived else (low, gain)
        populations, synapses = list(trial.populations), list(trial.synapses)
        source, shape = name, target
    return EventNetwork(input_shape, populations, synapses)


def nmnist_recordings(most: int = 60) -> tuple[list[np.ndarray], str]:
    """Real N-MNIST recordings below the folder SNN_NMNIST, spread over its files; otherwise the embedded saccades'."""
    folder = os.environ.get("SNN_NMNIST")
    if folder:
        files = sorted(Path(folder).rglob("*.bin"))
        if not files:
            raise UserError(f"SNN_NMNIST: no .bin files below {folder}")
        files = [files[i] for i in np.linspace(0, len(files) - 1, min(most, len(files))).astype(int)]
        return [_read(f) for f in files], f"{len(files)} real N-MNIST recordings"
    from snn.data.readers import saccades

    most = max(10, most // 10 * 10)
    recordings = [r.events for r in saccades.samples(saccades.Params(samples=most))]
    return recordings, f"{most} embedded saccades recordings"


def blobs(rng: np.random.Generator, n: int, size: int, duration: int) -> np.ndarray:
    """n events near the edge of a figure that moves through the picture in three saccades."""
    events = np.zeros(n, EVENT)
    events["t"] = np.sort(rng.integers(0, duration, n))
    phase = 2 * np.pi * 3 * events["t"] / duration
    angle = rng.uniform(0, 2 * np.pi, n)
    x = size / 2 + size / 4 * np.cos(angle) + size / 12 * np.sin(phase) + rng.normal(0, size / 34, n)
    y = size / 2 + size / 3 * np.sin(angle) + size / 12 * np.cos(phase) + rng.normal(0, size / 34, n)
    events["x"], events["y"] = (np.clip(np.rint(v), 0, size - 1) for v in (x, y))
    events["p"] = np.cos(angle - phase) > 0
    return events


def _read(path: Path) -> np.ndarray:
    """x (8 bits), y (8), polarity (1), t in µs (23); overflow markers at y = 240 are left out."""
    raw = np.fromfile(path, np.uint8).reshape(-1, 5).astype(np.int64)
    raw = raw[raw[:, 1] < 34]
    events = np.zeros(len(raw), EVENT)
    events["x"], events["y"], events["p"] = raw[:, 0], raw[:, 1], raw[:, 2] >> 7
    events["t"] = ((raw[:, 2] & 127) << 16) | (raw[:, 3] << 8) | raw[:, 4]
    return events[np.argsort(events["t"], kind="stable")]
