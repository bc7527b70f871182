"""One network, deployed in several settings on the same recordings."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from snn.deployment.recordings import Recordings
from snn.errors import UserError
from snn.events import Engine, EventNetwork, from_nir, load
from snn.events.deployment import TRAINED, Deployment, LowerBound, bound_label
from snn.statistics import Interval, paired_proportions, proportion_interval

if TYPE_CHECKING:
    import nir

BOUNDS = (1, 2, 4, 8)
"""The default lower bounds, in thresholds below 0; none at all is one too."""


@dataclass(frozen=True)
class Row:
    """One setting on n recordings.

    labels, predictions: int64 [n], a prediction is -1 without any output; spikes: [n, P] of each population; synops:
    [n, S] of each synapse; refused: why this setting cannot be run (the arrays are then empty).
    """

    setting: Deployment
    labels: np.ndarray
    predictions: np.ndarray
    spikes: np.ndarray
    synops: np.ndarray
    refused: str = ""

    @property
    def correct(self) -> np.ndarray:
        return self.predictions == self.labels

    @property
    def accuracy(self) -> Interval:
        """With Wilson's interval over recordings."""
        return proportion_interval(int(self.correct.sum()), len(self.correct))

    def change(self, other: Row) -> Interval:
        """Accuracy minus that of another setting, paired by recording; the interval speaks of new recordings."""
        return paired_proportions(self.correct, other.correct)


@dataclass(frozen=True)
class Evaluation:
    """rows: the first one is the network as its file has it; all on the same recordings, and one at least was run."""

    source: str
    network: EventNetwork
    recordings: Recordings
    rows: Sequence[Row]

    @property
    def first(self) -> Row:
        """The first row that could be run, which the others are compared with."""
        return next(row for row in self.rows if not row.refused)

    def row(self, setting: Deployment) -> Row | None:
        """The row of a setting that could be run."""
        return next((row for row in self.rows if row.setting == setting and not row.refused), None)

    def table(self) -> list[dict[str, Any]]:
        """One mapping a setting, with full precision: accuracy and its changes are fractions, spikes and synaptic
        operations means for one recording."""
        table = []
        for row in self.rows:
            setting = row.setting
            line: dict[str, Any] = {"mode": setting.name, "numbers": setting.numbers}
            line |= {"v_min": self.bound(setting), "reset": self.reset(setting), "n": len(row.labels)}
            if not row.refused:
                accuracy, change = row.accuracy, row.change(self.first)
                line |= {"accuracy": accuracy.mean, "accuracy_low": accuracy.low, "accuracy_high": accuracy.high}
                line |= {"change": change.mean, "change_low": change.low, "change_high": change.high}
                line |= {"no_output": int((row.predictions == -1).sum())}
                line |= {"spikes": row.spikes.sum(1).mean(), "synops": row.synops.sum(1).mean()}
            table.append(line | {"refused": row.refused})
        return table

    def bound(self, setting: Deployment) -> str:
        """The lower bound of a setting, for people; that of the file may differ between populations."""
        if setting.v_min != TRAINED:
            return bound_label(setting.v_min)
        bounds = {bound_label(p.v_min) for p in self.network.populations if p.spiking}
        return " to ".join(sorted(bounds)) or "none"

    def reset(self, setting: Deployment) -> str:
        if setting.reset != TRAINED:
            return setting.reset
        return " and ".join(sorted({p.reset for p in self.network.populations if p.spiking}))

    def __str__(self) -> str:
        n, classes = len(self.recordings), len(self.recordings.classes)
        lines = [
            f"{self.source}: {self.network!r}",
            f"{self.recordings.title}: {n:,} recordings of {classes} classes",
            "",
            f"{'lower bound':>11}  {'reset':5}  {'numbers':8}  {'accuracy % [95 % interval]':26}  "
            f"{'change (points)':20}  {'spikes':>11}  {'synaptic op.':>13}  {'no output':>9}",
        ]
        for row, line in zip(self.rows, self.table(), strict=True):
            head = f"{line['v_min']:>11}  {line['reset']:5}  {line['numbers']:8}  "
            if row.refused:
                lines.append(f"{head}not run: {row.refused}")
                continue
            accuracy = (
                f"{percent(line['accuracy'])} [{percent(line['accuracy_low'])}, {percent(line['accuracy_high'])}]"
            )
            change = f"{100 * line['change']:+.1f} [{100 * line['change_low']:+.1f}, {100 * line['change_high']:+.1f}]"
            lines.append(
                f"{head}{accuracy:26}  {change if row is not self.first else '':20}  {line['spikes']:11,.0f}  "
                f"{line['synops']:13,.0f}  {line['no_output']:9}"
            )
        return "\n".join([*lines, "", *self.notes()])

    def notes(self) -> list[str]:
        """What the numbers are, in sentences."""
        return [
            "Changes are against the first row that was run, on the same recordings; intervals speak of new "
            "recordings, not of new trainings. Spikes and synaptic operations are means for one recording.",
        ]


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def read_network(source: str | Path | nir.NIRGraph | EventNetwork, **how: Any) -> EventNetwork:
    """A network from a NIR file or graph, from a `network.npz` of this project, or as it is; how: of `from_nir`."""
    if isinstance(source, EventNetwork):
        return source
    if isinstance(source, str | Path) and Path(source).suffix == ".npz":
        return load(source)
    return from_nir(source, **how)


