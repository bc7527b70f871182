"""Training step by step in time: the graph of a step ends at the membranes that are carried into it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from snn.errors import ConfigError
from snn.models.stages import Network, channels_last
from snn.models.tebn import TemporalNorm

Target = Literal["one", "one-hot"]


def one_step(network: Network, x: Tensor) -> Tensor:
    """The readout `[1, N, K]` of the next time step x `[1, N, C, H, W]`; the membranes are carried on."""
    for stage in network.stages:
        x = stage(channels_last(x))
    output: Tensor = network.readout(x)
    return output


def refuse_temporal_norms(network: Network) -> None:
    """ConfigError, which names the layer, for a normalisation with a gain for each time step: it would take that of the
    first step at every step."""
    for name, module in network.named_modules():
        if isinstance(module, TemporalNorm):
            raise ConfigError(f"{name}: norm: tebn and tescale need all time steps at once; use batch or scale")


def learn_online(
    network: Network, x: Tensor, loss: Callable[[Tensor], Tensor], learns: Callable[[int], bool]
) -> tuple[float, Tensor]:
    """Run the network over x `[T, N, C, H, W]` and call backward inside the loop over time.

    loss: of the readout `[N, K]` of one step; learns: whether a step (from 0) has a gradient. The membranes are
    detached after each step, so that what is kept for backward does not grow with T; gradients add up on the weights.
    Returns (sum of the losses, readout `[T, N, K]`, detached).
    """
    from spikingjelly.activation_based import functional  # takes seconds to import; planning does without

    functional.reset_net(network)
    total, outputs = torch.zeros((), device=x.device), []
    for t in range(x.shape[0]):
        with torch.set_grad_enabled(learns(t)):
            output = one_step(network, x[t : t + 1])[0]
            if learns(t):
                of_step = loss(output)
                of_step.backward()
                total += of_step.detach()
        functional.detach_net(network)
        outputs.append(output.detach())
    return total.item(), torch.stack(outputs)


def loss_of_step(z: Tensor, y: Tensor, mse_weight: float, target: Target) -> Tensor:
    """(1 - α) CE(z, y) + α MSE(z, φ) of the logits z `[N, K]` of one step and labels y `[N]`; α: mse_weight.

    target: φ = 1 for all classes (`one`), or for the labelled class alone and 0 for the others (`one-hot`).
    """
    phi = torch.ones_like(z) if target == "one" else one_hot(y, z.shape[1]).to(z)
    return (1 - mse_weight) * cross_entropy(z, y) + mse_weight * (z - phi).square().mean()
