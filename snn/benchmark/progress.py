"""How far a benchmark is, from its files and the processes of this machine: what `make reproduce` shows while it runs.

The files say which jobs are done, what they cost and in which epoch a training is, the processes which jobs run here
(`train <cell> --configfile …`). Nothing has to be told by the workflow, so that the same is seen of a run that somebody
else started.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import psutil

from snn.benchmark.cell import Cell
from snn.benchmark.epochs import read_epoch
from snn.benchmark.layout import PHASES
from snn.benchmark.plan import Plan
from snn.benchmark.status import state
from snn.errors import DataError

COMMANDS = (*PHASES, "adopt", "convert", "export-frames", "collect", "report", "mlflow-sync")
"""What the workflow runs as `snn COMMAND`; the first ones of a cell, with its key."""
RESULTS = ("done", "diverged", "refused")
"""The states of a job that has ended: a training that diverged is a result."""
SHARE = 0.1
"""Share of the work after which the pace of this run is a better measure than the number of running jobs."""

Job = tuple[Cell, str]


class Running(NamedTuple):
    """A job that runs on this machine.

    command: e.g. `train`; subject: the key of its cell, the name of its data set, or empty; seconds: since it started;
    epoch, epochs, accuracy: of a training after its first epoch, the accuracy on the validation split, None where
        it was not evaluated then.
    """

    command: str
    subject: str
    seconds: float
    epoch: int = 0
    epochs: int = 0
    accuracy: float | None = None


class Progress(NamedTuple):
    """One look at a benchmark.

    states: how many jobs are in each state of `snn.benchmark.status`; seconds_left: until the last cell is done, None
    where no job of the benchmark has been measured; complete: False where `seconds_left` is a guess, since some job to
    come has no measured cost of its own method; dataset: the only one, which need not be named then, or empty.
    """

    cells: int
    cells_done: int
    jobs: int
    jobs_done: int
    states: dict[str, int]
    running: tuple[Running, ...]
    seconds_left: float | None
    complete: bool
    dataset: str = ""


class Observer:
    """Looks at one benchmark again and again; what it has read is read again only where a file changed.

    processes: gives the jobs that run (`running_jobs` of this benchmark); clock: seconds of a monotonic clock.
    """

    def __init__(
        self,
        plan: Plan,
        processes: Callable[[], Sequence[Running]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.plan = plan
        self._jobs: list[Job] = [(cell, phase) for cell in plan.all_cells for phase in plan.phases(cell)]
        self._named = {(phase, cell.key): (cell, phase) for cell, phase in self._jobs}  # as `Running` names them
        self._processes = processes or (lambda: running_jobs(plan.layout.configuration))
        self._clock = clock
        self._read: dict[Job, tuple[tuple[float, ...], str, float | None]] = {}
        self._first: tuple[float, float] | None = None  # (time, seconds of work left) when all costs were known first

    def look(self) -> Progress:
        """The state of all jobs now."""
        running = tuple(self._with_epoch(job) for job in self._processes())
        states: dict[Job, str] = {}
        costs: dict[Job, float] = {}
        for job in self._jobs:
            states[job], seconds = self._state(job)
            if seconds is not None:
                costs[job] = seconds
        for current in running:  # a training tells its cost before it ends
            if current.epoch and (known := self._named.get(current[:2])):
                costs.setdefault(known, current.seconds * current.epochs / current.epoch)
        states |= {self._named[name]: "running" for job in running if (name := job[:2]) in self._named}
        left, complete = self._left(states, costs, running)
        counted = {name: list(states.values()).count(name) for name in dict.fromkeys(states.values())}
        unfinished = {cell for (cell, _), name in states.items() if name not in RESULTS}
        return Progress(
            cells=len(self.plan.all_cells),
            cells_done=len(self.plan.all_cells) - len(unfinished),
            jobs=len(states),
            jobs_done=sum(name in RESULTS for name in states.values()),
            states=counted,
            running=running,
            seconds_left=left,
            complete=complete,
            dataset=self.plan.datasets[0] if len(self.plan.datasets) == 1 else "",
        )

    def _state(self, job: Job) -> tuple[str, float | None]:
        """(state, measured seconds) of a job; of an earlier configuration or code the seconds are a measure too."""
        cell, phase = job
        folder = self.plan.layout.cell(cell)
        paths = folder.phase(phase) / "record.json", folder.checkpoint, self.plan.layout.failure(cell, phase)
        stamps = tuple(changed(path) for path in paths)
        if job not in self._read or self._read[job][0] != stamps:
            seconds = None
            if stamps[0]:
                try:
                    seconds = float(folder.record(phase)["seconds"])
                except (DataError, KeyError, ValueError, OSError):
                    seconds = None  # damaged, or removed by Snakemake at this moment
            self._read[job] = stamps, state(self.plan, cell, phase), seconds
        return self._read[job][1:]

    def _with_epoch(self, job: Running) -> Running:
        if job.command != "train":
            return job
        last = read_epoch(self.plan.layout, job.subject, since=time.time() - job.seconds)
        return job._replace(epoch=last.epoch, epochs=last.epochs, accuracy=last.accuracy) if last else job

    def _left(
        self, states: dict[Job, str], costs: dict[Job, float], running: Sequence[Running]
    ) -> tuple[float | None, bool]:
        """(seconds until the last cell is done, whether every job to come has a measured cost of its own method)."""
        waiting = [job for job, name in states.items() if name not in RESULTS]
        if not waiting:
            return 0.0, True
        measured = Costs(costs)
        now = {(job.subject, job.command): job for job in running}
        work, longest, complete = 0.0, 0.0, True
        for cell, phase in waiting:
            cost = measured.of(cell, phase)
            current = now.get((cell.key, phase))
            complete = complete and measured.knows(cell, phase)
            if cost is None:
                continue
            if current and current.epoch:
                cost *= 1 - current.epoch / current.epochs
            elif current:
                cost = max(0.0, cost - current.seconds)
            work, longest = work + cost, max(longest, cost)
        if not costs:
            return None, False
        clock = self._clock()
        if self._first is None and complete:
            self._first = clock, work
        since, at_first = self._first or (clock, work)
        if at_first - work > SHARE * at_first:  # jobs at once, their start and a loaded machine are in the pace
            return max(longest, work * (clock - since) / (at_first - work)), complete
        return max(longest, work / max(1, len(running))), complete


class Costs:
    """What a job costs, from the measured seconds of those most like it: the same cell but for its seed, else the same
    method, else the same network, data set or phase."""

    def __init__(self, seconds: dict[Job, float]) -> None:
        groups: dict[tuple[object, ...], list[float]] = {}
        for (cell, phase), value in seconds.items():
            for kind in self._kinds(cell, phase):
                groups.setdefault(kind, []).append(value)
        self._mean = {kind: fmean(values) for kind, values in groups.items()}

    def of(self, cell: Cell, phase: str) -> float | None:
        """Seconds; None where no job of this phase has been measured."""
        return next((self._mean[kind] for kind in self._kinds(cell, phase) if kind in self._mean), None)

    def knows(self, cell: Cell, phase: str) -> bool:
        """Whether a job of this phase and method, on this network and data set, has been measured."""
        return (phase, cell.dataset, cell.network, cell.method) in self._mean

    @staticmethod
    def _kinds(cell: Cell, phase: str) -> Iterable[tuple[object, ...]]:
        whole = (phase, cell.dataset, cell.network, cell.method, cell.t_train)
        return (whole[:length] for length in range(len(whole), 0, -1))


def changed(path: Path) -> float:
    """When a file was written, 0 where there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def running_jobs(configuration: Path) -> list[Running]:
    """The jobs of this machine that read this resolved configuration, the longest running first."""
    wanted, found = configuration.resolve(), []
    for process in psutil.process_iter(["cmdline"]):
        command = parsed(process.info["cmdline"] or [])
        if command is None:
            continue
        name, subject, config = command
        try:
            if (Path(process.cwd()) / config).resolve() == wanted:
                found.append(Running(name, subject, max(0.0, time.time() - process.create_time())))
        except (psutil.Error, OSError):  # it has ended, or belongs to somebody else
            continue
    return sorted(found, key=lambda job: (-job.seconds, job.subject))


