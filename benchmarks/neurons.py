"""Training steps a second of 3C1FC, T = 10, batch 64, one thread: the suite's way against plain SpikingJelly.

    python -m benchmarks.neurons

A step is forward, cross-entropy on the time-mean of the output spikes, backward, SGD. Both train the same weights on
the same frames with the same surrogate (arctan), single spikes and soft reset. Each contestant lives in a process of
its own, since the allocator is a matter of the process; they take turns, one step each, so that whatever else the
machine does meets them alike. Figures are medians over the turns; ratios are medians of the turns' ratios.

    suite                  fused neurons, channels-last, `snn.pooling`, freed memory kept
    spikingjelly           IFNode in step mode "m", layers of SpikingJelly, as its tutorials write it
    spikingjelly-tuned     the same, channels-last and with freed memory kept
    step-by-step           as `suite`, but for the neurons: `implementation: spikingjelly`
    convolutions           as `suite`, but neurons and pooling do nothing that costs: the floor
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import Any

STEPS, BATCH = 10, 64
CONTESTANTS = ("suite", "spikingjelly", "spikingjelly-tuned", "step-by-step", "convolutions")
WARM_UP, TURNS = 3, 15


def run() -> list[dict[str, Any]]:
    """Rows of name, ours, rival, unit, ratio; a ratio above 1 is in the suite's favour."""
    seconds, peak = _race()
    rows = []
    for rival in CONTESTANTS[1:]:
        rows.append(
            {
                "name": f"3C1FC training step, T=10, batch 64, one thread: suite / {rival}",
                "ours": 1 / statistics.median(seconds["suite"]),
                "rival": 1 / statistics.median(seconds[rival]),
                "unit": "steps/s",
                "ratio": statistics.median(r / o for r, o in zip(seconds[rival], seconds["suite"], strict=True)),
            }
        )
    rows.append(
        {
            "name": "3C1FC training, memory beyond the imports: suite / spikingjelly",
            "ours": peak["suite"],
            "rival": peak["spikingjelly"],
            "unit": "MiB",
            "ratio": peak["spikingjelly"] / peak["suite"],
        }
    )
    return rows


def _race() -> tuple[dict[str, list[float]], dict[str, float]]:
    command = [sys.executable, "-m", "benchmarks.neurons"]
    workers = {
        name: subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in CONTESTANTS
    }
    seconds: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    peak: dict[str, float] = {}
    try:
        for turn in range(WARM_UP + TURNS):
            for name, worker in workers.items():
                print("step", file=worker.stdin, flush=True)
                answer = json.loads(worker.stdout.readline())
                peak[name] = answer["peak"]
                if turn >= WARM_UP:
                    seconds[name].append(answer["seconds"])
    finally:
        for worker in workers.values():
            worker.stdin.close()
            worker.wait(30)
    return seconds, peak


def _worker(name: str) -> None:
    """Take a step for each line of stdin, and tell what it cost."""
    import resource

    step = _training_step(name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in sys.stdin:
        start = time.perf_counter()
        step()
        spent = time.perf_counter() - start
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(json.dumps({"seconds": spent, "peak": peak}), flush=True)


def _training_step(name: str) -> Any:
    import torch
    from spikingjelly.activation_based import functional, layer, neuron, surrogate
    from torch import Tensor, nn

    from snn.memory import keep_freed_memory
    from snn.neurons import NeuronSpec, make_neuron
    from snn.pooling import avg_pool2d

    torch.set_num_threads(1)
    torch.manual_seed(0)
    plain = name.startswith("spikingjelly")
    if name != "spikingjelly":
        keep_freed_memory()

    class Pool(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            pooled = x.flatten(0, 1)
            pooled = pooled[:, :, :-1:2, :-1:2] if name == "convolutions" else avg_pool2d(pooled, 2)
            return pooled.unflatten(0, x.shape[:2])

    def neurons() -> nn.Module:
        if name == "convolutions":
            return nn.Identity()
        if plain:
            return neuron.IFNode(v_reset=None, surrogate_function=surrogate.ATan(), step_mode="m")
        way = "spikingjelly" if name == "step-by-step" else "fused"
        return make_neuron(NeuronSpec(surrogate={"name": "arctan"}, implementation=way))

    def conv(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
        return layer.Conv2d(inputs, outputs, 3, stride, 1, bias=False, step_mode="m")

    def pool() -> nn.Module:
        return layer.AvgPool2d(2, step_mode="m") if plain else Pool()

    network = nn.Sequential(
        *(conv(2, 8), neurons(), pool()),
        *(conv(8, 16), neurons(), pool()),
        *(conv(16, 16, stride=2), neurons()),
        *(nn.Flatten(2), layer.Linear(256, 10, bias=False, step_mode="m"), neurons()),
    )
    frames = (torch.rand(STEPS * BATCH, 2, 34, 34) < 0.1).float()
    if name != "spikingjelly":
        network = network.to(memory_format=torch.channels_last)
        frames = frames.contiguous(memory_format=torch.channels_last)
    frames = frames.unflatten(0, (STEPS, BATCH))
    labels = torch.randint(0, 10, (BATCH,))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)

    def step() -> None:
        functional.reset_net(network)
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(frames).mean(0), labels).backward()
        optimizer.step()

    return step


def main() -> None:
    if len(sys.argv) > 1:
        _worker(sys.argv[1])
        return
    for row in run():
        print(f"{row['name']:80s} {row['ours']:8.2f} {row['rival']:8.2f} {row['unit']:8s} x{row['ratio']:.2f}")


if __name__ == "__main__":
    main()
