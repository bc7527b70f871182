"""Conversion: the trained ANN's weights, rescaled until spike counts stand for its activations. Nothing is trained.

Rate coding with layer-wise threshold balancing by a percentile (Diehl et al., IJCNN 2015; Rueckauer et al., Front.
Neurosci. 2017), as SpikingJelly's `ann2snn.RateCodingRecipe`. LTL's natural rival: the same teacher, the same network.

A neuron without leak that subtracts θ a spike fires as often as its summed input holds θ. With a_l the p-th percentile
of layer l's activations A_l on training batches (mean over batches), one spike of layer l is to mean q_l = a_l/T of
activation, so that C_l spikes in all mean C_l · q_l ≈ A_l, and a_l fills T steps:

    W_l  <-  q_{l-1} · θ/q_l · W_l,      q_0 = 1: one event of the input is one (1/T: an image comes T times)

T: t_train; p = 99.9. The factors go into the weights before normalisation and into its gain, so the result is a plain
network of the cell's layout, and is swept and deployed like any other. The current readout of the ANN becomes that of
the SNN at the same scale; a spiking readout gets a percentile of its own.

Two things follow from the layout. The identity branch of a residual stage has no weight, so that there a spike must
mean the same on both sides, q_l = θ · q_{l-1}; a chain of such stages takes the largest q that one of them needs.
A shift (bias, BatchNorm) is spread over T steps and is right at T steps only.

Why not `ann2snn` itself: its FX tracing stops at the control flow of our stages (and our input has time already); and
it gives another module tree, each neuron between two scalers, with SpikingJelly's own IF node, whose state dict is not
the network's. The tests hold both against each other, spike for spike.

The counts approach the activations with growing T where the input is constant in time. Where it changes, as events do,
a spike that later inhibition would take back has left, at any T: the ANN sees a recording as a whole, the SNN does not.

Refused for neurons with leak or hard reset, whose rate is not proportional to their input. A lower clip of the membrane
(`v_min`) forgets inhibition and raises rates; single-spike neurons cannot say more than one spike a step. Recalibration
of the normalisation (the sweep's `accuracy_recalibrated`) undoes the conversion where there is a normalisation.
Time steps: none, it does not train; the teacher's are the cell `ann`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from snn.config.blocks import Model, Train
from snn.errors import ConfigError
from snn.methods.shared.neurons import neurons
from snn.methods.shared.teacher import activations, matching_layers, percentile
from snn.models.stages import ConvStage, DenseStage, ResidualStage, blocks
from snn.neurons.spec import NeuronSpec
from snn.training.method import Method


class Conversion(Method):
    paper = "Rueckauer et al., Conversion of Continuous-Valued Deep Networks to Efficient Event-Driven Networks, 2017"
    teacher = "ann"
    trains = False

    class Params(Model):
        percentile: float = Field(99.9, gt=0, le=100, description="p: the activation that a spike in every step means")

    @classmethod
    def check(cls, params: Any, t_train: int, train: Train, neuron: NeuronSpec) -> None:
        if neuron.decay != 1.0 or neuron.reset != "soft":
            raise ConfigError(
                "conversion: the rate of a neuron with leak or hard reset is not proportional to its input; it needs "
                f"neuron.decay: 1 and neuron.reset: soft, not {neuron.decay} and {neuron.reset}"
            )

    def prepare(self, network: nn.Module) -> nn.Module:
        self.layers = matching_layers(network, self.run.teacher)
        return network

    def before_evaluation(self, model: nn.Module, batches: Iterator[Tensor]) -> None:
        model.load_state_dict(self.run.teacher.state_dict())
        steps, mean = self.run.t_train, self.run.train.logits == "mean"
        convert(model, self.full_rates(batches), steps, mean, 1.0 / steps if self.run.static else 1.0)

    def full_rates(self, batches: Iterator[Tensor]) -> dict[str, float]:
        """a_l of each layer and of the readout."""
        found: dict[str, list[Tensor]] = {name: [] for name in [*self.layers, "readout"]}
        for x in batches:
            for name, a in activations(self.run.teacher, self.run.at_once(x), list(found)).items():
                found[name].append(percentile(a.clamp_min(0), self.params.percentile))
        return {name: max(torch.stack(each).mean().item(), 1e-6) for name, each in found.items()}


@torch.no_grad()
def convert(network: nn.Module, full: dict[str, float], steps: int, mean: bool, unit: float = 1.0) -> None:
    """Rescale the ANN's weights in `network`; full: a_l by layer; mean: logits are means over time; unit: q_0."""
    theta = next(iter(neurons(network).values())).spec.threshold
    chain = list(blocks(network))
    for i, (name, block) in enumerate(chain):
        before = unit
        if isinstance(block, ConvStage | DenseStage):
            if isinstance(block, ConvStage) and block.pool > 1 and block.pooling == "max":
                raise ConfigError(
                    f"{name}: maximum pooling of spikes is not that of rates; use `pooling: avg` or `stride`"
                )
            unit = _unit(chain[i:], full, theta) / steps
            layer = block.conv if isinstance(block, ConvStage) else block.linear
            _rescale(layer, block.norm, before, theta / unit, steps)
        elif isinstance(block, ResidualStage):
            inner = full[f"{name}.neuron1"] / steps
            unit = theta * before if block.shortcut is None else _unit(chain[i:], full, theta) / steps
            _rescale(block.conv1, block.norm1, before, theta / inner, steps)
            _rescale(block.conv2, block.norm2, inner, theta / unit, steps)
            if block.shortcut is not None:
                _rescale(block.shortcut, block.shortcut_norm, before, theta / unit, steps)
        else:
            raise ConfigError(f"{name} ({type(block).__name__}): conversion has no rule for this block")
    out = theta * steps / full["readout"] if network.readout.spiking else steps if mean else 1.0
    network.readout.linear.weight.mul_(unit * out)
    if network.readout.linear.bias is not None:
        network.readout.linear.bias.mul_(out / steps)


def _unit(chain: list[tuple[str, nn.Module]], full: dict[str, float], theta: float) -> float:
    """The activation that T spikes of the first block mean: its own a_l, or what identity branches behind it need."""
    (name, block), *behind = chain
    needed = full[f"{name}.neuron2" if isinstance(block, ResidualStage) else f"{name}.neuron"]
    for k, (name, block) in enumerate(behind, 1):
        if not isinstance(block, ResidualStage) or block.shortcut is not None:
            break
        needed = max(needed, full[f"{name}.neuron2"] / theta**k)
    return needed


def _rescale(layer: nn.Conv2d | nn.Linear, norm: nn.Module, before: float, after: float, steps: int) -> None:
    """`before` restores the activations that the normalisation's statistics belong to; `after` is behind it."""
    if isinstance(norm, nn.Identity):
        layer.weight.mul_(before * after)
        if layer.bias is not None:
            layer.bias.mul_(after / steps)
        return
    layer.weight.mul_(before)
    if layer.bias is not None:
        layer.bias.div_(steps)
    norm.weight.mul_(after)
    if isinstance(norm, nn.BatchNorm2d):
        norm.bias.mul_(after / steps)
        norm.running_mean.div_(steps)


METHOD = Conversion
