"""The event-driven engine beside the machine's own ceiling, a clock-driven network, and sinabs.

Synaptic operations (SynOps) are membrane updates: one weight added, compared and clipped. Everything that a batch costs
is counted. SNN_NMNIST: a folder of N-MNIST recordings (the embedded saccades otherwise). SNN_SINABS_PYTHON: the
interpreter of an environment with sinabs (not measured otherwise).
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
from statistics import median

import numpy as np

from benchmarks import _clock
from benchmarks._measure import Row, Spent, Unequal, costs, rates, reason, require_equal, spent, turns
from benchmarks._networks import blobs, nmnist_recordings, three_conv, vggsnn
from snn.events import Engine, EventNetwork

HERE = Path(__file__).resolve().parent


def run(quick: bool = False) -> list[Row]:
    recordings, what = nmnist_recordings(10 if quick else 60)
    recordings = [r[:300] for r in recordings] if quick else recordings
    events = blobs(np.random.default_rng(2), 60 if quick else 4000, 128, 1_000_000)
    small = three_conv(recordings[0])
    cases = [(f"3C1FC, {what}", small, recordings)]
    if not quick:  # its weights alone take seconds
        cases.append(("VGGSNN layers, synthetic events 128 x 128", vggsnn(events), [events]))
    seconds = 0.1 if quick else 6.0
    rows = []
    for mode, dtype in (("float", np.float32), ("int8", np.int16)):
        for name, network, parts in cases:
            rows += throughput(f"{name}, {mode}", network, mode, parts, dtype, seconds)
    rows += rivals(small, recordings[:2] if quick else recordings[:16], 2 if quick else 3)
    return rows if quick else [*rows, *first_call(), *memory()]


def throughput(name: str, network: EventNetwork, mode: str, parts: list, dtype: type, seconds: float) -> list[Row]:
    """One thread beside the ceiling; two threads beside one, for the engine and for the additions alone."""
    two_parts = parts * (2 if len(parts) > 1 else 4)
    batch, twice, doubled = (batch_of(network, mode, p, n) for p, n in ((parts, 1), (two_parts, 1), (two_parts, 2)))
    add, added = additions(dtype, 1), additions(dtype, 2)
    synops, synops_two = float(batch().synops.sum()), float(twice().synops.sum())
    require_equal(f"{name}, two threads", doubled().counts, twice().counts)
    t = turns({"engine": batch, "additions": add}, seconds)
    count = ADDITIONS * 8192 / np.dtype(dtype).itemsize
    one = rates(
        f"{name}; rival: pure L1 additions", t["engine"], t["additions"], "GSynOps/s", synops / 1e9, count / 1e9
    )
    t = turns({"one": twice, "two": doubled, "add one": add, "add two": added}, seconds)
    two = rates(f"{name}, 2 threads; rival: 1 thread", t["two"], t["one"], "GSynOps/s", synops_two / 1e9, wall=True)
    plain = rates(
        f"{name}, this machine meanwhile: pure additions, 2 threads; rival: 1 thread",
        t["add two"], t["add one"], "G/s", 2 * count / 1e9, count / 1e9, wall=True,
    )  # fmt: skip
    work = costs(
        f"{name}, processor time on 2 threads; rival: on 1 thread",
        median(s.cpu for s in t["two"]), median(s.cpu for s in t["one"]), "s",
    )  # fmt: skip
    return [one, two, plain, work]


def batch_of(network: EventNetwork, mode: str, recordings: list[np.ndarray], threads: int) -> Callable:
    engine = Engine(network, mode)
    offsets = np.cumsum([0, *(len(r) for r in recordings)])
    events = np.concatenate(recordings)
    engine.run_batch(events[:1], np.array([0, 1]))  # compiled
    return lambda: engine.run_batch(events, offsets, threads=threads)


ADDITIONS = 20_000  # passes over the arrays


def additions(dtype: type, threads: int) -> Callable[[], None]:
    """v += w over two arrays of 8 KiB a thread, which stay in the first-level cache: the machine's ceiling."""
    from numba import njit

    @njit(nogil=True)
    def add(v, w, n):  # type: ignore[no-untyped-def]
        for _ in range(n):
            for i in range(len(v)):
                v[i] += w[i]

    size = 8192 // np.dtype(dtype).itemsize
    arrays = [(np.zeros(size, dtype), np.zeros(size, dtype)) for _ in range(threads)]
    add(*arrays[0], 1)
    pool = ThreadPoolExecutor(threads)

    def once() -> None:
        for done in [pool.submit(add, v, w, ADDITIONS) for v, w in arrays]:
            done.result()

    return once


