"""Run by an interpreter of its own that has JAX: 3C1FC in JAX, on the weights, frames and labels of `case.npz`.

As a user of JAX would write it: channels last, a compiled step, `lax.scan` over time. Answers words on standard input
as the contestants of `training.py` do.
"""

import json
import os
import sys
import time

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

LAYERS = ((1, 2), (1, 2), (2, 1))  # (stride, pooling) of each convolution
ALPHA, RATE = 2.0, 1e-3  # of SpikingJelly's arctan, and of SGD


@jax.custom_jvp
def spike(u):
    return (u >= 0).astype(u.dtype)


@spike.defjvp
def _arctan(primals, tangents):
    (u,), (du,) = primals, tangents
    return spike(u), du * (ALPHA / 2) / (1 + (jnp.pi / 2 * ALPHA * u) ** 2)


def fire(current):
    """Spikes of IF neurons with a soft reset at threshold 1, `[T, ...]` -> the same."""

    def step(v, x):
        u = v + x
        s = spike(u - 1)
        return u - s, s

    return lax.scan(step, jnp.zeros_like(current[0]), current)[1]


def forward(weights, x):
    """Frames `[T, N, H, W, C]` -> spikes of the readout `[T, N, K]`."""
    for weight, (stride, pool) in zip(weights, LAYERS, strict=False):
        steps, n = x.shape[:2]
        y = lax.conv_general_dilated(
            x.reshape(steps * n, *x.shape[2:]), weight, (stride, stride), ((1, 1), (1, 1)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )  # fmt: skip
        x = fire(y.reshape(steps, n, *y.shape[1:]))
        if pool > 1:
            h, w = x.shape[2] // pool, x.shape[3] // pool
            windows = x[:, :, : h * pool, : w * pool].reshape(steps, n, h, pool, w, pool, -1)
            x = windows.mean((3, 5))
    flat = jnp.moveaxis(x, -1, 2).reshape(*x.shape[:2], -1)  # in (C, H, W) order
    return fire(flat @ weights[-1])


def loss_of(weights, x, y):
    logits = forward(weights, x).mean(0)
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()


gradient = jax.jit(jax.value_and_grad(loss_of))


@jax.jit
def update(weights, x, y):
    _, g = jax.value_and_grad(loss_of)(weights, x, y)
    return [w - RATE * d for w, d in zip(weights, g, strict=True)]


case = np.load(sys.argv[1])
weights = [jnp.asarray(case[f"weight{i}"].transpose(2, 3, 1, 0)) for i in range(len(LAYERS))]
weights.append(jnp.asarray(case[f"weight{len(LAYERS)}"].T))
frames, labels = jnp.asarray(np.moveaxis(case["frames"], 2, -1)), jnp.asarray(case["labels"])
for line in sys.stdin:
    if line.strip() == "sums":
        loss, g = gradient(weights, frames, labels)
        norm = sum(float((np.asarray(d, np.float64) ** 2).sum()) for d in g) ** 0.5
        answer = {"loss": float(loss), "gradient": norm}
    else:
        cpu, wall = time.process_time(), time.perf_counter()
        weights = jax.block_until_ready(update(weights, frames, labels))
        answer = [time.process_time() - cpu, time.perf_counter() - wall]
    print(json.dumps(answer), flush=True)
