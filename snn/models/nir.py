"""A network from a NIR file, of any tool: its layers and its trained weights (docs/nir.md).

The file's layers become stages, so that all that this project does with a network can be done with it: evaluation at
any number of time steps, event-driven deployment, perturbation, and further training by any method. With the method
`as-given` it stays as it is.

These are chains: convolutions with sum or average pooling after their neurons, then linear layers, and
integrate-and-fire neurons with one threshold in all layers and no leak. What else a file may hold (branches, leaks,
thresholds of their own) becomes a graph of its populations (`snn/models/graph.py`), which can do the same but be
trained. The neurons' reset and lower bound, which NIR does not hold, are those of the configuration
(`variants.<name>.neuron`).
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from pydantic import Field, PositiveFloat
from torch import nn

from snn.config.validation import validate
from snn.errors import ConfigError
from snn.events import EventNetwork, Population, Synapse, from_nir
from snn.models.graph import Graph, convolution
from snn.models.params import NetworkParams
from snn.models.stages import Activation, ConvStage, DenseStage, Network, Readout, Shape
from snn.neurons.spec import NeuronSpec
from snn.runtime.fetch import checked_file


class Params(NetworkParams):
    """Where the network is."""

    file: Path = Field(Path(), description="the NIR file")
    sha256: str = Field("", description="its checksum (hex): other weights are another network")
    url: str = Field("", description="where to fetch it from, if it is not there")
    dt: PositiveFloat | None = Field(
        None, description="of leaky neurons: a step's seconds when the file was written, see docs/nir.md"
    )
    step_us: PositiveFloat | None = Field(
        None, description="of leaky neurons: microseconds of a time step, in training and clock-driven evaluation"
    )


def build(
    name: str, params: Params, input_shape: Shape, classes: int, activation: Activation, norm: Any = None
) -> Network:
    if params.file == Path():
        raise ConfigError("networks.nir.file: which NIR file? Name it in params of a variant with `base: nir`")
    from snn.neurons import make_neuron  # loads SpikingJelly, which takes seconds; planning does without

    path = checked_file(params.file, params.sha256, params.url)
    spec = getattr(activation(), "spec", None)  # of ReLUs there is none
    network = from_nir(
        path,
        reset=getattr(spec, "reset", "soft"),
        v_min=getattr(spec, "v_min", None),
        dt=params.dt,
        step_us=params.step_us,
    )
    check(network, input_shape, classes, str(path))
    if not is_chain(network):
        if spec is None:
            raise ConfigError(f"{path}: {Graph.untrainable}")
        try:
            return Graph(network, lambda *neuron: make_neuron(spec_of(spec, *neuron)), params.step_us)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None
    if spec is not None:
        check_neurons(network, spec, str(path))
    stages: list[nn.Module] = []
    for synapse, after in pairwise([*in_order(network), None]):
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


def is_chain(network: EventNetwork) -> bool:
    """Whether it is a chain of stages: layers of weights one after the other, the last one linear, pooling only after
    convolutions, and neurons with one threshold and no leak."""
    synapses, names = in_order(network), ["input", *(p.name for p in network.populations)]
    return (
        [(s.source, s.target) for s in synapses] == list(pairwise(names))
        and names[-1] == network.output
        and synapses[0].pool == 1
        and synapses[-1].kind == "linear"
        and all(s.kind != "identity" for s in synapses)
        and all(s.pool == 1 or before.kind == "conv" for before, s in pairwise(synapses))
        and all(p.tau_us is None for p in network.populations)
        and len({p.threshold for p in network.populations if p.spiking}) <= 1
    )


def in_order(network: EventNetwork) -> list[Synapse]:
    """Its synapses in the order of computation."""
    names = [p.name for p in network.populations]
    return sorted(network.synapses, key=lambda synapse: names.index(synapse.target))


def check(network: EventNetwork, input_shape: Shape, classes: int, file: str) -> None:
    """ConfigError, naming the file, for networks of another input or output."""
    if tuple(network.input_shape) != tuple(input_shape):
        raise ConfigError(
            f"{file}: takes {network.input_shape} (polarities, rows, columns), the data has {input_shape}"
        )
    if network.n_classes != classes:
        raise ConfigError(f"{file}: has {network.n_classes} outputs, the data {classes} classes")


def check_neurons(network: EventNetwork, spec: NeuronSpec, file: str) -> None:
    """ConfigError where a chain's neurons are not those of the configuration."""
    for population in network.populations:
        if population.spiking:
            for key, of_file, here in neuron_constants(population, spec):
                if of_file != here:
                    raise ConfigError(
                        f"{file}: {population.name!r} has {key} {of_file}, the configuration {here}; set it in "
                        f"variants.<name>.neuron.{key}"
                    )


def neuron_constants(population: Population, spec: NeuronSpec) -> list[tuple[str, Any, Any]]:
    return [
        ("threshold", population.threshold, spec.threshold),
        ("reset", population.reset, spec.reset),
        ("v_min", population.v_min, spec.v_min),
        ("decay", 1.0, spec.decay),
    ]


def spec_of(configured: NeuronSpec, population: Population, decay: float) -> NeuronSpec:
    """The neurons of a population of a graph: its own constants; what NIR does not hold is as configured."""
    own = {
        "threshold": population.threshold,
        "reset": population.reset,
        "v_reset": 0.0,
        "v_min": population.v_min,
        "v_init": population.v0 or None,
        "decay": decay,
    }
    fixed = {"learned_decay": False, "strict_threshold": False}
    return validate(NeuronSpec, configured.model_dump() | own | fixed, f"neurons of {population.name!r}")
