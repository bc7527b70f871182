"""Folding: a normalisation becomes a part of the weights (and bias) of the layer before it.

In evaluation a normalisation is affine, y = f·x + b by channel, so f·(W a + c) + b = (f·W) a + (f·c + b). Chips have no
normalisation, and event-driven neurons no biases either: `folded` keeps the function, `without_biases` drops what
cannot be deployed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TypeVar

import torch
from spikingjelly.activation_based import functional
from torch import Tensor, nn

from snn.errors import ConfigError
from snn.models.norm import ScaleNorm
from snn.models.stages import Network
from snn.models.tebn import TemporalNorm

M = TypeVar("M", bound=nn.Module)
Layer = nn.Conv2d | nn.Linear
Norm = nn.BatchNorm2d | ScaleNorm


@torch.no_grad()
def folded(network: M) -> M:
    """A copy without normalisation that computes the same function as `network` in evaluation, but for rounding.

    ConfigError if there is no convolution or linear layer right before a normalisation.
    """
    network = copied(network)
    for parent, name, layer, norm in list(_normalised_layers(network)):
        _refuse_temporal(name, norm)
        if layer is None or not isinstance(norm, Norm):
            raise ConfigError(f"{name} ({type(norm).__name__}): no layer before it to fold it into")
        factor = norm_factor(norm)
        if isinstance(norm, nn.BatchNorm2d):
            bias = 0.0 if layer.bias is None else layer.bias
            layer.bias = nn.Parameter(norm.bias + factor * (bias - _running(norm)[0]))
        elif layer.bias is not None:
            layer.bias.mul_(factor)
        layer.weight.mul_(_by_output(factor, layer.weight))
        setattr(parent, name, nn.Identity())
    return network


@torch.no_grad()
def without_biases(network: Network) -> Network:
    """A copy without biases: BatchNorm is replaced by its factor, folded into the weights; all biases are dropped.

    This is the published route to a network that can be deployed event-driven [MTT, code]. It changes the function:
    the network has to be fine-tuned afterwards. ScaleNorm, which has no bias, stays.
    """
    network = copied(network)
    for parent, name, layer, norm in list(_normalised_layers(network)):
        _refuse_temporal(name, norm)
        if isinstance(norm, nn.BatchNorm2d) and layer is not None:
            layer.weight.mul_(_by_output(norm_factor(norm), layer.weight))
            setattr(parent, name, nn.Identity())
    for module in network.modules():
        if isinstance(module, Layer):
            module.register_parameter("bias", None)
    return network


def without_temporal_gains(network: M) -> M:
    """A copy in which the gains of time steps (`norm: tebn`, `tescale`) are replaced by their mean over time.

    The same function if a layer's gains are equal. Networks need it before they are folded or deployed event-driven,
    where there are no time steps.
    """
    network = copied(network)
    for parent, name, _, norm in list(_normalised_layers(network)):
        if isinstance(norm, TemporalNorm):
            setattr(parent, name, norm.averaged())
    return network


def has_biases(network: nn.Module) -> bool:
    """Whether a layer has a bias, or a normalisation a shift, which is one."""
    return any(
        isinstance(m, nn.BatchNorm2d) or (isinstance(m, Layer) and m.bias is not None) for m in network.modules()
    )


def norm_factor(norm: Norm) -> Tensor:
    """What the normalisation multiplies each channel by in evaluation, `[C]`."""
    if isinstance(norm, ScaleNorm):
        return norm.scale()
    return norm.weight * torch.rsqrt(_running(norm)[1] + norm.eps)


def copied(network: M) -> M:
    """A deep copy of the network. The state of its neurons is reset first: tensors with a graph cannot be copied."""
    functional.reset_net(network)
    return copy.deepcopy(network)


def _normalised_layers(network: nn.Module) -> Iterator[tuple[nn.Module, str, Layer | None, nn.Module]]:
    """(parent, name in it, layer right before it, normalisation) for each normalisation of the network."""
    for parent in network.modules():
        previous: nn.Module | None = None
        for name, child in parent.named_children():
            if hasattr(child, "reset_running_stats"):
                yield parent, name, previous if isinstance(previous, Layer) else None, child
            previous = child


def _refuse_temporal(name: str, norm: nn.Module) -> None:
    if isinstance(norm, TemporalNorm):
        raise ConfigError(
            f"{name} ({type(norm).__name__}): it has a gain for each time step, which weights cannot have; "
            "replace them by their mean first (snn.models.fold.without_temporal_gains)"
        )


def _running(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Running mean and variance, `[C]`."""
    if norm.running_mean is None or norm.running_var is None:
        raise ConfigError("BatchNorm2d without running statistics: it has no fixed factor that could be folded")
    return norm.running_mean, norm.running_var


def _by_output(factor: Tensor, weight: Tensor) -> Tensor:
    """`[C]` shaped to be multiplied with the weights of C outputs."""
    return factor.view(-1, *[1] * (weight.ndim - 1))
