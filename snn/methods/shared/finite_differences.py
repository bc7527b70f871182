"""The gradient of a loss by finite differences: what a surrogate gradient is to agree with.

    ĝ_i = (L(w + ε e_i) - L(w - ε e_i)) / 2ε

The loss of a spiking network is piecewise constant: ε must be large enough for spikes to change.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def evenly_spaced(count: int, maximum: int) -> Tensor:
    """At most `maximum` positions, evenly spaced over 0 … count - 1."""
    return torch.arange(min(count, maximum)) * count // min(count, maximum)


@torch.no_grad()
def finite_differences(loss: Callable[[], Tensor], weight: Tensor, positions: Tensor, epsilon: float) -> Tensor:
    """Central differences of the loss in the weights at `positions` of the flattened weight, [len(positions)]; the
    weights are restored. They may have any memory layout: those of networks on a GPU are channels-last."""
    values, gradient = weight.detach(), weight.new_empty(len(positions))
    for k, position in enumerate(positions):
        at = torch.unravel_index(position, weight.shape)
        before = values[at].clone()
        values[at] = before + epsilon
        above = loss()
        values[at] = before - epsilon
        gradient[k] = (above - loss()) / (2 * epsilon)
        values[at] = before
    return gradient
