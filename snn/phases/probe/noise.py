"""Accuracy of a trained network under noise that it was not trained with: does its rule find a flatter optimum?

The MTT paper claims better generalisation of networks trained with mixed time steps; it does not say by which noise to
see it, so kinds and levels are ours. ε: standard normal, drawn anew for each draw; r(·): root mean square.

    weight_noise      W + σ · r(W) · ε          for every layer of weights W, normalisation untouched
    frame_noise       x + σ · r(x) · ε          x: frames
    events_dropped    every event is lost with probability p
    events_added      a recording of n events gets q·n more, anywhere in space, time and polarity

Events are only dropped and added where frames are counts of events. The draws of a seed are the same in every cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from snn.benchmark.cell import Cell
from snn.config.blocks import Probe
from snn.phases.outcome import Outcome
from snn.runtime.seeds import derive
from snn.training.evaluate import BATCH, is_spiking, predict


def noise(cell: Cell, settings: Probe, network: nn.Module, x: Tensor, y: Tensor) -> Outcome:
    """Curves `weight_noise`, `frame_noise`, `events_dropped`, `events_added` on frames x [T, N, C, H, W] with labels y:
    x is the level, value the accuracy; level 0 is without noise. Metrics: `<curve>_<level>`.

    One draw on input is one for each recording; noise on weights is shared by all, and the mean of several draws."""
    labels = y.cpu().numpy()

    def accuracy(frames: Tensor) -> float:
        return float((predict(network, iter(frames.split(BATCH, 1)), is_spiking(network)) == labels).mean())

    def of_input(change: Callable[[Tensor, float, torch.Generator], Tensor], level: float, name: str) -> float:
        return accuracy(change(x, level, generator_of(cell.seed, name, level)))

    def of_weights(level: float, name: str) -> float:
        total = 0.0
        for i in range(settings.draws):
            with noisy_weights(network, level, generator_of(cell.seed, name, level, i)):
                total += accuracy(x)
        return total / settings.draws

    kinds: dict[str, tuple[list[float], Callable[[float, str], float]]] = {
        "weight_noise": (settings.weight_noise, of_weights),
        "frame_noise": (settings.frame_noise, partial(of_input, noisy_frames)),
    }
    if are_counts(x):
        kinds["events_dropped"] = settings.events_dropped, partial(of_input, dropped)
        kinds["events_added"] = settings.events_added, partial(of_input, added)
    outcome, clean = Outcome(), accuracy(x)
    for kind, (levels, measure) in kinds.items():
        values = {0.0: clean} | {level: measure(level, kind) for level in levels}
        for level in levels:
            outcome.add(f"{kind}_{level:g}", values[level], cell.t_train)
        for level, value in sorted(values.items()):
            outcome.add_curve("clock", kind, level, value)
    return outcome


@contextmanager
def noisy_weights(network: nn.Module, sigma: float, g: torch.Generator) -> Iterator[None]:
    """While entered, the weights of convolutions and linear layers are W + σ·r(W)·ε; afterwards they are as before."""
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    before = [w.detach().clone() for w in weights]
    with torch.no_grad():
        for w in weights:
            w.add_(torch.randn(w.shape, generator=g).to(w), alpha=sigma * _rms(w))
    try:
        yield
    finally:
        with torch.no_grad():
            for w, value in zip(weights, before, strict=True):
                w.copy_(value)


def noisy_frames(x: Tensor, sigma: float, g: torch.Generator) -> Tensor:
    return x + sigma * _rms(x) * torch.randn(x.shape, generator=g).to(x)


def dropped(x: Tensor, p: float, g: torch.Generator) -> Tensor:
    """Of the events counted in x each is lost with probability p."""
    counts = x.cpu()
    at = counts > 0
    remaining = counts.clone()
    remaining[at] = torch.binomial(counts[at], torch.full_like(counts[at], 1 - p), generator=g)
    return remaining.to(x)


def added(x: Tensor, fraction: float, g: torch.Generator) -> Tensor:
    """To every recording of x [T, N, C, H, W] a fraction of its own number of events, at uniformly random places."""
    t, n, *rest = x.shape
    counts = x.cpu().transpose(0, 1).reshape(n, -1).clone()
    more = (fraction * counts.sum(1)).round().long()
    recording = torch.repeat_interleave(torch.arange(n), more)
    place = torch.randint(counts.shape[1], (len(recording),), generator=g)
    counts.index_put_((recording, place), torch.ones(len(recording)), accumulate=True)
    return counts.reshape(n, t, *rest).transpose(0, 1).contiguous().to(x)


def are_counts(x: Tensor) -> bool:
    """Whether frames hold numbers of events: static images do not."""
    return bool(((x >= 0) & (x == x.round())).all())


def _rms(x: Tensor) -> float:
    return x.square().mean().sqrt().item()


def generator_of(seed: int, *what: object) -> torch.Generator:
    """The random numbers of one draw of a probe, the same in every cell of a seed."""
    return torch.Generator().manual_seed(derive(seed, "disturbance", "probe", *what))
