"""All time steps of a layer of neurons in one pass over memory, on a CPU, in float32.

A step-by-step neuron reads and writes a whole layer's membrane, spikes and masks for each small operation of each
step. Here a block of neurons small enough for the first-level cache is taken through all steps, so that the input is
read once and the spikes are written once. For backward only the input is kept: the kernel computes the membranes of a
block again, into a scratch array that also stays in the cache, and goes back through them.

The input current may be x itself, factor · x with a factor for each channel (normalisation without a shift), or
factor · x + residual current (the second branch of a residual block). The products and sums are formed in passing:
neither is written to memory.

All arrays are flat float32. Step t of an array begins at `t * stride`, and neuron i has offset i in it. Any dense
memory layout of a step will do, since neurons do not interact; a stride of 0 is an input that is the same at each step.

Numba compiles one function for each kind of fire and reset and each shape of surrogate. They are integers in the
function's closure, so the branches on them are gone before LLVM sees the loops, which it then vectorises. No
fast-math: scalar and vector code give the same bits, so the results depend neither on the number of threads nor on the
place of a neuron in its block.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
from numba import njit
from numba.extending import intrinsic

from snn.kernels.jit import compiled
from snn.kernels.shapes import EXPONENTIAL, LORENTZ, TRIANGLE, WINDOW

SOFT, HARD, MULTI, PERIODIC = range(4)
PLAIN, SCALED, SUMMED = range(3)  # the input current: x, factor · x, factor · x + residual

# A block's state is 4 KiB; the scratch of backward, T times that at most, stays in the first-level cache up to T = 10.
BLOCK = 1024
SCRATCH = 65536  # floats
LANES = 64  # side by side when sums over channels are taken

_f = np.float32
_ZERO, _HALF, _ONE, _TWO, _FOUR = _f(0), _f(0.5), _f(1), _f(2), _f(4)
_LOG2E = _f(1.4426950408889634)
_LN2_HIGH, _LN2_LOW = _f(0.693359375), _f(-2.12194440054690583e-4)  # the high part has 9 bits: n times it is exact
_UNDERFLOW = _f(-87.0)  # exp(-87) = 1.6e-38 is about the smallest normal number
# Taylor's 1/k! up to k = 7: at |r| ≤ ln2/2 the remainder is 5e-9, a tenth of a rounding.
_P7, _P6, _P5, _P4, _P3 = _f(1 / 5040), _f(1 / 720), _f(1 / 120), _f(1 / 24), _f(1 / 6)


@intrinsic
def _bits_to_float(typing_context: Any, bits: Any) -> Any:
    """The float32 with the bits of an int32."""
    from llvmlite import ir

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.FloatType())

    return numba.types.float32(numba.types.int32), codegen


@njit(inline="always")
def _exp(y):
    """exp(y) for y ≤ 0 to about one unit in the last place, 0 below -87; vectorises where libm's does not."""
    n = np.floor(y * _LOG2E + _HALF)
    r = (y - n * _LN2_HIGH) - n * _LN2_LOW
    p = ((((_P7 * r + _P6) * r + _P5) * r + _P4) * r + _P3) * r + _HALF
    p = (p * r) * r + r + _ONE
    small = y < _UNDERFLOW
    n = _ZERO if small else n
    return _ZERO if small else p * _bits_to_float((np.int32(n) + np.int32(127)) << np.int32(23))  # type: ignore[call-arg]


# What one neuron does in one step, in functions that Numba inlines: `kind`, `drive` and `shape` are constants of the
# kernel that calls, so their branches are gone before LLVM sees the loop. They are defined at module level because
# Numba does not cache a kernel that has functions in its closure.


@njit(inline="always")
def _current(drive, x, factor, residual, i):
    """The input of neuron i: x, factor · x, or factor · x + residual."""
    current = x[i]
    if drive != PLAIN:
        current = factor[i] * current
    if drive == SUMMED:
        current = current + residual[i]
    return current


@njit(inline="always")
def _spikes(kind, u, theta, fire):
    """Number of spikes of the membrane u before the reset."""
    return max(np.floor(u / theta), _ZERO) if kind in (MULTI, PERIODIC) else _ONE if u >= fire else _ZERO


@njit(inline="always")
def _after(kind, u, spikes, theta, fire, v_reset):
    """The membrane after the reset, before the clip."""
    return (v_reset if u >= fire else u) if kind == HARD else u - theta * spikes


