"""Networks as lists of stages; one family a file. `build(name, ...)` makes one."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

from snn.config.validation import validate
from snn.errors import ConfigError, did_you_mean
from snn.runtime import registry

if TYPE_CHECKING:
    from snn.models.params import NetworkParams
    from snn.models.stages import Activation, Network, Shape

_NETWORKS_OF_FAMILY = {
    "convnet": ["3c1fc"],
    "nir": ["nir"],
    "resnet": ["resnet8", "resnet14", "resnet20-tiny"],
    "resnet-standard": ["resnet18", "resnet19", "resnet20mod", "resnet34"],
    "vgg": ["vgg11", "vgg14", "vgg16", "vggsnn"],
}
FAMILIES: dict[str, str] = {name: family for family, names in _NETWORKS_OF_FAMILY.items() for name in names}
"""The family of each network, by the network's name. The file of a family is imported on use."""


def family(name: str) -> ModuleType:
    """The module that builds the network `name`: it has `Params` and `build`.

    ConfigError, which lists the networks, if there is none of this name.
    """
    if name not in FAMILIES:
        raise ConfigError(f"unknown network {name!r}{did_you_mean(name, FAMILIES)}")
    return registry.find("snn.models", FAMILIES[name], "network family")


def parameters(name: str, values: dict[str, Any], where: str = "") -> NetworkParams:
    """The typed parameters of the network `name`; ConfigError names a key that it does not have.

    where: the path of the values in the configuration, `networks.<name>` if left out.
    """
    return validate(family(name).Params, values, where or f"networks.{name}")


def build(
    name: str,
    values: dict[str, Any],
    input_shape: Shape,
    classes: int,
    activation: Activation,
    steps: int | None = None,
) -> Network:
    """The network `name` with the parameters `values`, for inputs `[T, N, *input_shape]` and this number of classes.

    activation: makes one layer of neurons, a module `[T, N, *]` -> `[T, N, *]`: spiking neurons, or ReLU for an `ann`.
    steps: time steps T of the training, for normalisations with a gain for each of them (`norm: tebn`, `tescale`).
    ConfigError for unknown names, bad parameters, and inputs of which the stages leave nothing.
    """
    from snn.models.normalisation import Normalisation

    params = parameters(name, values)
    norm = Normalisation(params.norm, params.gain, activation, steps)
    return family(name).build(name, params, input_shape, classes, activation, norm)
