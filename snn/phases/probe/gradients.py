"""The gradients of a method while it trains: their norm through depth, and the first layer's histogram.

The first iterations of the cell's training are replayed by the trainer itself, from the same seed and so bit for bit,
with the method's own loss and all that it adds to the network (Shortcut's branches, Dspike's surrogate, LTL's teacher):
nothing of that is left in the trained network. Gradients are looked at as `step` leaves them, before clipping.

Layers are those of weights on the main path, in the order of computation; the 1x1 convolution of a residual block's
shortcut stands beside them and has no depth of its own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from snn.config.blocks import Probe
from snn.data.frames import Frames
from snn.data.store import Store
from snn.phases._job import Job
from snn.training.loop import Splits, fit
from snn.training.method import Method, Run, StepResult

DECADES = (-12.0, 4.0)
"""Range of log10|g| of the histogram, the same for every cell so that cells can be compared."""
PER_DECADE = 4


def gradients(job: Job, store: Store, settings: Probe, teacher: nn.Module | None) -> list[dict[str, Any]]:
    """Curves `gradient_norm/<layer>` (x: iteration, value: L2 norm) and `gradient_histogram` (x: |g|, value: share of
    the first layer's gradients in that quarter of a decade, over all iterations); metrics: the norms' means."""
    seen: list[dict[str, Tensor]] = []
    replay(job, store, settings.iterations, teacher, seen)
    curves, t = [], job.cell.t_train
    for name in (name for name in seen[0] if all(name in step for step in seen)):  # a frozen layer has none
        norms = [step[name].norm().item() for step in seen]
        curves += [_row(f"gradient_norm/{name}", i, norm) for i, norm in enumerate(norms, 1)]
        job.add(f"gradient_norm_{name}", sum(norms) / len(norms), t)
    first = torch.cat([step[next(iter(step))].flatten() for step in seen]).abs()
    job.add("gradient_first_layer_zero", (first == 0).float().mean().item(), t)
    return curves + [_row("gradient_histogram", x, share) for x, share in histogram(first)]


def replay(job: Job, store: Store, iterations: int, teacher: nn.Module | None, seen: list[dict[str, Tensor]]) -> None:
    """Train the cell from its start for so many iterations; each appends the weights' gradients by layer to `seen`."""

    class Watched(job.method):
        def step(self, model: nn.Module, x: Tensor, y: Tensor) -> StepResult:
            result = super().step(model, x, y)
            found = layers(self.strip(model))
            gradients = {name: layer.weight.grad for name, layer in found.items()}
            seen.append({name: g.detach().float().cpu().clone() for name, g in gradients.items() if g is not None})
            if len(seen) == iterations:
                raise Enough
            return result

    run, splits = training_of(job, store, job.cell.t_train, teacher)
    # A replay that is shorter than an epoch, as it should be, never gets to write this checkpoint.
    checkpoint = job.folder / "replay.pt"
    checkpoint.unlink(missing_ok=True)
    try:
        watched: type[Method] = Watched
        fit(job.build(store), watched, job.params, run, splits, job.cell.seed, checkpoint, "", job.spec["precision"])
    except Enough:
        pass
    finally:
        checkpoint.unlink(missing_ok=True)


class Enough(Exception):
    """The replay has seen as many iterations as it was asked for."""


def training_of(job: Job, store: Store, t: int, teacher: nn.Module | None) -> tuple[Run, Splits]:
    """The cell's training at T = t, its frames binned as they are asked for: a probe looks at a few batches only."""
    splits = Splits(*(Frames(store, s, t, 0, job.device) for s in ("train", "validation", "test")))
    run = job.run(store, splits, job.method.epochs(job.params, job.train.epochs, job.cell.t_train), teacher)
    run.t_train = t
    return run, splits


def layers(network: nn.Module) -> dict[str, nn.Module]:
    """The layers of weights on the main path by name, first to last."""
    found = {name: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    return {name: m for name, m in found.items() if not name.endswith("shortcut")}


def histogram(magnitudes: Tensor) -> list[tuple[float, float]]:
    """(centre of a bin of |g|, share of all values in it), from the first bin that holds any to the last. Zeros count
    in the shares but have no bin; what lies outside of `DECADES` counts in the outermost bins."""
    low, high = DECADES
    bins = round((high - low) * PER_DECADE)
    exponents = magnitudes[magnitudes > 0].double().log10().clamp(low, high)
    counts = torch.histc(exponents, bins, low, high)
    held = counts.nonzero().flatten().tolist()
    if not held:
        return []
    centre = [10 ** (low + (i + 0.5) / PER_DECADE) for i in range(bins)]
    return [(centre[i], counts[i].item() / magnitudes.numel()) for i in range(held[0], held[-1] + 1)]


def _row(curve: str, x: float, value: float) -> dict[str, Any]:
    return {"mode": "clock", "curve": curve, "x": float(x), "value": value}
