"""The contract of a training method: one class in one file of `snn/methods/`, which `METHOD` names.

A method overrides only what it changes. All defaults together are standard direct training, but for `loss`, which every
method defines (or `step`, if one loss and one backward pass are not what it does). `snn/methods/sdt.py` is the example
to start from. Everything else belongs to the loop (`snn/training/loop.py`): order of data, optimiser, learning rate,
seeds, checkpoints, history, evaluation.

One training calls, in this order:

    network = METHOD.build(params, blueprint)            # the network with its initial weights
    method = METHOD(params, run)
    model = method.prepare(network)                      # once; may wrap the network, e.g. add heads
    for each epoch:
        method.start_epoch(model, epoch, batch)          # before its first step, with the batch of that step
        for each batch (x, y):
            method.step(model, x, y)                     # forward and backward: leaves gradients on the weights
            (the loop clips the gradients and steps optimiser and learning rate)
        method.end_epoch(model)                          # numbers for the history
        method.before_evaluation(model, batches)         # e.g. recalibrate the normalisation
        (the loop evaluates method.strip(model))
    network = method.strip(model)                        # has exactly the state dict that build() gave

Later phases build the network again by `METHOD.build`, load the trained weights and evaluate it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from snn.config.blocks import Model, Train
from snn.errors import ConfigError
from snn.models.blueprint import Blueprint
from snn.models.stages import Network
from snn.neurons.spec import NeuronSpec

FORWARD = 1 / 3
"""Cost of a time step that is only computed forward: backward costs about as much as two forward passes [ours]."""

ModelT = TypeVar("ModelT", bound=nn.Module)
"""The type of what `Method.prepare` returns: `Network` for most methods."""


@dataclass(kw_only=True)
class Run:
    """What a method may know of the training that it is part of.

    t_train: number of time steps T of the frames; classes: K; input_shape: (C, H, W) of a frame; epochs, iterations: of
    the whole training; train: the recipe; labels: of the training split, [n]; steps: the generator of all random draws
    of a method, which uses no other source; device: where model and frames are.
    teacher: the trained network of the method that `Method.teacher` names, in evaluation mode and without gradient.
    static: whether a sample is one image, the same at all T steps, rather than a recording of events.
    """

    t_train: int
    classes: int
    input_shape: tuple[int, int, int]
    epochs: int
    iterations: int
    train: Train
    labels: Tensor = field(repr=False)
    steps: torch.Generator
    device: str = "cpu"
    teacher: nn.Module | None = None
    static: bool = False

    def require_teacher(self) -> nn.Module:
        """The teacher; ConfigError if this training was given none."""
        if self.teacher is None:
            raise ConfigError("this method learns from a teacher: pass the trained network of its teacher's method")
        return self.teacher

    def at_once(self, x: Tensor) -> Tensor:
        """The input of a network without time: the sum of all frames of a recording, or the image once.

        `[T, N, C, H, W]` -> `[1, N, C, H, W]`.
        """
        return x[:1] if self.static else x.sum(0, keepdim=True)

    def decode(self, outputs: Tensor) -> Tensor:
        """Logits `[N, K]` from the readout `[T, N, K]`: its mean or sum over time, as `train.logits` says, times
        `train.logit_scale`."""
        logits = outputs.mean(0) if self.train.logits == "mean" else outputs.sum(0)
        return logits * self.train.logit_scale


@dataclass
class StepResult:
    """What one step reports.

    loss: the number that is minimised; logits: `[N, K]`, detached, for the training accuracy; time_steps: the cost of
    the step, in time steps of the network, forward and backward, that each sample of the batch went through. A step
    without backward counts as `FORWARD` of one, a teacher's pass too; evaluation, recalibration and the training of the
    teacher are not counted.
    """

    loss: float
    logits: Tensor
    time_steps: float


class Method(Generic[ModelT]):
    """Base class of all methods."""

    paper: ClassVar[str] = ""
    """Authors, title, venue, year, identifier; empty for controls of our own."""
    timeless: ClassVar[bool] = False
    """Whether time has no meaning for its networks (`ann`): its cells have T = 1, no sweep and no deployment."""
    trains: ClassVar[bool] = True
    """Whether it optimises weights; if not, there is one epoch without steps."""

    indivisible: ClassVar[str] = ""
    """Why several processes cannot share its batches (`resources.processes`); empty if they can: each loss is a mean
    over samples, what is drawn does not depend on their number, and normalisation layers alone join samples."""

    class Params(Model):
        """Typed hyper-parameters, filled from `methods.<name>` of the configuration; each has a default."""

    # --- in the plan and before the training

    @classmethod
    def check(cls, params: Any, t_train: int, train: Train, neuron: NeuronSpec) -> None:
        """Raise ConfigError, with reason and remedy, if the method makes no sense in this cell."""

    @classmethod
    def check_beside(cls, params: Any, others: dict[str, Any]) -> None:
        """Raise ConfigError if the method makes no sense beside the other methods of the benchmark.

        others: the hyper-parameters of all methods of the benchmark, by method.
        """

    @classmethod
    def epochs(cls, params: Any, epochs: int, t_train: int) -> int:
        """The number of epochs that it trains if the recipe says `epochs`."""
        return epochs

    @classmethod
    def teacher(cls, params: Any) -> str | None:
        """The method (e.g. `ann`) whose trained network this one learns from: that of the same data set, network and
        seed. It is trained first and handed over as `Run.teacher`. None if there is no teacher."""
        return None

    @classmethod
    def build(cls, params: Any, blueprint: Blueprint) -> Network:
        """The network of a cell of this method; by default that of the configuration, with spiking neurons."""
        return blueprint.build()

    # --- in the training

    def __init__(self, params: Any, run: Run):
        self.params, self.run = params, run

    def prepare(self, network: Network) -> ModelT:
        """What is trained; by default the network itself."""
        return cast(ModelT, network)

    def start_epoch(self, model: ModelT, epoch: int, batch: tuple[Tensor, Tensor]) -> None:
        """Called before the first step of each epoch (from 1) with the batch (x, y) of that step."""

    def loss(self, model: ModelT, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """(loss, logits `[N, K]`) of frames x `[T, N, C, H, W]` and labels y `[N]`, both with gradient."""
        raise ConfigError(f"{type(self).__name__} must define loss() or step()")

    def step(self, model: ModelT, x: Tensor, y: Tensor) -> StepResult:
        """Forward and backward of one batch, as for `loss`; adds gradients to the weights, which have none before."""
        loss, logits = self.loss(model, x, y)
        loss.backward()
        return StepResult(loss.item(), logits.detach(), float(x.shape[0]))

    def end_epoch(self, model: ModelT) -> dict[str, float]:
        """Called after the last step of each epoch; returns numbers for the epoch's row of the history, by column."""
        return {}

    def before_evaluation(self, model: ModelT, batches: Iterator[Tensor]) -> None:
        """Called before each evaluation; `batches` yields frames `[T, N, C, H, W]` of the training split."""

    def strip(self, model: ModelT) -> nn.Module:
        """The network without anything that `prepare` added; it is evaluated, saved and deployed."""
        return model

    def state(self) -> dict[str, Any]:
        """What a resumed training needs beside weights, optimiser and generators: plain numbers and tensors."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""


def time_mean_cross_entropy(run: Run, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """(cross-entropy, logits `[N, K]`) of the readout `[T, N, K]`, decoded over time, and labels y `[N]`."""
    logits = run.decode(outputs)
    return cross_entropy(logits, y), logits
