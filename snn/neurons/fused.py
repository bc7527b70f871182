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
from snn.kernels.channels import PowerNorm
from snn.kernels.threads import parallel_for
from snn.neurons.spec import NeuronSpec
from snn.neurons.surrogates import Constants, Surrogate


def applies(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the kernels take tensors of this dtype on this device."""
    return device.type == "cpu" and dtype == torch.float32


def multi_step(
    x: Tensor,
    v: Tensor | None,
    spec: NeuronSpec,
    surrogate: Surrogate,
    factor: Tensor | None = None,
    residual_current: Tensor | None = None,
    norm: PowerNorm | None = None,
    decay: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Spikes `[T, N, *]` and the state `[N, *]` after the last step.

    x `[T, N, *]`: input current. v `[N, *]`: state before the first step; None: at rest.
    factor `[C]`: the input current is factor · x, by channel; x is then `[T, N, C, H, W]`, and `by_channel(x)` holds.
    residual_current, of x's shape, with a factor or norm only: it is added to the input current.
    norm: in place of a factor, which is then `norm.factor()`; the gradient goes through `norm.power` = E[x²] of this x
    too. `snn.kernels.channels` must support x.

    decay: a number as a tensor, in place of `spec.decay`; not with a factor or norm.

    Differentiable in all tensors given, and through both results. The spikes keep x's memory layout within a step.
    For backward the tensors given are kept, and nothing else. ValueError where shapes do not fit.
    """
    vectors = [each for each in (factor, *(norm or ())[:2]) if each is not None]
    fits = residual_current is None or residual_current.shape == x.shape
    if any(each.shape != x.shape[2:3] for each in vectors) or not fits:  # the kernels check no bounds
        raise ValueError(
            f"factor, gain and power must be {list(x.shape[2:3])} and residual_current {list(x.shape)}, as x is"
        )
    if decay is not None and (factor is not None or norm is not None):
        raise ValueError("a learned decay has no kernel with a factor or norm")
    if residual_current is not None and not _same_layout(residual_current[0], x[0]):
        residual_current = _like_steps(x).copy_(residual_current)
    gain, power, eps = norm or (None, None, 0.0)
    return _MultiStep.apply(x, v, factor, residual_current, gain, power, eps, decay, spec, surrogate.constants)


def by_channel(x: Tensor) -> bool:
    """Whether the channels of x `[T, N, C, H, W]` are innermost in memory, as a factor for each of them requires."""
    return x.ndim == 5 and x[0].permute(0, 2, 3, 1).is_contiguous()


class _MultiStep(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        v: Tensor | None,
        factor: Tensor | None,
        residual_current: Tensor | None,
        gain: Tensor | None,
        power: Tensor | None,
        eps: float,
        decay: Tensor | None,
        spec: NeuronSpec,
        constants: Constants,
    ) -> tuple[Tensor, Tensor]:
        from snn.kernels import neuron as kernels  # Numba takes half a second to import

        x = x if _is_dense(x[0]) else x.contiguous()
        state, v0 = _like_a_step(x, None), _start(x, v, spec)
        spikes = _like_steps(x)
        if gain is not None and power is not None:
            factor = PowerNorm(gain, power, eps).factor()
        drive, driven = _drive(factor, residual_current)
        arrays = (*_flat(x), *driven, *v0, _row(state), *_flat(spikes))
        _over_neurons(kernels.forward(_kind(spec), drive), x, arrays, _numbers(spec, decay), kernels.BLOCK)
        ctx.save_for_backward(x, v, factor, residual_current, gain, power, decay)
        ctx.spec, ctx.constants, ctx.eps = spec, constants, eps
        ctx.set_materialize_grads(False)
        return spikes, state

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_spikes: Tensor | None, d_state: Tensor | None) -> tuple[Tensor | None, ...]:
        from snn.kernels import neuron as kernels

        (x, v, factor, residual_current, gain, power, decay), spec = ctx.saved_tensors, ctx.spec
        v0 = _start(x, v, spec)
        g = x.new_zeros(1).expand(x.shape) if d_spikes is None else d_spikes
        if not _same_layout(g[0], x[0]):
            g = _like_steps(x).copy_(g)
        dv = None  # dL/dv after the last step, and then before the first
        if d_state is not None or ctx.needs_input_grad[1]:
            dv = _like_a_step(x, x.new_zeros(()) if d_state is None else d_state)
        k = (_NOTHING, 0) if dv is None else (_row(dv), 1)
        dx = _like_steps(x)
        kind = kernels.PERIODIC if spec.surrogate.periodic else _kind(spec)
        shape, *abc = ctx.constants
        drive, driven = _drive(factor, residual_current)
        block = kernels.block_of(x.shape[0])
        blocks = -(-math.prod(x.shape[1:]) // block)
        sums = np.zeros((blocks, 1 if factor is None else len(factor)))
        d_residual = None if residual_current is None else _like_steps(x)
        d_driven = (sums, *((_NOTHING, 0) if d_residual is None else _flat(d_residual)))
        # dx through a norm needs sums over the whole map first: the kernel then stops at dL/du, which it puts where it
        # may stay as the gradient of the residual current, if there is one.
        du = dx if gain is None or d_residual is None else d_residual
        arrays = (*_flat(x), *driven, *d_driven, *v0, *_flat(g), *_flat(du), *k, gain is None, block)
        numbers = (*_numbers(spec, decay), np.float32(not spec.detach_reset), *map(np.float32, abc))
        _over_neurons(kernels.backward(kind, shape, drive), x, arrays, numbers, block)
        d_factor = None if factor is None else torch.from_numpy(sums.sum(0).astype(np.float32))
        d_gain = None
        if gain is not None and d_factor is not None:
            norm = PowerNorm(gain, power, ctx.eps)
            du, x, out = (each.flatten(0, 1) for each in (du, x, dx))
            _, d_gain = channels.power_norm_backward(du, d_factor, x, norm, out)
            d_factor = None
        d_decay = None if decay is None else _decay_gradient(x, v0, dx, spec, decay)
        dv = dv if ctx.needs_input_grad[1] else None
        return dx, dv, d_factor, d_residual, d_gain, None, None, d_decay, None, None


def _decay_gradient(x: Tensor, v0: tuple[np.ndarray, int], du: Tensor, spec: NeuronSpec, decay: Tensor) -> Tensor:
    """dL/d(decay) from dL/du and the state before the first step, a number as a tensor."""
    from snn.kernels import neuron as kernels

    sums = np.zeros(-(-math.prod(x.shape[1:]) // kernels.BLOCK))
    arrays = (*_flat(x), *v0, *_flat(du), sums)
    _over_neurons(kernels.decay_gradient(_kind(spec)), x, arrays, _numbers(spec, decay), kernels.BLOCK)
    return torch.tensor(sums.sum(), dtype=decay.dtype)


def _kind(spec: NeuronSpec) -> int:
    from snn.kernels import neuron as kernels

    return kernels.MULTI if spec.multi_spike else kernels.HARD if spec.reset == "hard" else kernels.SOFT


def _numbers(spec: NeuronSpec, decay: Tensor | None) -> tuple[np.float32, ...]:
    """decay, θ, the least u that fires, v_reset, v_min."""
    numbers = _numbers_of_spec(spec)
    return numbers if decay is None else (np.float32(decay.item()), *numbers[1:])


@cache
def _numbers_of_spec(spec: NeuronSpec) -> tuple[np.float32, ...]:
    """The same with the configured decay; u > θ is u ≥ the next float after θ."""
    theta = np.float32(spec.threshold)
    fire = np.nextafter(theta, np.float32(math.inf)) if spec.strict_threshold else theta
    v_min = -math.inf if spec.v_min is None else spec.v_min
    return np.float32(spec.decay), theta, fire, np.float32(spec.v_reset), np.float32(v_min)


_NOTHING = np.zeros(1, np.float32)


def _drive(factor: Tensor | None, residual: Tensor | None) -> tuple[int, tuple[np.ndarray, np.ndarray, int]]:
    """PLAIN, SCALED or SUMMED; and, as the kernels take them, factor (repeated), residual current and its stride."""
    from snn.kernels import neuron as kernels

    if factor is None:
        return kernels.PLAIN, (_NOTHING, _NOTHING, 0)
    repeated = factor.detach().numpy()[np.arange(len(factor) + kernels.BLOCK) % len(factor)]
    if residual is None:
        return kernels.SCALED, (repeated, _NOTHING, 0)
    return kernels.SUMMED, (repeated, *_flat(residual))


# --- memory layouts -------------------------------------------------------------------------------------------------


def _is_dense(step: Tensor) -> bool:
    """Whether the elements fill their memory without holes or overlaps, in any order of the dimensions."""
    expected = 1
    for stride, size in sorted(pair for pair in zip(step.stride(), step.shape, strict=True) if pair[1] > 1):
        if stride != expected:
            return False
        expected *= size
    return True


def _same_layout(a: Tensor, b: Tensor) -> bool:
    return all(i == j or size == 1 for i, j, size in zip(a.stride(), b.stride(), a.shape, strict=True))


def _like_a_step(x: Tensor, value: Tensor | None) -> Tensor:
    """A new tensor of one step's shape and layout that holds `value`; uninitialised if it is None."""
    new = torch.empty_strided(x.shape[1:], x.stride()[1:], dtype=x.dtype)
    return new if value is None else new.copy_(value)


def _start(x: Tensor, v: Tensor | None, spec: NeuronSpec) -> tuple[np.ndarray, int]:
    """The state before the first step and its stride, as the kernels take it.

    At rest it is one number of stride 0: a whole map of it, written and read at every call, would cost a call of few
    steps a noticeable part of its time."""
    return (np.array([spec.v_start], np.float32), 0) if v is None else (_row(_like_a_step(x, v)), 1)


def _like_steps(x: Tensor) -> Tensor:
    """A new tensor of x's shape, each step in x's layout, the steps one after another."""
    return torch.empty_strided(x.shape, (math.prod(x.shape[1:]), *x.stride()[1:]), dtype=x.dtype)


def _flat(x: Tensor) -> tuple[np.ndarray, int]:
    """The memory of x, whose steps are dense, as a flat array, and the distance between steps in it."""
    size = math.prod(x.shape[1:])
    stride = x.stride(0)
    return x.detach().as_strided(((x.shape[0] - 1) * stride + size,), (1,)).numpy(), stride


def _row(step: Tensor) -> np.ndarray:
    return step.detach().as_strided((step.numel(),), (1,)).numpy()


def _over_neurons(
    kernel: Callable[..., None], x: Tensor, arrays: tuple[Any, ...], numbers: tuple[Any, ...], block: int
) -> None:
    """Run the kernel over all neurons of a step, which do not interact, divided among threads in whole blocks."""
    neurons = math.prod(x.shape[1:])

    def job(low: int, high: int) -> None:
        kernel(*arrays, x.shape[0], low * block, min(high * block, neurons), *numbers)

    parallel_for(job, -(-neurons // block), x.numel())
