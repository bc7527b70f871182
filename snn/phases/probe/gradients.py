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

from snn.phases.experiment import Experiment
from snn.phases.outcome import Outcome
from snn.training.loop import Splits, fit
from snn.training.method import Method, Run, StepResult

DECADES = (-12.0, 4.0)
"""Range of log10|g| of the histogram, the same for every cell so that cells can be compared."""
PER_DECADE = 4


def gradients(experiment: Experiment, iterations: int, teacher: nn.Module | None) -> Outcome:
    """Curves `gradient_norm/<layer>` (x: iteration, value: L2 norm) and `gradient_histogram` (x: |g|, value: fraction
    of the first layer's gradients in that quarter of a decade, over all iterations); metrics: the norms' means."""
    steps = replay(experiment, iterations, teacher)
    outcome, t = Outcome(), experiment.cell.t_train
    for name in (name for name in steps[0] if all(name in step for step in steps)):  # a frozen layer has none
        norms = [step[name].norm().item() for step in steps]
        for i, norm in enumerate(norms, 1):
            outcome.add_curve("clock", f"gradient_norm/{name}", i, norm)
        outcome.add(f"gradient_norm_{name}", sum(norms) / len(norms), t)
    first = torch.cat([step[next(iter(step))].flatten() for step in steps]).abs()
    outcome.add("gradient_first_layer_zero", (first == 0).float().mean().item(), t)
    for x, fraction in histogram(first):
        outcome.add_curve("clock", "gradient_histogram", x, fraction)
    return outcome


def replay(experiment: Experiment, iterations: int, teacher: nn.Module | None) -> list[dict[str, Tensor]]:
    """Train the cell from its start for a number of iterations; the weights' gradients by layer of each iteration."""
    e, steps = experiment, []

    class Watched(e.method):  # type: ignore[name-defined]  # a class that is found at run time
        def step(self, model: nn.Module, x: Tensor, y: Tensor) -> StepResult:
            result = super().step(model, x, y)
            gradients = {name: layer.weight.grad for name, layer in layers(self.strip(model)).items()}
            steps.append({name: g.detach().float().cpu().clone() for name, g in gradients.items() if g is not None})
            if len(steps) == iterations:
                raise Enough
            return result

    run, splits = training_at(e, e.cell.t_train, teacher)
    # A replay that is shorter than an epoch, as it should be, never gets to write this checkpoint.
    checkpoint = e.folder.path / "replay.pt"
    checkpoint.unlink(missing_ok=True)
    watched: type[Method[Any]] = Watched
    try:
        fit(
            e.initial_network(),
            watched,
            e.params,
            run,
            splits,
            seed=e.cell.seed,
            checkpoint=checkpoint,
            identity="",
            precision=e.precision,
        )
    except Enough:
        pass
    finally:
        checkpoint.unlink(missing_ok=True)
    return steps


class Enough(Exception):
    """The replay has seen as many iterations as it was asked for."""


def training_at(experiment: Experiment, t: int, teacher: nn.Module | None) -> tuple[Run, Splits]:
    """The cell's training at T = t, its frames binned as they are asked for: a probe looks at a few batches only."""
    splits = Splits(*(experiment.frames(split, t, cached=False) for split in ("train", "validation", "test")))
    return experiment.training_run(splits, epochs=experiment.epochs, teacher=teacher, t_train=t), splits


def layers(network: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    """The layers of weights on the main path by name, first to last."""
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and not name.endswith("shortcut")
    }


def histogram(magnitudes: Tensor) -> list[tuple[float, float]]:
    """(centre of a bin of |g|, fraction of all values in it), from the first bin that holds any to the last. Zeros
    count in the fractions but have no bin; what lies outside of `DECADES` counts in the outermost bins."""
    low, high = DECADES
    bins = round((high - low) * PER_DECADE)
    exponents = magnitudes[magnitudes > 0].double().log10().clamp(low, high)
    counts = torch.histc(exponents, bins, low, high)
    held = counts.nonzero().flatten().tolist()
    if not held:
        return []
    centre = [10 ** (low + (i + 0.5) / PER_DECADE) for i in range(bins)]
    return [(centre[i], counts[i].item() / magnitudes.numel()) for i in range(held[0], held[-1] + 1)]
