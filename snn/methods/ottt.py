"""OTTT: online training through time (Xiao et al.; NeurIPS 2022; arXiv 2210.04195).

SLTT (`snn/methods/sltt.py`) whose weight gradients take the leaky trace of a layer's input in place of the input of the
step, so that they hold what earlier inputs still have in the membrane:

    â_l[t] = λ · â_l[t-1] + a_l[t]                                    no gradient through it; λ: the neuron's decay
    ∂L/∂W_l = Σ_t δ_l[t] â_{l-1}[t]ᵀ,      ∂L/∂b_l = Σ_t δ_l[t],      δ_l[t] as in SLTT

The gradients of the steps add up and the optimiser steps once for each batch: the form OTTT_A of the paper. Its form
OTTT_O, with a step of the optimiser at every t, is not offered. Loss as SLTT's, with φ one-hot [authors' code]; α =
0.05.

Two switches for places where the authors' code and the derivation differ:

- `input_trace`: whether the first layer takes the trace of the frames. The code's does not, which is a constant factor
  for a repeated image but not for events. True [ours].
- `readout_trace`: whether the readout takes the trace. The code's does, although its readout has no membrane, whose
  exact gradient is δ_o[t] a[t]ᵀ. Null: the trace where the readout's neurons have membranes [ours].

The trace is exact where the neuron is u[t] = λ v[t-1] + W a[t] with a soft, detached reset and no lower bound. With the
bound (`v_min`) it is an approximation, since it ignores at which steps the membrane was clipped. Refused for a hard
reset, which discards all earlier input. Normalisation has the statistics of each step, as in SLTT, and is treated as a
constant factor of the step; the authors use weight standardisation instead [ours].

The published code computes each layer twice forward for this gradient, here the backward pass alone differs.
Time steps: T.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.grad import conv2d_input, conv2d_weight

from snn.config.blocks import Train
from snn.errors import ConfigError
from snn.methods.shared.neurons import neurons
from snn.methods.shared.online import Target
from snn.methods.sltt import SLTT
from snn.models.stages import Network
from snn.neurons.spec import NeuronSpec
from snn.training.method import StepResult

Layer = nn.Conv2d | nn.Linear


class OTTT(SLTT):
    paper = "Xiao et al., Online Training Through Time for Spiking Neural Networks, NeurIPS 2022"

    class Params(SLTT.Params):
        target: Target = Field("one-hot", description="φ: 1 for all classes, or one-hot")
        input_trace: bool = Field(True, description="the first layer takes the trace of the frames")
        readout_trace: bool | None = Field(None, description="so does the readout; null: if it has membranes")

    @classmethod
    def check(cls, params: Any, t_train: int, train: Train, neuron: NeuronSpec) -> None:
        if neuron.reset == "hard":
            raise ConfigError(
                "ottt: its traces assume that a spike leaves the earlier input in the membrane, which a hard reset "
                "discards; set neuron.reset: soft"
            )
        if neuron.learned_decay:
            raise ConfigError(
                "ottt: its traces need a decay that is the same in all layers; set neuron.learned_decay: false"
            )

    def step(self, model: Network, x: Tensor, y: Tensor) -> StepResult:
        with traced(self.traced_layers(model), next(iter(neurons(model).values())).spec.decay):
            return super().step(model, x, y)

    def traced_layers(self, model: Network) -> list[Layer]:
        """The layers of weights whose gradients take the trace of their input."""
        readout_trace = self.params.readout_trace
        if readout_trace is None:
            readout_trace = model.readout.spiking
        layers: list[Layer] = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        without = {id(layers[0])} if not self.params.input_trace else set()
        without |= set() if readout_trace else {id(model.readout.linear)}
        return [layer for layer in layers if id(layer) not in without]


@contextmanager
def traced(layers: list[Layer], decay: float) -> Iterator[None]:
    """While entered, each call of one of the layers is the next time step of its input, of which it keeps the trace
    (decay: λ) for the gradient of its weights; the traces start at 0."""
    for layer in layers:
        setattr(layer, "forward", partial(_forward, layer, Trace(decay)))  # noqa: B010  # mypy: a method, assigned to
    try:
        yield
    finally:
        for layer in layers:
            del layer.__dict__["forward"]


class Trace:
    """â[t] = λ · â[t-1] + a[t]."""

    def __init__(self, decay: float):
        self.decay = decay
        self.value: Tensor | None = None

    def follow(self, a: Tensor) -> Tensor:
        """The trace after the next input a, of a's shape, without gradient."""
        a = a.detach()
        self.value = a if self.value is None else self.decay * self.value + a
        return self.value


def _forward(layer: Layer, trace: Trace, x: Tensor) -> Tensor:
    output: Tensor = _Traced.apply(x, trace.follow(x), layer.weight, layer.bias, layer)
    return output


class _Traced(torch.autograd.Function):
    """W a + b; backward Wᵀδ for a, and δ âᵀ for W."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, trace: Tensor, weight: Tensor, bias: Tensor | None, layer: Layer) -> Tensor:
        ctx.save_for_backward(trace, weight)
        ctx.layer = layer
        if isinstance(layer, nn.Linear):
            return nn.functional.linear(x, weight, bias)
        return layer._conv_forward(x, weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor | None, None, Tensor, Tensor | None, None]:
        (trace, weight), layer = ctx.saved_tensors, ctx.layer
        if isinstance(layer, nn.Linear):
            dx = d @ weight if ctx.needs_input_grad[0] else None
            dw = d.flatten(0, -2).T @ trace.flatten(0, -2)
            over = tuple(range(d.ndim - 1))
        else:
            how = (layer.stride, layer.padding, layer.dilation, layer.groups)
            shape = trace.shape
            dx = conv2d_input(shape, weight, d, *how) if ctx.needs_input_grad[0] else None
            if layer.kernel_size == (1, 1) and layer.padding == (0, 0):  # see PointwiseConv
                (i, j), how = layer.stride, (1, 0, 1, layer.groups)
                trace = trace[..., ::i, ::j].contiguous(memory_format=torch.channels_last)
            dw = conv2d_weight(trace, weight.shape, d, *how)
            over = (0, 2, 3)
        return dx, None, dw, d.sum(over) if ctx.needs_input_grad[3] else None, None


METHOD = OTTT
