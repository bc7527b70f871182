"""Where the time of a training step goes, as a table for docs/speed.md: shares of 30 steps, T = 10, batch 64.

python -m benchmarks._profile [NETWORK [METHOD or CONTESTANT]]      e.g. 3c1fc suite; 3c1fc mtt; resnet8 spikingjelly
"""

from __future__ import annotations

import sys
from collections import defaultdict
from unittest import mock

from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks import training
from snn.kernels import channels

GROUPS = [
    ("convolutions and linear, forward", ("aten::mkldnn_convolution", "aten::addmm", "aten::mm", "aten::_slow_conv2d")),
    ("convolutions and linear, backward", ("aten::convolution_backward", "aten::mkldnn_convolution_backward")),
    ("neurons, forward", ("_MultiStep",)),
    ("neurons, backward", ("_MultiStepBackward",)),
    (
        "pooling, forward and backward",
        ("_AveragePool", "_AveragePoolBackward", "aten::avg_pool2d", "aten::avg_pool2d_backward"),
    ),
    ("normalisation, forward and backward", ("normalisation", "_ScaleByPower", "_ScaleByPowerBackward")),
    (
        "copies and layouts",
        ("aten::copy_", "aten::clone", "aten::contiguous", "aten::cat", "aten::stack", "aten::fill_", "aten::index"),
    ),
    ("additions of branches and gradients", ("aten::add", "aten::add_")),
    ("optimiser", ("Optimizer.step", "aten::_foreach", "aten::_fused", "aten::lerp", "aten::addc")),
    ("Python and what is in no operator", ("step",)),
]


def main(network: str = "3c1fc", name: str = "suite", steps: int = 30) -> None:
    answer = training._contestant(network, training.BATCH, training.STEPS, name)
    for _ in range(3):
        answer("step")
    # Numba's calls of the normalisation run in no operator, or in that of the neurons.
    recorded = record_function("normalisation")
    kernels = {name: recorded(getattr(channels, name)) for name in ("dot", "power_norm_backward")}
    with mock.patch.multiple(channels, **kernels), profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(steps):
            with record_function("step"):
                answer("step")
    shares: dict[str, float] = defaultdict(float)
    rest: dict[str, float] = defaultdict(float)
    for event in profiled.key_averages():
        group = next((g for g, names in GROUPS if any(_is(event.key, n) for n in names)), "everything else")
        shares[group] += event.self_cpu_time_total
        if group == "everything else":
            rest[event.key] += event.self_cpu_time_total
    whole = sum(shares.values())
    print(f"| {network}, {name} | share |\n| --- | ---: |")
    for group, spent in sorted(shares.items(), key=lambda pair: -pair[1]):
        print(f"| {group} | {spent / whole:.1%} |")
    largest = sorted(rest.items(), key=lambda pair: -pair[1])[:6]
    print("\neverything else: " + ", ".join(f"{key} {spent / whole:.1%}" for key, spent in largest))


def _is(key: str, name: str) -> bool:
    return key == name or (name.endswith(("foreach", "fused", "lerp", "addc", "step")) and key.startswith(name))


if __name__ == "__main__":
    main(*sys.argv[1:])
