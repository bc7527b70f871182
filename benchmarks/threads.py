"""Two cores, two trainings: a thread each at the same time, or both threads for one after the other.

Wall time, since that is what is shared out; each turn does the same number of training steps both ways, in the recipe
and with the networks of the default benchmark. The default, one thread a job, rests on this.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks._measure import Row

ROOT = Path(__file__).resolve().parent.parent
NETWORKS = ("3c1fc", "resnet8")
STEPS, TURNS = 20, 5


def run(quick: bool = False) -> list[Row]:
    return [_row(network, 2 if quick else STEPS, 1 if quick else TURNS) for network in NETWORKS]


def _row(network: str, steps: int, turns: int) -> Row:
    command = [sys.executable, "-m", "benchmarks.threads", network]
    singles = [_start([*command, "1"]) for _ in range(2)]
    double = _start([*command, "2"])
    try:
        apart, together = [], []
        for _ in range(turns):
            apart.append(_wall(singles, steps))
            together.append(_wall([double], 2 * steps))
    finally:
        for process in (*singles, double):
            process.communicate()
    rates = [2 * steps / median(each) for each in (apart, together)]
    ratio = median(b / a for a, b in zip(apart, together, strict=True))
    name = f"{network}: two trainings at once, a thread each; rival: two threads for one after the other"
    return Row(name, *rates, "steps/s", ratio, ratio)


def _start(command: list[str]) -> subprocess.Popen:
    process = subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    _await(process)  # it is ready
    return process


def _wall(processes: list[subprocess.Popen], steps: int) -> float:
    start = time.perf_counter()
    for process in processes:
        process.stdin.write(f"{steps}\n")
        process.stdin.flush()
    for process in processes:
        _await(process)
    return time.perf_counter() - start


def _await(process: subprocess.Popen) -> None:
    """A process that has ended answers at once: its silence must not count as speed."""
    if not process.stdout.readline():
        raise RuntimeError(f"{' '.join(process.args)} ended before it answered; its reason stands above")


def main(network: str, threads: int) -> None:
    """Do as many training steps as each line of standard input says, and answer with a line."""
    import torch

    from snn import models
    from snn.config.read import read_configuration
    from snn.neurons import make_neuron
    from snn.runtime.memory import keep_freed_memory

    torch.set_num_threads(threads)
    keep_freed_memory()
    default = read_configuration(ROOT / "config/config.yaml")
    batch, t = default.train.batch_size, default.matrix.t_train[0]
    torch.manual_seed(0)
    model = models.build(
        network, default.networks.get(network, {}), (2, 34, 34), 10, lambda: make_neuron(default.neuron)
    )
    frames, labels = torch.poisson(torch.full((t, batch, 2, 34, 34), 0.3)), torch.randint(0, 10, (batch,))
    optimizer = torch.optim.AdamW(model.parameters(), default.train.lr)

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(frames).mean(0), labels).backward()
        optimizer.step()

    for _ in range(2):
        step()
    print("ready", flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            step()
        print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
