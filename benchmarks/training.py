"""Training steps and evaluation of the suite against plain SpikingJelly, and what the methods' steps cost.

A step is forward, cross-entropy on the time-mean of the readout, backward, SGD, of T = 10 and batch 64 on one thread.
Both sides train the same weights on the same frames with the same neurons (IF, soft reset, single spikes, arctan) and
must come to the same loss and gradient. Each contestant lives in a process of its own, since the allocator is a matter
of the process, and they take turns, one step each. Time is the process's own on the processor.

    suite                  the suite's network: fused neurons, channels-last, own pooling, freed memory kept
    spikingjelly           IFNode in step mode "m" and layers of SpikingJelly, as its tutorials write it
    spikingjelly-tuned     the same, channels-last and with freed memory kept
    spikingjelly-compiled  as `spikingjelly`, by torch.compile; skipped by name where there is no C++ compiler
    jax                    3C1FC in JAX, compiled; skipped by name without `SNN_JAX_PYTHON`, an interpreter that has it
    default-allocator      as `suite`, but freed memory goes back to the system
    step-by-step           as `suite`, but for the neurons: `implementation: spikingjelly`
    floor                  the convolutions and the linear layer alone, forward and backward

The methods are compared as the suite runs them (network, neurons, recipe and parameters of `config/config.yaml`, but
for T and batch): a step of each beside one of `sdt`, times what the method itself says it costs in time steps
(`StepResult.time_steps`); for MTT with T_min = 1 that is s(T_min + T_max)/(2 T_max) on average, 1.65 at T = 10.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks._measure import Row, Spent, Unequal, costs, rates, spent
from snn.config.read import read_configuration

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
STEPS, BATCH, SHAPE, CLASSES = 10, 64, (2, 34, 34), 10
DEFAULT = read_configuration(ROOT / "config/config.yaml")
NETWORKS = {"3c1fc": {}, "resnet8": {"readout": "spiking"}}  # the first as published: without normalisation
RIVALS: dict[str, tuple[str, ...]] = {
    "3c1fc": (
        "spikingjelly", "spikingjelly-tuned", "spikingjelly-compiled", "jax",
        "default-allocator", "step-by-step", "floor",
    ),
    "resnet8": ("spikingjelly", "spikingjelly-tuned", "spikingjelly-compiled", "floor"),
}  # fmt: skip
METHODS = ("mtt", "nmt", "tet", "shortcut", "ltl-offline", "ltl-online")
DRAWS = ("mtt", "nmt")
T_EVAL = (1, 2, 3, 4, 5, 6, 8, 10, 20)
WARM_UP, TURNS = 3, 11
# Of the loss and of the gradient's norm. Float32 sums in another order move single spikes, and normalisation carries
# each to all neurons of a channel. (In float64 the two agree to 1e-12: tests/test_benchmarks.py.)
TOLERANCE = {"3c1fc": 1e-3, "resnet8": 5e-2}
DIFFERING = 0.02  # of the decisions


def run(quick: bool = False) -> list[Row]:
    size = {"batch": 4, "steps": 3, "turns": 2, "warm": 1, "contest": _Contest} if quick else {}
    rows: list[Row] = []
    for network in NETWORKS:
        rows += _against_spikingjelly(network, RIVALS[network][:1] if quick else _present(network), **size)
    return rows + _methods("3c1fc", ("mtt", "tet") if quick else METHODS, **size)


def _present(network: str) -> tuple[str, ...]:
    """The network's rivals that this machine has what they need for."""
    missing = {}
    if not any(map(shutil.which, (os.environ.get("CXX", "c++"), "g++", "clang++"))):
        missing["spikingjelly-compiled"] = "torch.compile needs a C++ compiler"
    if not os.environ.get("SNN_JAX_PYTHON"):
        missing["jax"] = "SNN_JAX_PYTHON names no interpreter that has jax"
    for name in RIVALS[network]:
        if name in missing:
            print(f"  skipped: {network}, {name}: {missing[name]}", flush=True)
    return tuple(name for name in RIVALS[network] if name not in missing)


