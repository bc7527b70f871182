"""The fused multi-step neuron as one differentiable function of torch (kernels in `snn/kernels/neuron.py`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from snn.kernels import channels
from snn.kernels.threads import parallel_for
from snn.neurons.spec import NeuronSpec
from snn.neurons.surrogates import Constants, Surrogate


def applies(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether there are kernels for it."""
    return device.type == "cpu" and dtype == torch.float32


def multi_step(
    x: Tensor,
    v: Tensor | None,
    spec: NeuronSpec,
    surrogate: Surrogate,
    factor: Tensor | None = None,
    plus: Tensor | None = None,
    norm: tuple[Tensor, Tensor, float] | None = None,
) -> tuple[Tensor, Tensor]:
    """Spikes `[T, N, *]` and the state `[N, *]` after the last step, from input x and the state before (or None).

    factor: `[C]`, the input is factor · x, for each channel its own; x is `[T, N, C, H, W]` as `by_channel` wants it.
    plus: x's shape, with a factor or norm only: a second current, the input is factor · x + plus.
    norm: (g, P, eps) in place of a factor, which is then g (P + eps)^-1/2; P `[C]` is E[x²] of this x, and the gradient
    goes through it (`snn.kernels.channels` must apply to x).
    Differentiable in all of them, and through both results. The spikes keep x's memory layout within a step. For
    backward only these are kept, and nothing where no gradient is asked for.
    """
    # The kernels check no bounds.
    vectors = [each for each in (factor, *(norm or ())[:2]) if each is not None]
    if any(each.shape != x.shape[2:3] for each in vectors) or (plus is not None and plus.shape != x.shape):
        raise ValueError(f"factor, g and P must be {list(x.shape[2:3])} and plus {list(x.shape)}, as x is")
    if plus is not None and not _same_layout(plus[0], x[0]):
        plus = _like_steps(x).copy_(plus)
    weight, power, eps = norm or (None, None, 0.0)
    return _MultiStep.apply(x, v, factor, plus, weight, power, eps, spec, surrogate.constants)


def by_channel(x: Tensor) -> bool:
    """Whether the channels of x `[T, N, C, H, W]` lie innermost, as a factor for each needs them."""
    return x.ndim == 5 and x[0].permute(0, 2, 3, 1).is_contiguous()


