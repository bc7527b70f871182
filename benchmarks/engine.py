"""The event-driven engine beside the machine's own ceiling, a network with a clock, and sinabs.

    python -m benchmarks.engine

Synaptic operations (SynOps) are membrane updates: one weight added, compared and clipped. Every figure is the best of
several runs on one core and in CPU time, so that a busy machine does not change it; the scaling over two threads is in
wall time (of both sides) and needs two idle cores. SNN_NMNIST: a folder of N-MNIST recordings (synthetic ones
otherwise). SNN_SINABS_PYTHON: the interpreter of an environment with sinabs (not measured otherwise).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks._networks import blobs, nmnist_recordings, three_conv, vggsnn
from snn.events import EventNetwork

RATE = 1.0  # spikes that each layer emits for each event that reaches it


def run() -> list[dict]:
    """Rows of name, ours, rival, unit, ratio: ours / rival, of seconds rival / ours. rival None: not measured."""
    recordings, what = nmnist_recordings()
    small = three_conv(recordings[0], RATE)
    large_events = blobs(np.random.default_rng(2), 4000, 128, 1_000_000)
    large = vggsnn(large_events, RATE)
    cases = [
        (f"3C1FC, {what}", small, recordings),
        ("VGGSNN layers, synthetic events 128 x 128", large, [large_events] * 2),
    ]
    rows = []
    for mode, dtype in (("float", np.float32), ("int8", np.int16)):
        top = ceiling(dtype)
        for name, network, parts in cases:
            rate = synops(network, mode, parts)
            rows.append(row(f"engine: {name}, {mode}; rival: pure L1 additions", rate, top, "GSynOps/s"))
            one, two = (synops(network, mode, parts * 2, n, time.perf_counter) for n in (1, 2))
            rows.append(row(f"engine: {name}, {mode}, 2 threads; rival: 1 thread", two, one, "GSynOps/s"))
    one, two = (ceiling(np.float32, n, time.perf_counter) for n in (1, 2))
    rows.append(row("this machine now: pure L1 additions on 2 threads; rival: 1 thread", two, one, "GSynOps/s"))
    ours = len(recordings) / best(batch_of(small, "float", recordings, 1))
    clock = 1 / (clock_step(small, recordings) * np.mean([len(r) for r in recordings]))
    rows.append(row("engine: 3C1FC float; rival: torch with a clock, one event a step", ours, clock, "recordings/s"))
    sinabs = sinabs_seconds(small, recordings[0])
    alone = 1 / best(batch_of(small, "float", recordings[:1], 1))
    rows.append(
        row("engine: 3C1FC float; rival: sinabs, one event a step", alone, sinabs and 1 / sinabs, "recordings/s")
    )
    cold, warm = first_call()
    rows.append(row("engine: first call, compiled before; rival: never compiled", warm, cold, "s", lower=True))
    return rows


def row(name: str, ours: float, rival: float | None, unit: str, lower: bool = False) -> dict:
    ratio = None if not rival else (rival / ours if lower else ours / rival)
    return {"name": name, "ours": ours, "rival": rival, "unit": unit, "ratio": ratio}


def best(once: Callable[[], object], seconds: float = 1.5, clock: Callable[[], float] = time.process_time) -> float:
    """Shortest of as many runs (at least 3) as fit into `seconds`: the run that was disturbed least."""
    times: list[float] = []
    while len(times) < 3 or sum(times) < seconds:
        start = clock()
        once()
        times.append(clock() - start)
    return min(times)


def batch_of(network: EventNetwork, mode: str, recordings: list[np.ndarray], threads: int) -> Callable:
    engine = network.engine(mode)
    offsets = np.cumsum([0, *(len(r) for r in recordings)])
    events = np.concatenate(recordings)
    engine.run_batch(events[:1], np.array([0, 1]))  # compiled
    return lambda: engine.run_batch(events, offsets, threads=threads)


def synops(
    network: EventNetwork,
    mode: str,
    recordings: list[np.ndarray],
    threads: int = 1,
    clock: Callable[[], float] = time.process_time,
) -> float:
    """10^9 synaptic operations a second, everything included that a batch costs."""
    batch = batch_of(network, mode, recordings, threads)
    return float(batch().synops.sum()) / best(batch, clock=clock) / 1e9


def ceiling(dtype: type, threads: int = 1, clock: Callable[[], float] = time.process_time) -> float:
    """10^9 additions v += w a second, over two arrays of 8 KiB a thread that stay in the first-level cache."""
    from numba import njit

    @njit(nogil=True)
    def add(v, w, n):  # type: ignore[no-untyped-def]
        for _ in range(n):
            for i in range(len(v)):
                v[i] += w[i]

    size = 8192 // np.dtype(dtype).itemsize
    arrays = [(np.zeros(size, dtype), np.zeros(size, dtype)) for _ in range(threads)]
    add(*arrays[0], 1)
    with ThreadPoolExecutor(threads) as pool:

        def once() -> None:
            for done in [pool.submit(add, v, w, 20_000) for v, w in arrays]:
                done.result()

        return threads * size * 20_000 / best(once, 0.5, clock) / 1e9


def clock_step(network: EventNetwork, recordings: list[np.ndarray], batch: int = 32, steps: int = 32) -> float:
    """Seconds a step and recording of the same network with a clock, in torch, one event a step.

    As fast as torch lets it be: `batch` recordings at once, and each layer's convolution over all `steps` at once.
    """
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    recordings = (recordings * batch)[:batch]
    frames = torch.zeros(steps, batch, *network.input_shape)
    for i, events in enumerate(recordings):
        for step in range(min(steps, len(events))):
            frames[step, i, events["p"][step], events["y"][step], events["x"][step]] = 1
    weights = [torch.tensor(s.weight) for s in network.synapses]

    def once() -> None:
        with torch.no_grad():
            x = frames
            for population, synapse, weight in zip(network.populations, network.synapses, weights, strict=True):
                flat = x.flatten(0, 1)
                if synapse.pool > 1:
                    flat = functional.avg_pool2d(flat, synapse.pool, divisor_override=1)
                if synapse.kind == "conv":
                    current = functional.conv2d(flat, weight, None, synapse.stride, synapse.padding)
                else:
                    current = functional.linear(flat.flatten(1), weight)
                current = current.view(steps, batch, *population.shape)
                v, spikes = torch.zeros(batch, *population.shape), torch.empty_like(current)
                for step in range(steps):
                    v += current[step]
                    torch.ge(v, population.threshold, out=spikes[step])
                    v.sub_(spikes[step], alpha=population.threshold).clamp_(min=population.v_min)
                x = spikes

    return best(once) / (steps * batch)


def sinabs_seconds(network: EventNetwork, events: np.ndarray) -> float | None:
    """Seconds that sinabs takes for one recording in bins of one event; None where it is not installed."""
    python = os.environ.get("SNN_SINABS_PYTHON")
    if not python:
        return None
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder) / "case.npz"
        weights = {f"weight{i}": s.weight for i, s in enumerate(network.synapses)}
        np.savez(case, **weights, **{name: events[name] for name in "xyp"})
        script = Path(__file__).with_name("_sinabs_rival.py")
        done = subprocess.run([python, script, case], capture_output=True, text=True)
    if done.returncode:
        print(f"sinabs could not be measured: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def first_call() -> tuple[float, float]:
    """Seconds to the first result in a new process: with an empty cache, and with the one that this leaves behind."""
    code = (
        "import time; start = time.perf_counter()\n"
        "import numpy as np; from snn.events import EventNetwork, Population, Synapse\n"
        "net = EventNetwork((1, 1, 1), [Population('a', (1, 1, 1))], [Synapse('input', 'a', 'identity')])\n"
        "net.engine().run([0], [0], [0], [0]); print(time.perf_counter() - start)"
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": folder}
        times = [
            float(subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True).stdout)
            for _ in range(2)
        ]
    return times[0], times[1]


def main() -> None:
    for r in run():
        rival = "not measured" if r["rival"] is None else f"{r['rival']:.4g}"
        ratio = "" if r["ratio"] is None else f"x {r['ratio']:.3g}"
        print(f"{r['name']:<95} {r['ours']:>9.4g} {rival:>13} {r['unit']:<13} {ratio}")


if __name__ == "__main__":
    main()
