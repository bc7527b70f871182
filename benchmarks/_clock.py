"""A clock-driven network, one spike a time step, in torch: what an event-driven network costs without the engine.

Layer by layer: a step holds one spike of the layer before, in the order in which that layer emitted them, because IAF
neurons decide after each event; two spikes of one step would be added first and could fire once where the events fire
twice. With weights below θ (no rest of an event ever fires by itself) the spikes are those of the engine, bit for bit.
As fast as torch lets it be: all recordings of a batch together, a convolution over many steps at once, and only the
network's own work is timed (pooling, weights, neurons), not the sorting of its spikes. Also imported by the
interpreter of sinabs, hence nothing of this project here.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

STEPS = 64  # of a piece: its convolution is one call

Neurons = Callable[[tuple[int, ...]], Callable[[Tensor], Tensor]]


def iaf(shape: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
    """Neurons of the given shape [N, C, H, W] from rest, θ 1, clip -1: currents [T, N, C, H, W] -> spikes."""
    v = torch.zeros(shape)

    def fire(current: Tensor) -> Tensor:
        spikes = torch.empty_like(current)
        for now, out in zip(current, spikes, strict=True):
            v.add_(now)
            torch.ge(v, 1.0, out=out)
            v.sub_(out).clamp_(min=-1.0)
        return spikes

    return fire


@torch.no_grad()
def run(layers: list[dict], recordings: list[np.ndarray], input_shape: tuple, neurons: Neurons = iaf) -> dict:
    """layers: weight [out, in, (k, k)], stride, padding, pool, shape. recordings: events (c, y, x) [n, 3], in order.

    Returns seconds (of this process on the processor, and wall), spikes [N, layers], counts [N, K] and the predictions
    (most spikes; ties: who had them first; -1: none).
    """
    sources, shape, cpu, wall, totals = recordings, input_shape, 0.0, 0.0, []
    for layer in layers:
        layer = {**layer, "weight": torch.tensor(layer["weight"])}
        fire = neurons((len(recordings), *layer["shape"]))
        emitted: list[list[np.ndarray]] = [[np.zeros((0, 3), np.int64)] for _ in recordings]
        for start in range(0, max(map(len, sources)), STEPS):
            frames = _frames([s[start : start + STEPS] for s in sources], shape)
            begun, begun_wall = time.process_time(), time.perf_counter()
            spikes = fire(_current(frames, layer).view(STEPS, len(recordings), *layer["shape"]))
            cpu, wall = cpu + time.process_time() - begun, wall + time.perf_counter() - begun_wall
            step, n, c, y, x = spikes.nonzero(as_tuple=True)
            order = np.lexsort((c, x, y, step, n))  # the engine's: row, column, channel
            found = torch.stack([n, c, y, x], 1).numpy()[order]
            for i, part in enumerate(np.split(found[:, 1:], np.searchsorted(found[:, 0], range(1, len(recordings))))):
                emitted[i].append(part)
        sources, shape = [np.concatenate(parts) for parts in emitted], layer["shape"]
        totals.append([len(s) for s in sources])
    counts = np.stack([np.bincount(s[:, 0], minlength=shape[0]) for s in sources])
    return {
        "cpu": cpu,
        "wall": wall,
        "spikes": np.transpose(totals).tolist(),
        "counts": counts.tolist(),
        "predictions": [_first_to_lead(s[:, 0]) for s in sources],
    }


def _frames(parts: list[np.ndarray], shape: tuple) -> Tensor:
    frames = torch.zeros(STEPS, len(parts), *shape)
    for i, part in enumerate(parts):
        frames[np.arange(len(part)), i, part[:, 0], part[:, 1], part[:, 2]] = 1
    return frames


def _current(frames: Tensor, layer: dict) -> Tensor:
    x = frames.flatten(0, 1)
    if layer["pool"] > 1:
        x = functional.avg_pool2d(x, layer["pool"], divisor_override=1)
    if layer["weight"].ndim == 4:
        return functional.conv2d(x, layer["weight"], None, layer["stride"], layer["padding"])
    return functional.linear(x.flatten(1), layer["weight"])


def _first_to_lead(spikes: np.ndarray) -> int:
    if not len(spikes):
        return -1
    counts = np.bincount(spikes)
    return int(min(np.flatnonzero(counts == counts.max()), key=lambda k: np.flatnonzero(spikes == k)[-1]))