def rivals(network: EventNetwork, recordings: list[np.ndarray], takes: int) -> list[Row]:
    """Recordings a second beside torch and sinabs, clock-driven, which must give the same spikes."""
    layers, columns = layers_of(network), [np.stack([r["p"], r["y"], r["x"]], 1).astype(int) for r in recordings]
    batch = batch_of(network, "float", recordings, 1)

    def torch_clock() -> dict:
        return _clock.run(layers, columns, network.input_shape)

    rows = []
    for name, rival in (("torch", torch_clock), ("sinabs", lambda: sinabs_clock(layers, columns, network.input_shape))):
        ours, theirs = [], []
        for _ in range(takes if name == "torch" else 1):
            repeats = [spent(batch) for _ in range(9)]
            ours.append(Spent(*(median(column) for column in zip(*repeats, strict=True))))
            told = rival()
            if told is None:
                break
            theirs.append(Spent(told["cpu"], told["wall"]))
        title = f"3C1FC float; rival: {name}, clock-driven, one spike a step, {len(recordings)} recordings at once"
        if not theirs:
            rows.append(Row(title, len(recordings) / ours[0].cpu, None, "recordings/s", None))
            continue
        result = batch()
        if not result.spikes.all(1).any():
            raise Unequal("the recordings are too short: no spike reaches the output, nothing is compared")
        for key, mine in (("spikes", result.spikes), ("counts", result.counts), ("predictions", result.prediction)):
            require_equal(f"{name}, clock-driven, {key}", mine, told[key])
        print(
            f"  equal to {name}: {len(recordings)} recordings, {sum(map(len, recordings)):,} events; spikes of each "
            f"layer {result.spikes.sum(0).tolist()}, counts and predictions",
            flush=True,
        )
        rows.append(rates(title, ours, theirs, "recordings/s", len(recordings)))
    return rows


def layers_of(network: EventNetwork) -> list[dict]:
    return [
        {"weight": s.weight, "stride": s.stride, "padding": s.padding, "pool": s.pool, "shape": p.shape}
        for s, p in zip(network.synapses, network.populations, strict=True)
    ]


def sinabs_clock(layers: list[dict], recordings: list[np.ndarray], input_shape: tuple) -> dict | None:
    """What `_clock.run` tells, with sinabs's neurons; None where it is not installed."""
    python = os.environ.get("SNN_SINABS_PYTHON")
    if not python:
        return None
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder) / "case.npz"
        weights = {f"weight{i}": layer["weight"] for i, layer in enumerate(layers)}
        how = json.dumps([{k: v for k, v in layer.items() if k != "weight"} for layer in layers])
        offsets = np.cumsum([0, *map(len, recordings)])
        np.savez(
            case, **weights, layers=how, events=np.concatenate(recordings), offsets=offsets, input_shape=input_shape
        )
        done = subprocess.run([python, HERE / "_sinabs_rival.py", case], capture_output=True, text=True)
    if done.returncode:
        print(f"sinabs could not be measured: {reason(done)}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def first_call() -> list[Row]:
    """Seconds to the first result in a new process: with an empty cache, and with the one that this leaves behind."""
    code = (
        "import numpy as np; from snn.events import Engine, EventNetwork, Population, Synapse\n"
        "net = EventNetwork((1, 1, 1), [Population('a', (1, 1, 1))], [Synapse('input', 'a', 'identity')])\n"
        "events = np.zeros(1, [('t', '<i8'), ('x', '<u2'), ('y', '<u2'), ('p', 'u1')])\n"
        "Engine(net).run_batch(events, np.array([0, 1]))"
    )
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            start = time.perf_counter()
            environment = os.environ | {"NUMBA_CACHE_DIR": folder}
            subprocess.run([sys.executable, "-c", code], cwd=HERE.parent, env=environment, check=True)
            seconds.append(time.perf_counter() - start)
    return [costs("new process to first result, compiled before; rival: never compiled", seconds[1], seconds[0], "s")]


def memory() -> list[Row]:
    """By how much a process's peak grows while an engine runs (less than 1 MiB counts as 1): not with the work."""

    def grown(recordings: int, events: int) -> float:
        command = [sys.executable, "-m", "benchmarks._memory", str(recordings), str(events)]
        return max(
            1.0, float(subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=True).stdout)
        )

    case = "3C1FC, growth of the peak memory over"
    return [
        costs(f"{case} 2000 recordings; rival: over 200", grown(2000, 2000), grown(200, 2000), "MiB"),
        costs(f"{case} a recording of 10 million events; rival: of 1 million", grown(1, 10**7), grown(1, 10**6), "MiB"),
    ]