def _against_spikingjelly(
    network: str,
    rivals: tuple,
    batch: int = BATCH,
    steps: int = STEPS,
    turns: int = TURNS,
    warm: int = WARM_UP,
    contest: type[_Contest] | None = None,
) -> list[Row]:
    title = f"{network}, T={steps}, batch {batch}, one thread"
    with (contest or _Processes)(network, ("suite", *rivals), batch, steps) as workers:
        sums = {name: workers.ask(name, "sums") for name in ("suite", *rivals) if name != "floor"}
        for name, told in sums.items():
            for key, value in told.items():
                if abs(value - sums["suite"][key]) > TOLERANCE[network] * abs(sums["suite"][key]):
                    raise Unequal(f"{network}: the {key} of {name} is {value}, the suite's {sums['suite'][key]}")
        ours, theirs = (workers.ask(name, "decisions") for name in ("suite", "spikingjelly"))
        differing = sum(a != b for a, b in zip(ours, theirs, strict=True)) / len(ours)
        if differing > DIFFERING:
            raise Unequal(f"{network}: {differing:.1%} of the decisions differ from plain SpikingJelly's")
        for key, told in sums["suite"].items():
            print(f"  equal to spikingjelly: {network}, {key} {told:.7g} and {sums['spikingjelly'][key]:.7g}")
        print(f"  equal to spikingjelly: {network}, {differing:.2%} of {len(ours)} decisions differ", flush=True)
        taken = workers.turns("step", turns, warm)
        rows = [rates(f"{title}: training step; rival: {r}", taken["suite"], taken[r], "steps/s") for r in rivals]
        taken = workers.turns("evaluate", max(3, turns // 3), 1, ("suite", "spikingjelly"))
        what = f"{title}: evaluation at T = {', '.join(map(str, T_EVAL))}; rival: spikingjelly"
        rows.append(rates(what, taken["suite"], taken["spikingjelly"], "sweeps/s"))
        # The process's peak is of its whole life: asked before the profiler adds to it.
        process, tensors = ({n: workers.ask(n, q) for n in ("suite", "spikingjelly")} for q in ("process", "tensors"))
    rows.append(costs(f"{title}: tensors alive at the peak; rival: spikingjelly", *tensors.values(), "MiB"))
    rows.append(costs(f"{title}: peak of the whole process; rival: spikingjelly", *process.values(), "MiB"))
    return rows


def _methods(
    network: str,
    methods: tuple,
    batch: int = BATCH,
    steps: int = STEPS,
    turns: int = 3 * STEPS,
    warm: int = STEPS,
    contest: type[_Contest] | None = None,
) -> list[Row]:
    """Rows of a step's cost in steps of SDT; the rival is what the method's own count of time steps says."""
    with (contest or _Processes)(network, ("sdt", *methods), batch, steps) as workers:
        taken = workers.turns("step", turns, warm)
        said = {name: workers.ask(name, "time_steps") / steps for name in methods}
    rows = []
    for name in methods:
        if name in DRAWS:  # whole rounds of draws: sums, for the steps differ
            cost = sum(s.cpu for s in taken[name]) / sum(s.cpu for s in taken["sdt"])
            theory = f"s(T_min+T_max)/(2 T_max) = {3 * (1 + steps) / (2 * steps):.2f}"
        else:
            cost = median(m.cpu / s.cpu for m, s in zip(taken[name], taken["sdt"], strict=True))
            theory = "its own count of time steps"
        what = f"{network}, T={steps}: {name}, a step's cost beside sdt's; rival: {theory}"
        rows.append(Row(what, cost, said[name], "x sdt", said[name] / cost))
    return rows


class _Contest:
    """Contestants in this process: a smoke run, where times do not matter."""

    def __init__(self, network: str, names: tuple, batch: int, steps: int) -> None:
        self.names = names
        self.answers = {name: _contestant(network, batch, steps, name) for name in names}

    def __enter__(self) -> _Contest:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ask(self, name: str, word: str) -> Any:
        return self.answers[name](word)

    def turns(self, word: str, turns: int, warm: int, names: tuple = ()) -> dict[str, list[Spent]]:
        taken: dict[str, list[Spent]] = {name: [] for name in names or self.names}
        for turn in range(warm + turns):
            for name, spent_there in taken.items():
                answer = Spent(*self.ask(name, word))
                if turn >= warm:
                    spent_there.append(answer)
        return taken


class _Processes(_Contest):
    """One process a contestant; `ask` sends it a word and waits for its answer."""

    case = ""

    def __init__(self, network: str, names: tuple, batch: int, steps: int) -> None:
        self.names = names
        command = [sys.executable, "-m", "benchmarks.training", network, str(batch), str(steps)]
        pipes = {"cwd": ROOT, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.processes = {name: subprocess.Popen([*command, name], **pipes) for name in names if name != "jax"}
        if "jax" in names:
            self.case = self.ask("suite", "case")
            rival = [os.environ["SNN_JAX_PYTHON"], str(HERE / "_jax_rival.py"), self.case]
            self.processes["jax"] = subprocess.Popen(rival, **pipes)

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.stdin.close()
            process.wait(60)
        if self.case:
            shutil.rmtree(Path(self.case).parent, ignore_errors=True)

    def ask(self, name: str, word: str) -> Any:
        process = self.processes[name]
        print(word, file=process.stdin, flush=True)
        if not (answer := process.stdout.readline()):
            raise RuntimeError(f"the contestant {name} ended before it answered {word!r}; its reason stands above")
        return json.loads(answer)


def _contestant(network: str, batch: int, steps: int, name: str) -> Callable[[str], Any]:
    """Answers to words: do what the word says, and tell what it cost or came to."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    make = _of_spikingjelly if name in _CONTESTANTS else _of_method
    can = make(network, batch, steps, name)

    def answer(word: str) -> Any:
        if word in ("step", "evaluate"):
            return spent(can[word])
        if word == "tensors":
            return _peak_of_tensors(can["step"])
        if word == "process":
            import resource

            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return can[word]()

    return answer


_CONTESTANTS = {"suite", *(r for rivals in RIVALS.values() for r in rivals)}


def _peak_of_tensors(step: Callable[[], None]) -> float:
    """MiB of the tensors that a step makes, at the moment when most are alive."""
    import torch

    with torch.profiler.profile(profile_memory=True) as profile:
        step()
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return max(accumulate(event.nbytes() for event in events)) / 2**20


def _of_spikingjelly(network: str, batch: int, steps: int, name: str) -> dict[str, Callable]:
    import torch

    from benchmarks._plain import plain
    from snn import models
    from snn.neurons import NeuronSpec, make_neuron
    from snn.runtime.memory import keep_freed_memory
    from snn.training.evaluate import decide

    if name not in ("spikingjelly", "default-allocator"):
        keep_freed_memory()
    way = "spikingjelly" if name == "step-by-step" else "auto"
    spec = NeuronSpec(surrogate={"name": "arctan"}, reset="soft", implementation=way)
    model = models.build(network, NETWORKS[network], SHAPE, CLASSES, lambda: make_neuron(spec))
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    with torch.no_grad():  # weights with which every layer fires
        for layer in layers:
            layer.weight.normal_(0.1, 1.0, generator=torch.Generator().manual_seed(1)).mul_(
                2 / layer.weight[0].numel() ** 0.5
            )
    frames = (torch.rand(max(steps, *T_EVAL), batch, *SHAPE) < 0.1).float()
    labels = torch.randint(0, CLASSES, (batch,))
    if name == "floor":
        return {"step": _floor(model, frames[:steps])}
    if name.startswith("spikingjelly"):
        theirs = plain(network, SHAPE, CLASSES)
        for ours, copy in zip(model.parameters(), theirs.parameters(), strict=True):
            copy.data.copy_(ours.data)
        model = theirs
    if name == "spikingjelly-compiled":
        model = torch.compile(model)
    if name == "spikingjelly-tuned":
        model = model.to(memory_format=torch.channels_last)
        frames = frames.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, frames.shape[:2])
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)

    def forward_backward() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(frames[:steps]).mean(0), labels)
        loss.backward()
        return loss

    def step() -> None:
        forward_backward()
        optimizer.step()

    def sums() -> dict[str, float]:
        loss = forward_backward().item()
        return {"loss": loss, "gradient": torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item()}

    @torch.no_grad()
    def decisions() -> list[int]:
        model.eval()
        found = torch.cat([decide(model(frames[:t]), True) for t in T_EVAL]).tolist()
        model.train()
        return found

    def case() -> str:
        """A file of what the contestant in JAX needs; the weights are those before any step."""
        path = Path(tempfile.mkdtemp(prefix="snn-")) / "case.npz"
        weights = {f"weight{i}": layer.weight.detach().numpy() for i, layer in enumerate(layers)}
        np.savez(path, frames=frames[:steps].numpy(), labels=labels.numpy(), **weights)
        return str(path)

    return {"step": step, "sums": sums, "decisions": decisions, "evaluate": decisions, "case": case}


def _floor(model: Any, frames: Any) -> Callable[[], None]:
    """Each layer by itself on an input of its shape; those that read the frames need no gradient of them."""
    import torch

    inputs: list[tuple[Any, Any]] = []
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    handles = [m.register_forward_pre_hook(lambda m, x: inputs.append((m, x[0].detach().clone()))) for m in layers]
    with torch.no_grad():
        model(frames)
    for handle in handles:
        handle.remove()
    work = [(m, x.requires_grad_(i > 0), torch.rand_like(m(x))) for i, (m, x) in enumerate(inputs)]

    def step() -> None:
        for layer, x, gradient in work:
            x.grad = None
            layer.zero_grad()
            layer(x).backward(gradient)

    return step


def _of_method(network: str, batch: int, steps: int, name: str) -> dict[str, Callable]:
    import torch
    from torch import nn

    from snn import methods
    from snn.models.blueprint import Blueprint
    from snn.runtime.memory import keep_freed_memory
    from snn.training.loop import generator
    from snn.training.method import Run
    from snn.training.optimisation import optimizer_for

    keep_freed_memory()
    train = DEFAULT.train.model_copy(update={"batch_size": batch})
    values, cls = DEFAULT.networks.get(network, {}), methods.find(name)
    params = methods.parameters(name, DEFAULT.methods.get(name, {}))
    blueprint = Blueprint(network, values, SHAPE, CLASSES, DEFAULT.neuron, steps)
    teacher = blueprint.build(nn.ReLU).eval().requires_grad_(False) if cls.teacher(params) else None
    run = Run(
        t_train=steps, classes=CLASSES, input_shape=SHAPE, epochs=1, iterations=100, train=train,
        steps=generator(0, "steps"), teacher=teacher, labels=torch.arange(batch) % CLASSES,
    )  # fmt: skip
    method = cls(params, run)
    model = method.prepare(cls.build(params, blueprint)).train()
    optimizer = optimizer_for(model.parameters(), train)
    x, y = torch.poisson(torch.full((steps, batch, *SHAPE), 0.17)), torch.randint(0, CLASSES, (batch,))
    counted: list[float] = []
    if name in DRAWS:
        method.draw = _rounds(name, steps)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        counted.append(method.step(model, x, y).time_steps)
        nn.utils.clip_grad_norm_(model.parameters(), train.clip_norm)
        optimizer.step()

    return {"step": step, "time_steps": lambda: sum(counted) / len(counted)}


def _rounds(name: str, t_max: int) -> Callable[[int], list[int]]:
    """Draws of MTT or NMT in rounds: within t_max of them each stage has every number of steps once, in random order.
    The mean cost is then the expected one, whatever the stages' shares in it."""
    import torch

    g, left = torch.Generator().manual_seed(0), []

    def draw(stages: int) -> list[int]:
        if not left:
            one = [torch.randperm(t_max, generator=g) + 1 for _ in range(stages if name == "mtt" else 1)]
            left.extend(torch.stack(one * (stages if name == "nmt" else 1), 1).tolist())
        return left.pop()

    return draw


if __name__ == "__main__":
    answer = _contestant(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    for line in sys.stdin:
        print(json.dumps(answer(line.strip())), flush=True)
