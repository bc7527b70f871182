"""From a trained network to an event-driven one (`snn.events.EventNetwork`): only weights, thresholds and pooling.

- Normalisation is folded into the weights before it. A shift (BatchNorm's bias and running mean) is a bias, which
  event-driven neurons do not have: such a layer is refused by name.
- Average pooling k becomes a division of positions by k and of the following weights by k².
- Flatten order is (C, H, W) on both sides.
- Both branches of a residual stage become synapse groups into one population; an identity branch has weight 1.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from spikingjelly.activation_based import functional
from torch import nn

from snn.errors import ConfigError
from snn.events import EventNetwork, Population, Synapse
from snn.models.norm import ScaleNorm
from snn.models.stages import ConvStage, DenseStage, Network, Readout, ResidualStage, blocks
from snn.neurons.spec import NeuronSpec


def export(
    network: Network,
    neuron: NeuronSpec,
    input_shape: tuple[int, int, int],
    classes: list[str],
    meta: dict | None = None,
    frame_us: float | None = None,
) -> EventNetwork:
    """The deployable form of `network`. ConfigError names the layer and the reason where there is none.

    frame_us: length of a training frame in microseconds; leaky neurons need it, their time constant without a clock
    is tau = -frame_us / ln(decay).
    """
    if not isinstance(network, Network):
        raise ConfigError(
            f"{type(network).__name__}: only a chain of stages can be deployed; strip the training's additions"
        )
    check_neuron(neuron, frame_us)
    draft = Draft(neuron, input_shape, frame_us)
    source, pool = "input", 1
    for name, block in blocks(network):
        if isinstance(block, ConvStage):
            if block.pool > 1 and block.pooling == "max":
                raise ConfigError(
                    f"{name}: maximum pooling needs to know which spikes come together, i.e. a clock; "
                    "train with `pooling: avg` or `pooling: stride`"
                )
            draft.population(name, source, pool, block.conv, block.norm)
            source, pool = name, block.pool
        elif isinstance(block, DenseStage):
            draft.dense(name, source, pool, block.linear, factor(block.norm, name))
            source, pool = name, 1
        elif isinstance(block, ResidualStage):
            source = draft.residual(name, source, pool, block)
            pool = 1
        else:
            raise ConfigError(f"{name} ({type(block).__name__}): the event-driven engine has no form of this block")
    draft.readout("readout", source, pool, network.readout)
    return EventNetwork(
        input_shape=tuple(input_shape),
        populations=draft.populations,
        synapses=draft.synapses,
        classes=list(classes),
        output="readout",
        meta=meta or {},
    )


def check_neuron(neuron: NeuronSpec, frame_us: float | None = None) -> None:
    """Refuse neurons whose dynamics need a clock."""
    if neuron.reset == "hard" and neuron.v_reset != 0.0:
        raise ConfigError(f"neuron.v_reset: {neuron.v_reset} cannot be deployed event-driven; a hard reset goes to 0")
    if neuron.decay == 0.0 or (neuron.decay < 1.0 and frame_us is None):
        raise ConfigError(
            f"neuron.decay: {neuron.decay} is per frame and cannot be deployed without a frame length; use 1.0 (IAF)"
        )
    if neuron.strict:
        raise ConfigError("neuron.strict: event-driven neurons fire at v >= threshold; use false")


class Draft:
    """Populations and synapses while a network is walked through."""

    def __init__(self, neuron: NeuronSpec, input_shape: tuple[int, int, int], frame_us: float | None):
        self.neuron = neuron
        self.tau_us = None if neuron.decay == 1.0 else -frame_us / math.log(neuron.decay)
        self.shapes: dict[str, tuple[int, int, int]] = {"input": tuple(input_shape)}
        self.populations: list[Population] = []
        self.synapses: list[Synapse] = []

    def add(self, name: str, shape: tuple[int, int, int], spiking: bool = True) -> None:
        self.shapes[name] = shape
        self.populations.append(
            Population(
                name=name,
                shape=shape,
                threshold=self.neuron.threshold,
                v_min=self.neuron.v_min,
                tau_us=self.tau_us,
                reset=self.neuron.reset,
            )
            if spiking
            else Population(name=name, shape=shape, v_min=None, spiking=False)
        )

    def convolution(
        self, source: str, target: str, pool: int, conv: nn.Conv2d, norm: nn.Module
    ) -> tuple[int, int, int]:
        """Add a synapse group; returns the shape of what it projects to."""
        if conv.bias is not None:
            raise ConfigError(f"{target}: the convolution has a bias; event-driven neurons have none: use bias=False")
        if conv.dilation != (1, 1) or conv.stride[0] != conv.stride[1] or conv.padding[0] != conv.padding[1]:
            raise ConfigError(f"{target}: dilation or unequal stride/padding cannot be deployed")
        weight = conv.weight.detach() * factor(norm, target).view(-1, 1, 1, 1) / pool**2
        stride, padding, k = conv.stride[0], conv.padding[0], conv.kernel_size[0]
        self.synapses.append(
            Synapse(source=source, target=target, kind="conv", weight=as_array(weight), stride=stride, padding=padding,
                    groups=conv.groups, pool=pool)
        )  # fmt: skip
        _, h, w = self.shapes[source]
        h, w = ((s // pool + 2 * padding - k) // stride + 1 for s in (h, w))
        return conv.out_channels, h, w

    def population(self, name: str, source: str, pool: int, conv: nn.Conv2d, norm: nn.Module) -> None:
        self.add(name, self.convolution(source, name, pool, conv, norm))

    def residual(self, name: str, source: str, pool: int, stage: ResidualStage) -> str:
        inner, outer = f"{name}.neuron1", f"{name}.neuron2"
        self.population(inner, source, pool, stage.conv1, stage.norm1)
        shape = self.convolution(inner, outer, 1, stage.conv2, stage.norm2)
        if stage.shortcut is not None:
            self.convolution(source, outer, pool, stage.shortcut, stage.shortcut_norm)
        else:
            self.synapses.append(
                Synapse(source=source, target=outer, kind="identity", weight=None, pool=pool, scale=1.0 / pool**2)
            )
        self.add(outer, shape)
        return outer

    def readout(self, name: str, source: str, pool: int, readout: Readout) -> None:
        pool *= readout.pool  # ⌊⌊x / a⌋ / b⌋ = ⌊x / ab⌋, and what is cut off is the same
        self.dense(name, source, pool, readout.linear, torch.ones(1), readout.spiking)

    def dense(
        self, name: str, source: str, pool: int, linear: nn.Linear, scale: torch.Tensor, spiking: bool = True
    ) -> None:
        if linear.bias is not None:
            raise ConfigError(f"{name}: the linear layer has a bias; event-driven neurons have none: use bias=False")
        weight = as_array(linear.weight.detach() * scale.view(-1, 1) / pool**2)
        self.synapses.append(Synapse(source=source, target=name, kind="linear", weight=weight, pool=pool))
        self.add(name, (linear.out_features, 1, 1), spiking)


def factor(norm: nn.Module, name: str) -> torch.Tensor:
    """What a normalisation layer multiplies each channel by in evaluation."""
    if isinstance(norm, nn.Identity):
        return torch.ones(1)
    if isinstance(norm, ScaleNorm):
        return norm.scale().detach()
    raise ConfigError(
        f"{name}: {type(norm).__name__} shifts its input, which is a bias, and event-driven neurons have none; "
        "train with `norm: scale` or `norm: none`, or set deploy.bias_free_epochs"
    )


_LAYERS = {
    ConvStage: [("conv", "norm")],
    DenseStage: [("linear", "norm")],
    ResidualStage: [("conv1", "norm1"), ("conv2", "norm2"), ("shortcut", "shortcut_norm")],
}


def without_biases(network: Network) -> Network:
    """The published route to a network without biases: all biases, BatchNorm shifts and running means are set to
    zero, and its scale is folded into the weights. Afterwards the network has to be fine-tuned. A new network."""
    functional.reset_net(network)  # what it remembers of its last input is no part of the copy
    network = copy.deepcopy(network)
    for _, block in blocks(network):
        for name, norm in _LAYERS[type(block)]:
            layer = getattr(block, name, None)
            if layer is None:
                continue
            layer.bias = None
            if isinstance(batch_norm := getattr(block, norm), nn.BatchNorm2d):
                scale = batch_norm.weight / torch.sqrt(batch_norm.running_var + batch_norm.eps)
                layer.weight.data *= scale.detach().view(-1, *[1] * (layer.weight.ndim - 1))
                setattr(block, norm, nn.Identity())
    network.readout.linear.bias = None
    return network


def has_biases(network: nn.Module) -> bool:
    return any(
        isinstance(m, nn.BatchNorm2d) or (isinstance(m, nn.Conv2d | nn.Linear) and m.bias is not None)
        for m in network.modules()
    )


def as_array(weight: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(weight.cpu().numpy(), dtype=np.float32)
