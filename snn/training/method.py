"""The contract of a training method: what it must say, and the hooks that it may fill in.

A method states its name's paper and its typed hyper-parameters, and overrides only what it changes. The trainer
(`snn/training/loop.py`) owns everything else: loop, optimiser, schedule, seeds, checkpoints, history, evaluation.

The order of calls in one training:

    method = METHOD(params, run)
    model = method.prepare(network)                  # once; may wrap the network (heads, ...)
    for epoch:
        method.start_epoch(model, epoch, batch)      # batch: one training batch, for updates once an epoch
        for x, y in batches:
            method.step(model, x, y)                 # forward and backward; gradients are left on the weights
            (the trainer clips, steps the optimiser and the schedule)
        method.before_evaluation(model, batches)     # e.g. recalibrate normalisation
        evaluation of method.strip(model)
    network = method.strip(model)                    # exactly the plain network that was given to prepare()
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from snn.config.blocks import Model, Train
from snn.errors import ConfigError
from snn.neurons.spec import NeuronSpec

FORWARD = 1 / 3
"""What a time step that is only computed forward counts for: backward costs about two forward passes [ours]."""


@dataclass
class Run:
    """What a method may know of the training that it is part of.

    t_train: time steps T of the frames it is given; classes: K; input_shape: (C, H, W) of a frame; static: the same
    image at all T steps, which the method `ann` sees once, instead of events, which it sees summed over time;
    iterations: of the whole training; steps: the generator for its own random draws (purpose `steps`), no other source
    may be used; train: the recipe; teacher: the trained `ann` of the same layout, for methods that ask for it.
    """

    t_train: int
    classes: int
    input_shape: tuple[int, int, int]
    epochs: int
    iterations: int
    train: Train
    steps: torch.Generator
    device: str = "cpu"
    teacher: nn.Module | None = None
    labels: Tensor | None = field(default=None, repr=False)
    static: bool = False

    def at_once(self, x: Tensor) -> Tensor:
        """What a network without time sees of x [T, N, C, H, W], [1, N, C, H, W]: all events together, or the image."""
        return x[:1] if self.static else x.sum(0, keepdim=True)

    def decode(self, outputs: Tensor) -> Tensor:
        """Logits [N, K] from the readout [T, N, K]: mean or sum over time (the recipe says which), times its scale."""
        logits = outputs.mean(0) if self.train.logits == "mean" else outputs.sum(0)
        return logits * self.train.logit_scale


@dataclass
class StepResult:
    """loss: the number minimised; logits [N, K] for the running training accuracy; time_steps: network time steps
    (forward and backward; `FORWARD` of one where there is no backward) that each sample of the batch went through: the
    unit in which methods' costs compare. Evaluation, recalibration and a teacher's own training are not in it."""

    loss: float
    logits: Tensor
    time_steps: float


class Method:
    """Base of all methods. The defaults make standard direct training but for `loss`."""

    paper: ClassVar[str] = ""
    """Authors, title, venue, year, identifier."""
    activation: ClassVar[str] = "spiking"
    """`spiking`, or `relu` for networks without time."""
    timeless: ClassVar[bool] = False
    """True if time has no meaning for it (`chance`, `ann`): it has one cell at T = 1, no sweep and no deployment."""
    trains: ClassVar[bool] = True
    """False if nothing is optimised."""
    teacher: ClassVar[str | None] = None
    """A method whose trained network of the same layout and seed is needed first, e.g. `ann`."""

    class Params(Model):
        """Typed hyper-parameters, filled from the `methods.<name>` block of the configuration."""

    def __init__(self, params: Any, run: Run):
        self.params, self.run = params, run

    @classmethod
    def check(cls, params: Any, t_train: int, train: Train, neuron: NeuronSpec) -> None:
        """Raise ConfigError, with the reason, if the method makes no sense in this cell."""

    @classmethod
    def check_beside(cls, params: Any, others: dict[str, Any]) -> None:
        """Raise ConfigError if the method makes no sense beside the benchmark's other methods.

        others: the hyper-parameters of all methods of the benchmark, by name.
        """

    @classmethod
    def epochs(cls, params: Any, epochs: int, t_train: int) -> int:
        """How many epochs it trains when the recipe says `epochs`."""
        return epochs

    def prepare(self, network: nn.Module) -> nn.Module:
        return network

    def loss(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """(loss, logits [N, K]) of frames x [T, N, C, H, W] and labels y [N]."""
        raise ConfigError(f"{type(self).__name__} must define loss() or step()")

    def step(self, model: nn.Module, x: Tensor, y: Tensor) -> StepResult:
        loss, logits = self.loss(model, x, y)
        loss.backward()
        return StepResult(loss.item(), logits.detach(), float(x.shape[0]))

    def start_epoch(self, model: nn.Module, epoch: int, batch: tuple[Tensor, Tensor]) -> dict[str, float]:
        """Called before each epoch with one batch of frames and labels; returns numbers for the history."""
        return {}

    def before_evaluation(self, model: nn.Module, batches: Iterator[Tensor]) -> None:
        """Called before each evaluation; `batches` yields frames [T, N, C, H, W] of the training split."""

    def strip(self, model: nn.Module) -> nn.Module:
        """The deployable network: what `prepare` was given, trained, without anything that training added."""
        return model

    def state(self) -> dict[str, Any]:
        """What a resumed training needs beside weights, optimiser and generators (plain numbers and tensors)."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""


def time_mean_cross_entropy(run: Run, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """(cross-entropy of the decoded logits, the logits)."""
    logits = run.decode(outputs)
    return cross_entropy(logits, y), logits