def default_bounds(network: EventNetwork) -> list[LowerBound]:
    """No bound, and some multiples of the largest threshold below 0."""
    largest = max((p.threshold for p in network.populations if p.spiking), default=1.0)
    return [None, *(-factor * largest for factor in reversed(BOUNDS))]


def deploy(
    source: str | Path | nir.NIRGraph | EventNetwork,
    data: str | Path | Recordings,
    *,
    reader: str = "event-folder",
    reader_params: Mapping[str, Any] | None = None,
    part: str = "test",
    limit: int | None = None,
    reset: str = "hard",
    v_min: float | None = None,
    dt: float | None = None,
    step_us: float | None = None,
    lower_bounds: Iterable[LowerBound] | None = None,
    numbers: Iterable[str] = ("float", "int8"),
    classes: Sequence[str] | None = None,
    threads: int = 1,
    progress: bool = False,
) -> Evaluation:
    """Deploy a network from a file on recordings from a folder, in several settings.

    source: a NIR file (of any tool) or graph, a `network.npz`, or an `EventNetwork`; data, reader, reader_params, part,
    limit: see `Recordings.from_folder`; reset, v_min, dt, step_us: see `snn.events.from_nir`; lower_bounds: of the
    membrane, in its unit, None for none (default: `default_bounds`); numbers: modes of `Engine`; classes: names of the
    network's outputs in their order, where the folder has other classes.
    Raises `UserError`, naming the node or file that cannot be used.
    """
    network = read_network(source, reset=reset, v_min=v_min, dt=dt, step_us=step_us)
    if not isinstance(data, Recordings):
        data = Recordings.from_folder(data, reader, reader_params, part, limit)
    bounds = default_bounds(network) if lower_bounds is None else list(lower_bounds)
    numbers = list(numbers)
    settings = [Deployment(kind) for kind in numbers] + [Deployment(kind, v_min=b) for b in bounds for kind in numbers]
    name = str(source) if isinstance(source, str | Path) else "network in memory"
    return evaluate(network, data, settings, source=name, classes=classes, threads=threads, progress=progress)


def evaluate(
    network: EventNetwork,
    recordings: Recordings,
    settings: Iterable[Deployment],
    *,
    source: str = "network",
    classes: Sequence[str] | None = None,
    threads: int = 1,
    progress: bool = False,
) -> Evaluation:
    """Run the network in every setting on all recordings, which are read once. Settings that make the same network are
    run once, and only the first of them has a row. See `deploy` for the rest."""
    recordings = with_outputs(network, recordings, classes)
    engines: dict[Deployment, Engine | str] = {}
    seen: set[object] = set()
    for setting in settings:
        try:
            same = setting.same(network)
            if same not in seen:
                engines[setting] = setting.engine(network)
                seen.add(same)
        except UserError as refusal:
            engines[setting] = str(refusal)
    parts: dict[Deployment, list[tuple[np.ndarray, ...]]] = {setting: [] for setting in engines}
    total = len(recordings) * sum(isinstance(engine, Engine) for engine in engines.values())
    with tqdm(total=total, unit="recording", file=sys.stderr, ncols=110, disable=not progress) as bar:
        for _, events, offsets in recordings.blocks():
            for setting, engine in engines.items():
                if isinstance(engine, Engine):
                    bar.set_description(setting.name)
                    result = engine.run_batch(events, offsets, threads=threads)
                    parts[setting].append((result.prediction, result.spikes, result.synops))
                    bar.update(len(offsets) - 1)
    if not any(isinstance(engine, Engine) for engine in engines.values()):
        raise UserError("; ".join(f"{setting.name}: {engine}" for setting, engine in engines.items()))
    rows = []
    for setting, engine in engines.items():
        if isinstance(engine, str):
            nothing = np.zeros(0, np.int64)
            rows.append(Row(setting, nothing, nothing, nothing, nothing, refused=engine))
        else:
            predictions, spikes, synops = (np.concatenate(column) for column in zip(*parts[setting], strict=True))
            rows.append(Row(setting, recordings.labels, predictions, spikes, synops))
    return Evaluation(source, network, recordings, rows)


def with_outputs(network: EventNetwork, recordings: Recordings, classes: Sequence[str] | None) -> Recordings:
    """The recordings with labels that are positions of the network's outputs. UserError where the two do not fit."""
    if tuple(recordings.shape) != tuple(network.input_shape):
        raise UserError(
            f"the network takes events of (polarities, rows, columns) = {tuple(network.input_shape)}, the recordings "
            f"have {tuple(recordings.shape)}; give the reader the sensor that the network was trained for"
        )
    names = [str(name) for name in classes or network.classes or recordings.classes]
    if len(names) != network.n_classes:
        raise UserError(
            f"the network has {network.n_classes} outputs, but there are {len(names)} class names "
            f"({', '.join(names[:12])}); name the outputs in their order (classes=, --classes)"
        )
    if unknown := [name for name in recordings.classes if name not in names]:
        raise UserError(f"the recordings have the class {unknown[0]!r}, which no output of the network is called")
    order = np.array([names.index(name) for name in recordings.classes], np.int64)
    return replace(recordings, labels=order[recordings.labels])