def parsed(words: Sequence[str]) -> tuple[str, str, str] | None:
    """(command, cell or data set, configuration) of a job's command line; None where it is not one."""
    for i, word in enumerate(words[:3]):
        if (word in ("snn", "snn.warm") and i and words[i - 1] == "-m") or Path(word).name == "snn":
            rest = words[i + 1 :]
            break
    else:
        return None
    if not rest or rest[0] not in COMMANDS or "--configfile" not in rest[:-1]:
        return None
    subject = rest[1] if len(rest) > 1 and not rest[1].startswith("-") else ""
    return ("train" if rest[0] == "adopt" else rest[0]), subject, rest[rest.index("--configfile") + 1]


# --- in words


def cells_text(progress: Progress) -> str:
    """`12/54 cells`, with what went wrong."""
    words = [f"{progress.cells_done}/{progress.cells} cells"]
    words += [f"{progress.states[name]} {name}" for name in ("failed", "diverged") if progress.states.get(name)]
    return ", ".join(words)


def running_text(progress: Progress) -> str:
    """`train 3c1fc/mtt/T6/seed0 (epoch 2/3, validation 81.2 %), deploy …`, the longest running first."""
    return ", ".join(job_text(job, progress.dataset) for job in progress.running)


def job_text(job: Running, dataset: str) -> str:
    """One job, without the name of the only data set."""
    words = f"{job.command} {job.subject.removeprefix(f'{dataset}/')}".strip()
    if not job.epochs:
        return words
    validation = "" if job.accuracy is None else f", validation {100 * job.accuracy:.1f} %"
    return f"{words} (epoch {job.epoch}/{job.epochs}{validation})"


def left_text(progress: Progress) -> str:
    """`about 4 min left`, or that nothing has been measured yet."""
    if progress.cells_done == progress.cells:
        return "all cells done"
    if progress.seconds_left is None:
        return "time left: known after the first jobs"
    about = "about" if progress.complete else "perhaps"
    return f"{about} {duration(progress.seconds_left)} left"


def line_text(progress: Progress) -> str:
    """All of it in one line."""
    parts = cells_text(progress), f"{progress.jobs_done}/{progress.jobs} jobs", left_text(progress)
    return " · ".join(part for part in (*parts, running_text(progress)) if part)


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h 05 min`, `2 d 4 h`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"
