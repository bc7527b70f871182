"""The temporal transformation module of mixed time-step training: T changes between two stages, without parameters.

Du, Wu, Deng, Gu: ICLR 2025, arXiv 2503.17394. With a steps in, b steps out, S = min(a, b) and L = max(a, b), the
boundaries are

    c_0 = 0,   c_i = ⌈i·L/S - 1/2⌉   (round half down),   i = 1 … S

and group i holds the steps c_{i-1} … c_i - 1 of the longer side. Where time gets shorter (a > b) each group is
**summed**: no spike is lost. Where it gets longer (a < b) step i is repeated over its group.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor


@cache
def groups(a: int, b: int) -> tuple[int, ...]:
    """The boundaries c_0 … c_S between a and b steps, in whole numbers: 5 and 3 give (0, 2, 3, 5)."""
    if a < 1 or b < 1:
        raise ValueError(f"time steps count from 1, not {min(a, b)}")
    short, long = sorted((a, b))
    # ⌈iL/S - 1/2⌉ = ⌈(2iL - S) / 2S⌉, and ⌈p/q⌉ = -⌊-p/q⌋
    return tuple(-((short - 2 * i * long) // (2 * short)) for i in range(short + 1))


@cache
def _group_of_step(a: int, b: int, device: torch.device) -> Tensor:
    """For each step of the longer side the group it is in: 5 and 3 give (0, 0, 1, 2, 2)."""
    edges = groups(a, b)
    with torch.inference_mode(False):  # kept for later calls, which may need gradients
        return torch.tensor([i for i in range(len(edges) - 1) for _ in range(edges[i], edges[i + 1])], device=device)


def transform(x: Tensor, t_out: int) -> Tensor:
    """x `[T, …]` at another number of steps, `[t_out, …]`; differentiable; x itself where T is t_out already.

    Spikes summed over a group are no longer 0 or 1, but they are as many as before. The memory layout of a step stays:
    a channels-last network remains one.
    """
    t_in = x.shape[0]
    if t_in == t_out:
        return x
    index = _group_of_step(t_in, t_out, x.device)
    # torch's indexing returns row-major tensors: let the dimensions of a step lie in the order of its memory.
    order = [0, *sorted(range(1, x.ndim), key=lambda d: -x.stride(d))]
    back = sorted(range(x.ndim), key=order.__getitem__)
    x = x.permute(order)
    if t_in < t_out:
        return x.index_select(0, index).permute(back)
    return x.new_zeros(t_out, *x.shape[1:]).index_add(0, index, x).permute(back)