@njit(inline="always")
def _slope(kind, shape, u, theta, a, b, c):
    """ds/du = g(u), the surrogate derivative; formulas in `snn/neurons/surrogates.py`."""
    centre = theta
    if kind == PERIODIC:
        centre = theta * max(np.floor(u / theta + _HALF), _ONE)
    z = abs(u - centre)
    if shape == WINDOW:
        g = a if z < b else _ZERO
    elif shape == TRIANGLE:
        g = a * max(_ONE - b * z, _ZERO)
    elif shape == EXPONENTIAL:
        g = a * _exp(-b * z)
    elif shape == LORENTZ:
        g = a / (_ONE + (b * z) * (b * z))
    else:
        e = _exp(-_TWO * b * z)
        g = (_FOUR * a) * e / ((_ONE + e) * (_ONE + e)) if z <= c else _ZERO
    return g


@njit
def _add_by_channel(values, channels, first, total):
    """Add each of the values to `total` of its channel. Value i belongs to channel (first + i) modulo `channels`."""
    # Rows of whole channels, about as wide as a vector register, are summed before they are added channel by channel.
    width = channels * max(1, LANES // channels)
    row = np.zeros(width, np.float32)
    whole = len(values) - len(values) % width
    for r in range(0, whole, width):
        for j in range(width):
            row[j] += values[r + j]
    for j in range(len(values) - whole):
        row[j] += values[whole + j]
    for j in range(width):
        total[(first + j) % channels] += row[j]


def block_of(steps: int) -> int:
    """The number of neurons that `backward` takes through all steps together."""
    return max(64, min(BLOCK, SCRATCH // steps))


@cache
def forward(kind: int, drive: int) -> Callable[..., None]:
    """The forward kernel for SOFT, HARD or MULTI, and PLAIN, SCALED or SUMMED input.

    `(x, x_stride, factor, residual, residual_stride, v0, v_stride, v, s, s_stride, steps, low, high, decay, theta,
    fire, v_reset, v_min)` computes neurons low ≤ i < high.

    - `v0`: state before the first step (stride 0: one value for all neurons); `v` receives the state after the last.
    - `s` receives the spikes. A neuron fires at u ≥ `fire`; for u > θ the caller passes the next float32 after θ.
    - `factor`: C + `BLOCK` values, those of the C channels repeated; channels are innermost in memory, so that neuron i
      is of channel i modulo C.
    """

    def run(x, xs, factor, residual, ps, v0, vs, v, s, ss, steps, low, high, decay, theta, fire, v_reset, v_min):
        for start in range(low, high, BLOCK):
            n = min(BLOCK, high - start)
            fb = factor
            if drive != PLAIN:
                channel = start % (len(factor) - BLOCK)
                fb = factor[channel : channel + n]
            vb = v[start : start + n]
            for i in range(n):
                vb[i] = v0[(start + i) * vs]
            for t in range(steps):
                xb = x[t * xs + start : t * xs + start + n]
                sb = s[t * ss + start : t * ss + start + n]
                pb = residual
                if drive == SUMMED:
                    pb = residual[t * ps + start : t * ps + start + n]
                for i in range(n):
                    u = decay * vb[i] + _current(drive, xb, fb, pb, i)
                    spikes = _spikes(kind, u, theta, fire)
                    after = _after(kind, u, spikes, theta, fire, v_reset)
                    sb[i] = spikes
                    vb[i] = v_min if after < v_min else after

    return compiled(run)


@cache
def decay_gradient(kind: int) -> Callable[..., None]:
    """The kernel for dL/d(decay) = Σ dL/du[t] · v[t-1] over neurons and steps, for SOFT, HARD or MULTI and PLAIN input.

    `(x, x_stride, v0, v_stride, du, d_stride, sums, steps, low, high, decay, theta, fire, v_reset, v_min)` takes
    neurons low ≤ i < high, low a multiple of `BLOCK`; `sums` [blocks] receives the sum of each block. The other
    arguments are those of `forward`.
    """

    def run(x, xs, v0, vs, du, ds, sums, steps, low, high, decay, theta, fire, v_reset, v_min):
        state, products = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
        for start in range(low, high, BLOCK):
            n = min(BLOCK, high - start)
            vb = state[:n]
            pb = products[:n]
            pb[:] = _ZERO
            for i in range(n):
                vb[i] = v0[(start + i) * vs]
            for t in range(steps):
                xb = x[t * xs + start : t * xs + start + n]
                db = du[t * ds + start : t * ds + start + n]
                for i in range(n):
                    pb[i] += db[i] * vb[i]
                    u = decay * vb[i] + xb[i]
                    after = _after(kind, u, _spikes(kind, u, theta, fire), theta, fire, v_reset)
                    vb[i] = v_min if after < v_min else after
            total = 0.0
            for i in range(n):
                total += pb[i]
            sums[start // BLOCK] = total

    return compiled(run)


@cache
def backward(kind: int, shape: int, drive: int) -> Callable[..., None]:
    """The backward kernel for SOFT, HARD, MULTI or PERIODIC, a surrogate's shape, and PLAIN, SCALED or SUMMED input.

    With G[t] = dL/ds[t], K[t] = dL/dv[t] from the steps after t (0 where the clip held v[t]):

        dL/du[t] = (G + K·r)·g(u) + K·k,     K[t-1] = decay · dL/du[t]
        soft: r = -θ, k = 1     hard: r = v_reset - u, k = 1 - s     r = 0 if the reset is detached
        dL/dx = factor · dL/du,  dL/dresidual = dL/du,  dL/dfactor = Σ x · dL/du over the channel and all steps

    `(x, x_stride, factor, residual, residual_stride, d_factor, d_residual, d_residual_stride, v0, v_stride, G,
    g_stride, dx, d_stride, K, k_stride, finish, block, steps, low, high, decay, theta, fire, v_reset, v_min, attached,
    a, b, c)` computes neurons low ≤ i < high.

    - `v0`: state before the first step. `K`: dL/dv after the last step; on return dL/dv0. A stride of 0 is one value
      for all neurons, and such a K is not written.
    - `block`: `block_of(steps)`; `low` is a multiple of it.
    - `d_factor`: zeros [blocks, channels]; each block adds to its own row, so that the sums over rows do not depend on
      which thread computed which block.
    - `finish`: whether dx is multiplied by the factor and d_residual written. Without it dx is dL/du and d_residual is
      left alone, for a caller that has more to do with dL/du (the gradient through a normalisation).
    - `attached`: 1 if the gradient passes through the reset, else 0; `a`, `b`, `c`: constants of the surrogate.
    """

    def run(
        x, xs, factor, residual, ps, d_factor, d_residual, dps, v0, vs, gs, gss, dx, ds, k, ks, finish, block, steps,
        low, high, decay, theta, fire, v_reset, v_min, attached, a, b, c,
    ):  # fmt: skip
        products = np.empty(block, np.float32)
        membrane = np.empty(steps * block, np.float32)  # flat: over rows of two dimensions LLVM makes no vectors
        state, later_state = np.empty(block, np.float32), np.empty(block, np.float32)
        for start in range(low, high, block):
            n = min(block, high - start)
            vb = state[:n]
            kb = later_state[:n]
            sums = products[:n]
            sums[:] = _ZERO
            fb = factor
            channel = 0
            if drive != PLAIN:
                channel = start % (len(factor) - BLOCK)
                fb = factor[channel : channel + n]
            for i in range(n):
                vb[i] = v0[(start + i) * vs]
                kb[i] = k[(start + i) * ks]
            for t in range(steps):
                xb = x[t * xs + start : t * xs + start + n]
                ub = membrane[t * block : t * block + n]
                pb = residual
                if drive == SUMMED:
                    pb = residual[t * ps + start : t * ps + start + n]
                for i in range(n):
                    u = decay * vb[i] + _current(drive, xb, fb, pb, i)
                    ub[i] = u
                    after = _after(kind, u, _spikes(kind, u, theta, fire), theta, fire, v_reset)
                    vb[i] = v_min if after < v_min else after
            for t in range(steps - 1, -1, -1):
                ub = membrane[t * block : t * block + n]
                gb = gs[t * gss + start : t * gss + start + n]
                db = dx[t * ds + start : t * ds + start + n]
                for i in range(n):
                    u = ub[i]
                    spikes = _spikes(kind, u, theta, fire)
                    after = _after(kind, u, spikes, theta, fire, v_reset)
                    keep, r = _ONE, -attached * theta
                    if kind == HARD:
                        keep, r = _ONE - spikes, attached * (v_reset - u)
                    later = kb[i] if after >= v_min else _ZERO
                    d = (gb[i] + later * r) * _slope(kind, shape, u, theta, a, b, c) + later * keep
                    db[i] = d
                    kb[i] = decay * d
                # Loops of few arrays each: LLVM vectorises none that has more of them to tell apart.
                if drive == SUMMED and finish:
                    pb = d_residual[t * dps + start : t * dps + start + n]
                    for i in range(n):
                        pb[i] = db[i]
                if drive != PLAIN:
                    xb = x[t * xs + start : t * xs + start + n]
                    for i in range(n):
                        sums[i] += db[i] * xb[i]
                    if finish:
                        for i in range(n):
                            db[i] = fb[i] * db[i]
            if drive != PLAIN:
                _add_by_channel(sums, len(factor) - BLOCK, channel, d_factor[start // block])
            if ks:
                k[start : start + n] = kb

    return compiled(run)
