"""Conversion: the weights of a trained ANN, rescaled so that spike counts represent its activations. No training.

Rate coding with layer-wise threshold balancing by a percentile (Diehl et al., IJCNN 2015; Rueckauer et al., Front.
Neurosci. 2017), as SpikingJelly's `ann2snn.RateCodingRecipe`. The natural rival of LTL: same teacher, same network.

A neuron without leak that subtracts θ for each spike fires as often as θ fits into its summed input. With a_l the p-th
percentile of layer l's activations A_l on training batches (mean over batches), one spike of layer l represents an
activation of q_l = a_l/T. So C_l spikes in total represent C_l · q_l ≈ A_l, and a_l takes a spike at each of T steps:

    W_l  <-  q_{l-1} · θ/q_l · W_l,      q_0 = 1: one event of the input is one (1/T: an image comes T times)

T: t_train; p = 99.9. The factors go into the weights before normalisation and into its gain, so the result is a plain
network of the cell's layout, and is swept and deployed like any other. The current readout of the ANN becomes that of
the SNN at the same scale; a spiking readout gets a percentile of its own.

Two things follow from the layout. The identity branch of a residual stage has no weight, so a spike must represent the
same on both sides, q_l = θ · q_{l-1}; all stages in a chain of such branches take the largest q that one of them needs.
A shift (bias, BatchNorm) is divided among T steps and is right for exactly T steps.

`ann2snn` itself is not used: its FX tracing cannot follow the control flow of our stages, and our input has a time
dimension already. Its result is another module tree, each neuron between two scalers, with SpikingJelly's IF node, so
its state dict is not the network's. A test compares both, spike for spike.

The counts approach the activations with growing T where the input is constant in time. Where it changes, as events do,
a spike cannot be taken back by inhibition that arrives later, at any T: the ANN sees a recording as a whole, the SNN
does not.

Refused for neurons with leak or hard reset, whose rate is not proportional to their input. A lower bound of the
membrane (`v_min`) discards inhibition and raises rates; single-spike neurons have at most one spike a step.
Recalibration of the normalisation (the sweep's `accuracy_recalibrated`) undoes the conversion where there is a
normalisation. Time steps: none, as it does not train; those of the teacher are the cell `ann`'s.
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
from snn.models.norm import ScaleNorm
from snn.models.stages import ConvStage, DenseStage, Network, ResidualStage, blocks
from snn.neurons.spec import NeuronSpec
from snn.training.method import Method


class Conversion(Method[Network]):
    paper = "Rueckauer et al., Conversion of Continuous-Valued Deep Networks to Efficient Event-Driven Networks, 2017"
    trains = False

    class Params(Model):
        percentile: float = Field(
            99.9, gt=0, le=100, description="p: the percentile of the activations that a spike in every step represents"
        )

    @classmethod
    def check(cls, params: Any, t_train: int, train: Train, neuron: NeuronSpec) -> None:
        if neuron.decay != 1.0 or neuron.reset != "soft":
            raise ConfigError(
                "conversion: the rate of a neuron with leak or hard reset is not proportional to its input; it needs "
                f"neuron.decay: 1 and neuron.reset: soft, not {neuron.decay} and {neuron.reset}"
            )

    @classmethod
    def teacher(cls, params: Any) -> str:
        return "ann"

    def prepare(self, network: Network) -> Network:
        teacher = self.run.require_teacher()
        self.layers = matching_layers(network, teacher)
        if missing := network.state_dict().keys() - teacher.state_dict().keys():
            raise ConfigError(
                f"conversion takes over the weights of an ANN, which has no {', '.join(sorted(missing))}; "
                "norm: tebn and tescale have gains of time steps, use batch or scale"
            )
        return network

    def before_evaluation(self, model: Network, batches: Iterator[Tensor]) -> None:
        model.load_state_dict(self.run.require_teacher().state_dict())
        steps, mean = self.run.t_train, self.run.train.logits == "mean"
        full = self.full_rates(batches, [*self.layers, "readout"])
        convert(model, full, steps, mean, 1.0 / steps if self.run.static else 1.0)

    def full_rates(self, batches: Iterator[Tensor], layers: list[str]) -> dict[str, float]:
        """a_l of the named layers of the teacher."""
        of_batches: dict[str, list[Tensor]] = {name: [] for name in layers}
        for x in batches:
            outputs = activations(self.run.require_teacher(), self.run.at_once(x), list(of_batches))
            for name, a in outputs.items():
                of_batches[name].append(percentile(a.clamp_min(0), self.params.percentile))
        return {name: max(torch.stack(each).mean().item(), 1e-6) for name, each in of_batches.items()}


@torch.no_grad()
def convert(network: Network, full: dict[str, float], steps: int, mean: bool, unit: float = 1.0) -> None:
    """Rescale the weights of an ANN in `network`, in place.

    full: a_l by layer; steps: T; mean: whether logits are means over time, not sums; unit: q_0. ConfigError names a
    block for which there is no rule.
    """
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
    linear = network.readout.linear
    linear.weight.mul_(unit * out)
    if linear.bias is not None:
        linear.bias.mul_(out / steps)


def _unit(chain: list[tuple[str, nn.Module]], full: dict[str, float], theta: float) -> float:
    """The activation that T spikes of the first block represent: its own a_l, or more if identity branches after it
    need more."""
    (name, block), *behind = chain
    needed = full[f"{name}.neuron2" if isinstance(block, ResidualStage) else f"{name}.neuron"]
    for k, (name, block) in enumerate(behind, 1):
        if not isinstance(block, ResidualStage) or block.shortcut is not None:
            break
        needed = max(needed, full[f"{name}.neuron2"] / theta**k)
    return needed


def _rescale(layer: nn.Conv2d | nn.Linear, norm: nn.Module, before: float, after: float, steps: int) -> None:
    """Multiply the input of `norm` by `before`, so that its statistics apply again, and its output by `after`."""
    if isinstance(norm, nn.Identity):
        layer.weight.mul_(before * after)
        if layer.bias is not None:
            layer.bias.mul_(after / steps)
        return
    layer.weight.mul_(before)
    if layer.bias is not None:
        layer.bias.div_(steps)
    assert isinstance(norm, ScaleNorm | nn.BatchNorm2d), type(norm)
    norm.weight.mul_(after)
    if isinstance(norm, nn.BatchNorm2d):
        norm.bias.mul_(after / steps)
        assert norm.running_mean is not None
        norm.running_mean.div_(steps)


METHOD = Conversion