class _MultiStep(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        v: Tensor | None,
        factor: Tensor | None,
        plus: Tensor | None,
        weight: Tensor | None,
        power: Tensor | None,
        eps: float,
        spec: NeuronSpec,
        constants: Constants,
    ) -> tuple[Tensor, Tensor]:
        from snn.kernels import neuron as kernels  # Numba takes half a second to import

        x = x if _is_dense(x[0]) else x.contiguous()
        state, v0 = _like_a_step(x, None), _start(x, v, spec)
        spikes = _like_steps(x)
        if weight is not None:
            factor = weight * torch.rsqrt(power + eps)
        drive, driven = _drive(factor, plus)
        arrays = (*_flat(x), *driven, *v0, _row(state), *_flat(spikes))
        _over_neurons(kernels.forward(_kind(spec), drive), x, arrays, _numbers(spec), kernels.BLOCK)
        ctx.save_for_backward(x, v, factor, plus, weight, power)
        ctx.spec, ctx.constants, ctx.eps = spec, constants, eps
        ctx.set_materialize_grads(False)
        return spikes, state

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_spikes: Tensor | None, d_state: Tensor | None) -> tuple[Tensor | None, ...]:
        from snn.kernels import neuron as kernels

        (x, v, factor, plus, weight, power), spec = ctx.saved_tensors, ctx.spec
        v0 = _start(x, v, spec)
        g = x.new_zeros(1).expand(x.shape) if d_spikes is None else d_spikes
        if not _same_layout(g[0], x[0]):
            g = _like_steps(x).copy_(g)
        wanted = d_state is not None or ctx.needs_input_grad[1]
        dv = _like_a_step(x, x.new_zeros(()) if d_state is None else d_state) if wanted else None
        k = (_row(dv), 1) if wanted else (np.zeros(1, np.float32), 0)
        dx = _like_steps(x)
        kind = kernels.PERIODIC if spec.surrogate.periodic else _kind(spec)
        shape, *abc = ctx.constants
        drive, driven = _drive(factor, plus)
        block = kernels.block_of(x.shape[0])
        sums = np.zeros((-(-math.prod(x.shape[1:]) // block), 1 if factor is None else len(factor)))
        d_plus = None if plus is None else _like_steps(x)
        d_driven = (sums, *((_NOTHING, 0) if d_plus is None else _flat(d_plus)))
        # With a norm dx needs the sums over the whole map: the kernel leaves dL/du, where it may stay as dL/dplus.
        d_input = dx if weight is None or d_plus is None else d_plus
        arrays = (*_flat(x), *driven, *d_driven, *v0, *_flat(g), *_flat(d_input), *k, weight is None, block)
        numbers = (*_numbers(spec), np.float32(not spec.detach_reset), *map(np.float32, abc))
        _over_neurons(kernels.backward(kind, shape, drive), x, arrays, numbers, block)
        d_factor = None if factor is None else torch.from_numpy(sums.sum(0).astype(np.float32))
        d_weight = None
        if weight is not None:
            maps = (each.flatten(0, 1) for each in (d_input, x, dx))
            d_input, x, out = maps
            _, d_weight = channels.through_power(d_input, d_factor, x, weight, power, ctx.eps, out)
            d_factor = None
        dv = dv if ctx.needs_input_grad[1] else None
        return dx, dv, d_factor, d_plus, d_weight, None, None, None, None


def _kind(spec: NeuronSpec) -> int:
    from snn.kernels import neuron as kernels

    return kernels.MULTI if spec.multi_spike else kernels.HARD if spec.reset == "hard" else kernels.SOFT


@cache
def _numbers(spec: NeuronSpec) -> tuple[np.float32, ...]:
    """decay, θ, the least u that fires, v_reset, v_min; u > θ is u ≥ the next float after θ."""
    theta = np.float32(spec.threshold)
    fire = np.nextafter(theta, np.float32(math.inf)) if spec.strict else theta
    v_min = -math.inf if spec.v_min is None else spec.v_min
    return np.float32(spec.decay), theta, fire, np.float32(spec.v_reset), np.float32(v_min)


_NOTHING = np.zeros(1, np.float32)


def _drive(factor: Tensor | None, plus: Tensor | None) -> tuple[int, tuple[np.ndarray, np.ndarray, int]]:
    """Which kind of input, and the kernels' factor (repeated), second current and its distance between steps."""
    from snn.kernels import neuron as kernels

    if factor is None:
        return kernels.PLAIN, (_NOTHING, _NOTHING, 0)
    channels = len(factor)
    repeated = factor.detach().numpy()[np.arange(channels + kernels.BLOCK) % channels]
    if plus is None:
        return kernels.SCALED, (repeated, _NOTHING, 0)
    return kernels.SUMMED, (repeated, *_flat(plus))


# --- memory layouts -------------------------------------------------------------------------------------------------


def _is_dense(step: Tensor) -> bool:
    """Whether the elements fill their memory without holes or overlaps, in whatever order of the dimensions."""
    expected = 1
    for stride, size in sorted(pair for pair in zip(step.stride(), step.shape, strict=True) if pair[1] > 1):
        if stride != expected:
            return False
        expected *= size
    return True


def _same_layout(a: Tensor, b: Tensor) -> bool:
    return all(i == j or size == 1 for i, j, size in zip(a.stride(), b.stride(), a.shape, strict=True))


def _like_a_step(x: Tensor, value: Tensor | None) -> Tensor:
    """A new tensor of one step's shape and layout that holds `value`, or whatever was there."""
    new = torch.empty_strided(x.shape[1:], x.stride()[1:], dtype=x.dtype)
    return new if value is None else new.copy_(value)


def _start(x: Tensor, v: Tensor | None, spec: NeuronSpec) -> tuple[np.ndarray, int]:
    """The state before the first step as the kernels take it. From rest it is one number (stride 0): a map of it would
    be written and read at every call, which a call of few steps would feel."""
    return (np.array([spec.v_start], np.float32), 0) if v is None else (_row(_like_a_step(x, v)), 1)


def _like_steps(x: Tensor) -> Tensor:
    """A new tensor of x's shape, each step in x's layout, the steps one after another."""
    return torch.empty_strided(x.shape, (math.prod(x.shape[1:]), *x.stride()[1:]), dtype=x.dtype)


def _flat(x: Tensor) -> tuple[np.ndarray, int]:
    """The memory of x, whose steps are dense, as one row, and the distance between steps in it."""
    size = math.prod(x.shape[1:])
    stride = x.stride(0)
    return x.detach().as_strided(((x.shape[0] - 1) * stride + size,), (1,)).numpy(), stride


def _row(step: Tensor) -> np.ndarray:
    return step.detach().as_strided((step.numel(),), (1,)).numpy()


def _over_neurons(
    kernel: Callable[..., None], x: Tensor, arrays: tuple[Any, ...], numbers: tuple[Any, ...], block: int
) -> None:
    """Run the kernel over all neurons of a step, whole blocks of them; they do not interact."""
    neurons = math.prod(x.shape[1:])

    def job(low: int, high: int) -> None:
        kernel(*arrays, x.shape[0], low * block, min(high * block, neurons), *numbers)

    parallel_for(job, -(-neurons // block), x.numel())
