"""The temporal transformation module (TTM) of mixed time-step training: changes T between two stages.

Du, Wu, Deng, Gu: ICLR 2025, arXiv 2503.17394. With a time steps in, b out, S = min(a, b) and L = max(a, b), the
boundaries are

    c_0 = 0,   c_i = ⌈i·L/S - 1/2⌉   (round half down),   i = 1 … S

and group i holds the steps c_{i-1} … c_i - 1 of the longer side. If time gets shorter (a > b), each group is
**summed**, so that no spike is lost. If it gets longer (a < b), step i is repeated over its group.

That is the mode `sum`. The others are for ablations. `mean` and `first` join the steps of a group in other ways: their
mean, or the first of them, the others being dropped [ours]. `sorted`, `reversed` and `random` sum and repeat as `sum`,
over groups that are drawn anew in each call: every group gets one step, and each of the other L - S steps a random
group. The steps are then in the order of their groups, in the reverse order, or in random order. These three names
stand in the authors' code, which does not show what they do [ours].
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import torch
from torch import Tensor

Mode = Literal["sum", "mean", "first", "sorted", "reversed", "random"]
"""How time steps are put into groups, and how the steps of a group are joined."""


@cache
def groups(a: int, b: int) -> tuple[int, ...]:
    """The boundaries c_0 … c_S between a and b time steps: 5 and 3 give (0, 2, 3, 5). ValueError for less than one."""
    if a < 1 or b < 1:
        raise ValueError(f"time steps count from 1, not {min(a, b)}")
    short, long = min(a, b), max(a, b)
    # ⌈iL/S - 1/2⌉ = ⌈(2iL - S) / 2S⌉, and ⌈p/q⌉ = -⌊-p/q⌋
    return tuple(-((short - 2 * i * long) // (2 * short)) for i in range(short + 1))


@cache
def _group_of_step(a: int, b: int, device: torch.device) -> Tensor:
    """The index of the group of each step of the longer side: 5 and 3 give (0, 0, 1, 2, 2)."""
    edges = groups(a, b)
    with torch.inference_mode(False):  # cached for later calls, which may need gradients
        return torch.tensor([i for i in range(len(edges) - 1) for _ in range(edges[i], edges[i + 1])], device=device)


def drawn_groups(a: int, b: int, order: Literal["sorted", "reversed", "random"], generator: torch.Generator) -> Tensor:
    """The index of the group of each step of the longer side, drawn at random; no group is empty."""
    short, long = min(a, b), max(a, b)
    index = torch.cat([torch.arange(short), torch.randint(short, (long - short,), generator=generator)])
    if order == "random":
        return index[torch.randperm(long, generator=generator)]
    return index.sort(descending=order == "reversed").values


def transform(x: Tensor, t_out: int, mode: Mode = "sum", generator: torch.Generator | None = None) -> Tensor:
    """x `[T, …]` at another number of time steps, `[t_out, …]`; differentiable; x itself if T = t_out.

    Spikes summed over a group are counts, no longer 0 or 1; their total is the same. The memory layout of a step is
    kept, so that channels-last maps stay channels-last. generator: of the modes that draw groups, which need one.
    """
    t_in = x.shape[0]
    if t_in == t_out:
        return x
    if mode == "sorted" or mode == "reversed" or mode == "random":
        if generator is None:
            raise ValueError(f"mode {mode!r} draws its groups: pass a generator")
        index = drawn_groups(t_in, t_out, mode, generator).to(x.device)
    else:
        index = _group_of_step(t_in, t_out, x.device)
    # torch's indexing returns row-major tensors: index with the dimensions in the order of their memory.
    strides = x.stride()
    order = [0, *sorted(range(1, x.ndim), key=lambda d: -strides[d])]
    back = sorted(range(x.ndim), key=order.__getitem__)
    x = x.permute(order)
    if t_in < t_out:
        return x.index_select(0, index).permute(back)
    if mode == "first":
        return x[list(groups(t_in, t_out)[:-1])].permute(back)
    total = x.new_zeros(t_out, *x.shape[1:]).index_add(0, index, x)
    if mode == "mean":
        total = total / torch.bincount(index).view(-1, *[1] * (x.ndim - 1))
    return total.permute(back)
