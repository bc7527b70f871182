"""Networks as lists of stages; one family a file. `build(name, ...)` makes one."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from torch import nn

from snn.config.validation import validate
from snn.errors import ConfigError, did_you_mean
from snn.runtime import registry

# Which family builds which network. Families are imported on use.
FAMILIES = {
    network: family
    for family, networks in {
        "convnet": ["3c1fc"],
        "resnet": ["resnet8", "resnet14", "resnet20-tiny"],
        "resnet-standard": ["resnet18", "resnet19", "resnet20mod", "resnet34"],
        "vgg": ["vgg11", "vgg14", "vgg16", "vggsnn"],
    }.items()
    for network in networks
}


def family(name: str) -> ModuleType:
    """The module that builds the network `name`."""
    if name not in FAMILIES:
        raise ConfigError(f"unknown network {name!r}{did_you_mean(name, FAMILIES)}")
    return registry.find("snn.models", FAMILIES[name], "network family")


def parameters(name: str, values: dict[str, Any], where: str = "") -> Any:
    """The typed parameters of the network `name`; where: the path of the block in the configuration."""
    return validate(family(name).Params, values, where or f"networks.{name}")


def build(
    name: str,
    values: dict[str, Any],
    input_shape: tuple[int, int, int],
    classes: int,
    activation: Callable[[], nn.Module],
) -> nn.Module:
    """The network `name` for inputs [T, N, *input_shape] and so many classes.

    activation: makes one layer of neurons, a module [T, N, *] -> [T, N, *]: spiking neurons, or ReLU for an `ann`.
    """
    return family(name).build(name, parameters(name, values), input_shape, classes, activation)
