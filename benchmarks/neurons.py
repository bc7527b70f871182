"""Training steps a second of 3C1FC, T = 10, batch 64, one thread: the suite's way against plain SpikingJelly.

    python -m benchmarks.neurons

A step is forward, cross-entropy on the time-mean of the output spikes, backward, SGD. Both train the same weights on
the same frames with the same surrogate (arctan), single spikes and soft reset. Each contestant lives in a process of
its own, since the allocator is a matter of the process; they take turns, one step each. Time is the
process's own on the processor: with one thread and no input or output it is the wall clock's of an idle machine, and
others at work on a shared one do not count. Figures are medians over the turns; ratios are medians of the turns'
ratios.

    suite                  fused neurons, channels-last, `snn.pooling`, freed memory kept
    spikingjelly           IFNode in step mode "m", layers of SpikingJelly, as its tutorials write it
    spikingjelly-tuned     the same, channels-last and with freed memory kept
    default-allocator      as `suite`, but freed memory goes back to the system
    step-by-step           as `suite`, but for the neurons: `implementation: spikingjelly`
    convolutions           the three convolutions and the linear layer alone, forward and backward: the floor
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import accumulate
from typing import Any

STEPS, BATCH = 10, 64
CONTESTANTS = ("suite", "spikingjelly", "spikingjelly-tuned", "default-allocator", "step-by-step", "convolutions")
WARM_UP, TURNS = 3, 11


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
            "name": "3C1FC training step, tensors alive at the peak: suite / spikingjelly",
            "ours": peak["suite"],
            "rival": peak["spikingjelly"],
            "unit": "MiB",
            "ratio": peak["spikingjelly"] / peak["suite"],
        }
    )
    return rows


def _race() -> tuple[dict[str, list[float]], dict[str, float]]:
    """Seconds of each turn, and MiB of tensors at the peak of a step, by contestant."""
    command = [sys.executable, "-m", "benchmarks.neurons"]
    workers = {
        name: subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in CONTESTANTS
    }

    def ask(name: str, what: str) -> float:
        print(what, file=workers[name].stdin, flush=True)
        return json.loads(workers[name].stdout.readline())

    seconds: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    try:
        for turn in range(WARM_UP + TURNS):
            for name in CONTESTANTS:
                spent = ask(name, "step")
                if turn >= WARM_UP:
                    seconds[name].append(spent)
        peak = {name: ask(name, "memory") for name in ("suite", "spikingjelly")}
    finally:
        for worker in workers.values():
            worker.stdin.close()
            worker.wait(30)
    return seconds, peak


def _worker(name: str) -> None:
    """For each line of stdin take a step, and tell what it cost."""
    step = _training_step(name)
    for line in sys.stdin:
        start = time.process_time()
        if line.strip() == "memory":
            answer = _peak_of_tensors(step)
        else:
            step()
            answer = time.process_time() - start
        print(json.dumps(answer), flush=True)


def _peak_of_tensors(step: Callable[[], None]) -> float:
    """MiB of the tensors that a step makes, at the moment when most are alive."""
    import torch

    with torch.profiler.profile(profile_memory=True) as profile:
        step()
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return max(accumulate(event.nbytes() for event in events)) / 2**20


def _training_step(name: str) -> Callable[[], None]:
    import torch
    from spikingjelly.activation_based import functional, layer, neuron, surrogate
    from torch import Tensor, nn

    from snn.memory import keep_freed_memory
    from snn.neurons import NeuronSpec, make_neuron
    from snn.pooling import avg_pool2d

    torch.set_num_threads(1)
    torch.manual_seed(0)
    plain = name.startswith("spikingjelly")
    if name not in ("spikingjelly", "default-allocator"):
        keep_freed_memory()

    class Pool(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return avg_pool2d(x.flatten(0, 1), 2).unflatten(0, x.shape[:2])

    def neurons() -> nn.Module:
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
    if name == "convolutions":
        return _convolutions([m for m in network if isinstance(m, nn.Conv2d | nn.Linear)])
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


def _convolutions(layers: list[Any]) -> Callable[[], None]:
    """Each layer by itself on an input of its shape; the first one's input needs no gradient."""
    import torch

    shapes = [(2, 34, 34), (8, 17, 17), (16, 8, 8), (256,)]
    work = []
    for layer, shape in zip(layers, shapes, strict=True):
        layer.step_mode = "s"
        x = torch.rand(STEPS * BATCH, *shape)
        if len(shape) == 3:
            layer, x = (y.to(memory_format=torch.channels_last) for y in (layer, x))
        work.append((layer, x.requires_grad_(len(work) > 0), torch.rand_like(layer(x))))

    def step() -> None:
        for layer, x, gradient in work:
            x.grad = None
            layer.zero_grad()
            layer(x).backward(gradient)

    return step


def main() -> None:
    if len(sys.argv) > 1:
        _worker(sys.argv[1])
        return
    for row in run():
        print(f"{row['name']:80s} {row['ours']:8.2f} {row['rival']:8.2f} {row['unit']:8s} x{row['ratio']:.2f}")


if __name__ == "__main__":
    main()
