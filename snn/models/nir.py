"""A network from a NIR file, of any tool: its layers and its trained weights (docs/nir.md).

The file's layers become stages, so that all that this project does with a network can be done with it: evaluation at
any number of time steps, event-driven deployment, perturbation, and further training by any method. With the method
`as-given` it stays as it is.

Only chains: convolutions with sum or average pooling after their neurons, then linear layers; integrate-and-fire
neurons with one threshold in all layers and no leak (whose factor would depend on T). What else a file may hold is
refused by name; `snn deploy-nir` runs more. The neurons' reset and lower bound, which NIR does not hold, are those of
the configuration (`variants.<name>.neuron`).
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import nn

from snn.errors import ConfigError
from snn.events import EventNetwork, Population, Synapse, from_nir
from snn.models.params import NetworkParams
from snn.models.stages import Activation, ConvStage, DenseStage, Network, Readout, Shape
from snn.runtime.fetch import checked_file


class Params(NetworkParams):
    """Where the network is."""

    file: Path = Field(Path(), description="the NIR file")
    sha256: str = Field("", description="its checksum (hex): other weights are another network")
    url: str = Field("", description="where to fetch it from, if it is not there")


def build(
    name: str, params: Params, input_shape: Shape, classes: int, activation: Activation, norm: Any = None
) -> Network:
    if params.file == Path():
        raise ConfigError("networks.nir.file: which NIR file? Name it in params of a variant with `base: nir`")
    path = checked_file(params.file, params.sha256, params.url)
    spec = getattr(activation(), "spec", None)  # of ReLUs there is none
    network = from_nir(path, reset=getattr(spec, "reset", "soft"), v_min=getattr(spec, "v_min", None))
    check(network, input_shape, classes, str(path))
    if spec is not None:
        check_neurons(network, spec, str(path))
    stages: list[nn.Module] = []
    for synapse, after in pairwise([*chain(network, str(path)), None]):
        assert synapse is not None, "only the last one has no successor"
        population = network.population(synapse.target)
        # Average pooling after the neurons, then: the file's sum pooling is k² times that.
        weight = torch.from_numpy(synapse.values.copy()) * synapse.pool**2
        if after is None:
            neuron = activation() if population.spiking else None
            readout = Readout(weight.shape[1], classes, None if isinstance(neuron, nn.ReLU) else neuron)
            readout.linear.weight.data = weight
        elif synapse.kind == "linear":
            linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
            linear.weight.data = weight
            stages.append(DenseStage(linear, nn.Identity(), activation))
        else:
            stages.append(ConvStage(convolution(synapse, weight), nn.Identity(), activation, after.pool))
    return Network(stages, readout)


def convolution(synapse: Synapse, weight: torch.Tensor) -> nn.Conv2d:
    out, inner, rows, columns = weight.shape
    stride, padding, groups = synapse.stride, synapse.padding, synapse.groups
    conv = nn.Conv2d(inner * groups, out, (rows, columns), stride, padding, groups=groups, bias=False)
    conv.weight.data = weight
    return conv


NO_CELL = "it cannot be a cell; `snn deploy-nir` runs it event-driven"


def chain(network: EventNetwork, file: str) -> list[Synapse]:
    """Its synapses in the order of computation. ConfigError where it branches."""
    after: dict[str, Synapse] = {}
    for synapse in network.synapses:
        if synapse.source in after:
            raise ConfigError(f"{file}: two layers follow {synapse.source!r}; {NO_CELL}")
        after[synapse.source] = synapse
    order, at = [], "input"
    while at in after:
        order.append(after[at])
        at = after[at].target
    if len(order) < len(network.synapses) or at != network.output:
        raise ConfigError(f"{file}: is no chain of layers; {NO_CELL}")
    return order


def check(network: EventNetwork, input_shape: Shape, classes: int, file: str) -> None:
    """ConfigError, naming file and layer, for networks that are no chain of stages, or of another input or output."""
    if tuple(network.input_shape) != tuple(input_shape):
        raise ConfigError(
            f"{file}: takes {network.input_shape} (polarities, rows, columns), the data has {input_shape}"
        )
    if network.n_classes != classes:
        raise ConfigError(f"{file}: has {network.n_classes} outputs, the data {classes} classes")
    synapses = chain(network, file)
    if synapses[0].pool > 1:
        raise ConfigError(f"{file}: pools its input; {NO_CELL}")
    if synapses[-1].kind != "linear":
        raise ConfigError(f"{file}: {network.output!r} is no linear layer; {NO_CELL}")
    for before, synapse in pairwise(synapses):
        if synapse.kind == "identity":
            raise ConfigError(f"{file}: {synapse.target!r} follows {synapse.source!r} without weights; {NO_CELL}")
        if synapse.pool > 1 and before.kind != "conv":
            raise ConfigError(f"{file}: pools {synapse.source!r}, which is no convolution; {NO_CELL}")


def check_neurons(network: EventNetwork, spec: Any, file: str) -> None:
    """ConfigError where the file's neurons are not those of the configuration."""
    for population in network.populations:
        if population.tau_us is not None:
            raise ConfigError(
                f"{file}: {population.name!r} leaks, by a factor that depends on the length of a time step; {NO_CELL}"
            )
        if population.spiking:
            for key, of_file, here in neuron_constants(population, spec):
                if of_file != here:
                    raise ConfigError(
                        f"{file}: {population.name!r} has {key} {of_file}, the configuration {here}; set it in "
                        f"variants.<name>.neuron.{key}"
                    )


def neuron_constants(population: Population, spec: Any) -> list[tuple[str, Any, Any]]:
    return [
        ("threshold", population.threshold, spec.threshold),
        ("reset", population.reset, spec.reset),
        ("v_min", population.v_min, spec.v_min),
        ("decay", 1.0, spec.decay),
    ]
