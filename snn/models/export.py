"""From a trained network to an event-driven one (`snn.events.EventNetwork`): only weights, thresholds and pooling.

- Normalisation is folded into the weights before it. A shift (BatchNorm's bias and running mean) is a bias, which
  event-driven neurons do not have: such a layer is refused by name.
- Average pooling over k x k becomes a division of event coordinates by k and of the following weights by k².
- Both sides flatten in the order (C, H, W).
- Both branches of a residual stage become synapse groups into one population; an identity branch has weight 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from snn.errors import ConfigError
from snn.events import EventNetwork, Population, Synapse
from snn.models.fold import norm_factor
from snn.models.graph import Graph
from snn.models.norm import ScaleNorm
from snn.models.stages import ConvStage, DenseStage, Network, Readout, ResidualStage, Shape, blocks
from snn.models.tebn import TemporalNorm
from snn.neurons import Neuron, NeuronSpec


def export(
    network: Network,
    neuron: NeuronSpec,
    input_shape: Shape,
    classes: Sequence[str],
    meta: dict[str, Any] | None = None,
    frame_us: float | None = None,
) -> EventNetwork:
    """The event-driven form of `network`; ConfigError names the layer and the reason where there is none.

    input_shape: (C, H, W) of the sensor; meta: what the network file is to say about itself. frame_us: length of a
    training frame in microseconds, needed for leaky neurons: their time constant is τ = -frame_us / ln(decay).
    """
    if not isinstance(network, Network):
        raise ConfigError(
            f"{type(network).__name__}: only a chain of stages can be deployed; remove what a method added for training"
        )
    if network.refusal:
        raise ConfigError(network.refusal)
    if isinstance(network, Graph):
        return network.event_network(classes, meta or {})
    check_neuron(neuron, frame_us)
    draft = Draft(neuron, input_shape, frame_us)
    source, pool = "input", 1
    for name, block in blocks(network):
        if isinstance(block, ConvStage):
            if block.pool > 1 and block.pooling == "max":
                raise ConfigError(
                    f"{name}: maximum pooling needs to know which spikes are simultaneous, i.e. time steps; "
                    "train with `pooling: avg` or `pooling: stride`"
                )
            draft.population(name, source, pool, block.conv, block.norm, block.neuron)
            source, pool = name, block.pool
        elif isinstance(block, DenseStage):
            draft.dense(name, source, pool, block.linear, exported_factor(block.norm, name), block.neuron)
            source, pool = name, 1
        elif isinstance(block, ResidualStage):
            source = draft.residual(name, source, pool, block)
            pool = 1
        else:
            raise ConfigError(f"{name} ({type(block).__name__}): the event-driven engine has no form of this block")
    draft.readout("readout", source, pool, network.readout)
    return EventNetwork(
        input_shape=input_shape,
        populations=tuple(draft.populations),
        synapses=tuple(draft.synapses),
        classes=tuple(classes),
        output="readout",
        meta=meta or {},
    )


def check_neuron(neuron: NeuronSpec, frame_us: float | None = None) -> None:
    """ConfigError, which names the key, for neurons that have no event-driven form. frame_us: see `export`."""
    if neuron.reset == "hard" and neuron.v_reset != 0.0:
        raise ConfigError(f"neuron.v_reset: {neuron.v_reset} cannot be deployed event-driven; a hard reset goes to 0")
    if neuron.decay == 0.0 or (neuron.decay < 1.0 and frame_us is None):
        raise ConfigError(
            f"neuron.decay: {neuron.decay} is per frame and cannot be deployed without a frame length; use 1.0 (IAF)"
        )
    if neuron.strict_threshold:
        raise ConfigError("neuron.strict_threshold: event-driven neurons fire at v >= threshold; set it to false")


class Draft:
    """The populations and synapses of the event-driven network, collected from block to block.

    Sources and targets are names of populations; pool: of the source's output, k of k x k average pooling.
    """

    def __init__(self, neuron: NeuronSpec, input_shape: Shape, frame_us: float | None):
        self.neuron, self.frame_us = neuron, frame_us
        self.shapes: dict[str, Shape] = {"input": input_shape}
        self.populations: list[Population] = []
        self.synapses: list[Synapse] = []

    def tau_us(self, neuron: nn.Module) -> float | None:
        """The time constant in microseconds of a layer of neurons, whose decay may be learned; None without leak."""
        decay = self.neuron.decay
        if isinstance(neuron, Neuron) and neuron.spec.learned_decay:
            decay = torch.as_tensor(neuron.decay).item()
        if decay == 1.0 or self.frame_us is None:
            return None
        return -self.frame_us / math.log(decay)

    def add(self, name: str, shape: Shape, neuron: nn.Module | None) -> None:
        """Add the population of a layer of neurons; None: one that does not spike."""
        self.shapes[name] = shape
        self.populations.append(
            Population(
                name=name,
                shape=shape,
                threshold=self.neuron.threshold,
                v_min=self.neuron.v_min,
                tau_us=self.tau_us(neuron),
                reset=self.neuron.reset,
                v0=self.neuron.v_start,
            )
            if neuron is not None
            else Population(name=name, shape=shape, v_min=None, spiking=False)
        )

    def convolution(self, source: str, target: str, pool: int, conv: nn.Conv2d, norm: nn.Module) -> Shape:
        """Add a synapse group; returns (C, H, W) of the population that it projects to."""
        if conv.bias is not None:
            raise ConfigError(f"{target}: the convolution has a bias; event-driven neurons have none: use bias=False")
        stride, padding, k = conv.stride[0], conv.padding[0], conv.kernel_size[0]
        equal = conv.stride[0] == conv.stride[1] and conv.padding[0] == conv.padding[1]
        if conv.dilation != (1, 1) or not equal or isinstance(padding, str):
            raise ConfigError(f"{target}: dilation or unequal stride/padding cannot be deployed")
        weight = conv.weight.detach() * exported_factor(norm, target).view(-1, 1, 1, 1) / pool**2
        self.synapses.append(
            Synapse(source=source, target=target, kind="conv", weight=as_array(weight), stride=stride, padding=padding,
                    groups=conv.groups, pool=pool)
        )  # fmt: skip
        _, h, w = self.shapes[source]
        h, w = ((s // pool + 2 * padding - k) // stride + 1 for s in (h, w))
        return conv.out_channels, h, w

    def population(
        self, name: str, source: str, pool: int, conv: nn.Conv2d, norm: nn.Module, neuron: nn.Module
    ) -> None:
        """Add a population behind a convolution and its normalisation."""
        self.add(name, self.convolution(source, name, pool, conv, norm), neuron)

    def residual(self, name: str, source: str, pool: int, stage: ResidualStage) -> str:
        """Add the two populations of a residual stage; returns the name of the second, its output."""
        inner, outer = f"{name}.neuron1", f"{name}.neuron2"
        self.population(inner, source, pool, stage.conv1, stage.norm1, stage.neuron1)
        shape = self.convolution(inner, outer, 1, stage.conv2, stage.norm2)
        if stage.shortcut is not None:
            self.convolution(source, outer, pool, stage.shortcut, stage.shortcut_norm)
        else:
            self.synapses.append(
                Synapse(source=source, target=outer, kind="identity", weight=None, pool=pool, scale=1.0 / pool**2)
            )
        self.add(outer, shape, stage.neuron2)
        return outer

    def readout(self, name: str, source: str, pool: int, readout: Readout) -> None:
        """Add the output population."""
        pool *= readout.pool  # ⌊⌊x / a⌋ / b⌋ = ⌊x / ab⌋, and the same positions are cut off
        self.dense(name, source, pool, readout.linear, torch.ones(1), readout.neuron)

    def dense(
        self, name: str, source: str, pool: int, linear: nn.Linear, scale: torch.Tensor, neuron: nn.Module | None
    ) -> None:
        """Add a population behind a linear layer whose outputs are multiplied by `scale`, `[F]` or `[1]`."""
        if linear.bias is not None:
            raise ConfigError(f"{name}: the linear layer has a bias; event-driven neurons have none: use bias=False")
        weight = as_array(linear.weight.detach() * scale.view(-1, 1) / pool**2)
        self.synapses.append(Synapse(source=source, target=name, kind="linear", weight=weight, pool=pool))
        self.add(name, (linear.out_features, 1, 1), neuron)


def exported_factor(norm: nn.Module, name: str) -> torch.Tensor:
    """What a normalisation of the layer `name` multiplies each channel by, `[C]` or `[1]`; ConfigError if it shifts."""
    if isinstance(norm, nn.Identity):
        return torch.ones(1)
    if isinstance(norm, TemporalNorm):
        raise ConfigError(
            f"{name}: {type(norm).__name__} has a gain for each time step, and event-driven networks have no time "
            "steps; replace them by their mean first (snn.models.fold.without_temporal_gains)"
        )
    if isinstance(norm, ScaleNorm):
        return norm_factor(norm).detach()
    raise ConfigError(
        f"{name}: {type(norm).__name__} shifts its input, which is a bias, and event-driven neurons have none; "
        "train with `norm: scale` or `norm: none`, or set deploy.bias_free_epochs"
    )


def as_array(weight: torch.Tensor) -> np.ndarray:
    """The weights as a contiguous float32 array."""
    return np.ascontiguousarray(weight.cpu().numpy(), dtype=np.float32)
