"""What the collected files say: which settings there are, and the interval of any quantity of theirs.

A *setting* is a cell without its seed: one row of a table, one line of a figure.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from snn.benchmark.cell import Cell
from snn.data.manifest import sealed
from snn.errors import DataError
from snn.events.deployment import Deployment, bound_order
from snn.report import style
from snn.runtime import files
from snn.statistics import Interval, Paired, crossed_interval, mean_interval, paired_difference

SETTING = ["dataset", "network", "method", "t_train"]
NO_STEPS = -1
"""Stands for the number of time steps where time has none (event-driven)."""


class Setting(NamedTuple):
    dataset: str
    network: str
    method: str
    t_train: int


class Panel(NamedTuple):
    """What belongs into one panel of a figure: settings that can be compared."""

    dataset: str
    network: str


class Quantity(NamedTuple):
    """One evaluated quantity, e.g. ("sweep", "clock", 4, "accuracy"); t: time steps, None where time has none."""

    phase: str
    mode: str
    t: int | None
    metric: str = "accuracy"


class Term(NamedTuple):
    """One summand of a contrast: weight times the accuracy of a setting."""

    weight: float
    setting: Setting
    quantity: Quantity


class Results:
    """The collected files of one benchmark.

    folder: with the seven files of `collect`; t_train: the numbers of time steps that the benchmark trains at (a
    method's main setting is at one of these); variants: name of a variant -> name of its network, of the variants that
    are ablations of a network that the benchmark has.
    Raises `DataError` where a file is missing.
    """

    def __init__(self, folder: Path, t_train: Collection[int] = (), variants: Mapping[str, str] | None = None):
        self.t_train, self.variants = set(t_train), dict(variants or {})
        self.provenance = _provenance(folder)
        self.metrics = _table(folder / "metrics.csv")
        self.history = _table(folder / "history.csv")
        self.curves = _table(folder / "curves.csv")
        self.holes = _table(folder / "holes.csv")
        with np.load(folder / "predictions.npz", allow_pickle=False) as arrays:
            self.predictions = {name: arrays[name] for name in arrays.files}
        self.recordings = _arrays(folder / "recordings.npz")  # older collected files have none
        self.metrics["t_eval"] = self.metrics["t_eval"].fillna(NO_STEPS).astype(int)
        keys = [*SETTING, "phase", "mode", "t_eval", "metric"]
        self._values = {
            key: dict(zip(rows["seed"], rows["value"], strict=True)) for key, rows in self.metrics.groupby(keys)
        }
        self._intervals: dict[tuple[Setting, Quantity], Interval | None] = {}

    # --- what there is

    @cached_property
    def settings(self) -> list[Setting]:
        """All settings with at least one cell, done or not, in the order of the tables."""
        rows = pd.concat([self.metrics[SETTING], self.holes[SETTING]]).drop_duplicates()
        settings = [Setting(d, n, m, int(t)) for d, n, m, t in rows.itertuples(index=False)]
        return sorted(settings, key=lambda s: (s.dataset, s.network, style.order(s.method), s.t_train))

    @cached_property
    def panels(self) -> list[Panel]:
        return list(dict.fromkeys(Panel(s.dataset, s.network) for s in self.settings))

    @cached_property
    def networks(self) -> list[Panel]:
        """The panels that the question is about: a variant of a network that is there too is an ablation."""
        return [p for p in self.panels if p._replace(network=self.variants.get(p.network, "")) not in self.panels]

    @cached_property
    def compared(self) -> list[Panel]:
        """The panels of figures: without variants on which one method alone was trained, which are in the tables."""
        methods = {p: len({s.method for s in self.settings if s[:2] == p}) for p in self.panels}
        return [p for p in self.panels if p in self.networks or methods[p] > 1]

    @cached_property
    def methods(self) -> list[str]:
        return list(dict.fromkeys(sorted((s.method for s in self.settings), key=style.order)))

    def main_settings(self, panel: Panel) -> list[Setting]:
        """Each method's main setting: trained at the benchmark's `t_train`, and of several the one at the most steps.
        Others of it are `SDT*` and the like."""
        best: dict[str, Setting] = {}
        for s in self.settings:
            if Panel(s.dataset, s.network) == panel and self._rank(s) >= self._rank(best.get(s.method, s)):
                best[s.method] = s
        return list(best.values())

    def _rank(self, s: Setting) -> tuple[bool, int]:
        return s.t_train in self.t_train, s.t_train

    def find(self, panel: Panel, method: str) -> Setting | None:
        """The main setting of a method, or None."""
        return next((s for s in self.main_settings(panel) if s.method == method), None)

    def planned_seeds(self, s: Setting) -> int:
        """How many seeds the setting was to have: those with metrics, and holes in training."""
        return self._planned_seeds.get(s, 0)

    @cached_property
    def _planned_seeds(self) -> dict[tuple, int]:
        cells = pd.concat([self.metrics[[*SETTING, "seed"]], self.holes[[*SETTING, "seed"]]]).drop_duplicates()
        return dict(cells.groupby(SETTING).size())

    def epochs(self, s: Setting) -> pd.DataFrame:
        """The history of the setting, all seeds: a row an epoch."""
        return self._histories.get(s, self.history.iloc[:0])

    def curve(self, s: Setting, mode: str, curve: str) -> pd.DataFrame:
        """One curve of the setting (columns seed, x, value), all seeds."""
        return self._curves.get((*s, mode, curve), self.curves.iloc[:0])

    def layer_curves(self, s: Setting, kind: str) -> dict[str, pd.DataFrame]:
        """The curves `<kind>/<layer>` of the setting by layer, in the order of computation."""
        rows = self.curves
        rows = rows[(rows[SETTING] == pd.Series(s._asdict())).all(axis=1) & rows["curve"].str.startswith(kind + "/")]
        return {curve.partition("/")[2]: of_layer for curve, of_layer in rows.groupby("curve", sort=False)}

    @cached_property
    def _histories(self) -> dict[tuple, pd.DataFrame]:
        return dict(iter(self.history.groupby(SETTING)))

    @cached_property
    def _curves(self) -> dict[tuple, pd.DataFrame]:
        return dict(iter(self.curves.groupby([*SETTING, "mode", "curve"])))

    def evaluated(self, s: Setting, phase: str, metric: str = "accuracy") -> list[tuple[str, int | None]]:
        """The (mode, t) at which the setting has a metric of a phase."""
        keys = {(k[5], k[6]) for k in self._values if k[:4] == tuple(s) and k[4] == phase and k[7] == metric}
        ordered = sorted(keys, key=lambda x: (style.mode_order(x[0]), x[1]))
        return [(mode, None if t == NO_STEPS else t) for mode, t in ordered]

    def steps(self, s: Setting, phase: str, metric: str = "accuracy") -> list[int]:
        """The numbers of time steps at which the setting has a clock-driven metric of a phase, ascending."""
        return [t for mode, t in self.evaluated(s, phase, metric) if mode == "clock" and t is not None]

    def deployed(self, s: Setting) -> list[tuple[str, int | None]]:
        """(mode, t) of the deployment that is compared with clock-driven inference at the T of training: clock-driven
        at larger T, and event-driven as trained."""
        modes = self.evaluated(s, "deploy")
        return [(mode, t) for mode, t in modes if (mode, t) != ("clock", s.t_train) and "@" not in mode]

    def event_modes(self, s: Setting) -> list[str]:
        """The event-driven modes of the network as trained."""
        return [mode for mode, _ in self.evaluated(s, "deploy") if mode.startswith("event") and "@" not in mode]

    def other_deployments(self, s: Setting) -> list[Deployment]:
        """The event-driven modes with lower bounds or resets that were set at deployment, the highest bound first."""
        modes = [Deployment.parse(mode) for mode, _ in self.evaluated(s, "deploy") if "@" in mode]
        return sorted(modes, key=lambda d: (style.mode_order(d.as_trained.name), d.reset, bound_order(d.v_min)))

    def predicted(self, s: Setting, phase: str) -> list[tuple[str, str]]:
        """(mode, metric) of a phase that all of its seeds have predictions for, at the T of training."""
        setting = Cell(*s, seed=0).key.removesuffix("0")
        by_seed: dict[str, set[tuple[str, str]]] = {}
        for name in self.predictions:
            if name.startswith(setting):
                seed, of_phase, *rest = name.removeprefix(setting).split("/")
                if of_phase == phase and len(rest) == 3 and rest[1] == str(s.t_train):
                    by_seed.setdefault(seed, set()).add((rest[0], rest[2]))
        return sorted(set.intersection(*by_seed.values())) if by_seed else []

    # --- how large it is

    def values(self, s: Setting, quantity: Quantity) -> dict[int, float]:
        """seed -> value, from the tidy table."""
        t = NO_STEPS if quantity.t is None else quantity.t
        return self._values.get((*s, quantity.phase, quantity.mode, t, quantity.metric), {})

    def interval(self, s: Setting, quantity: Quantity) -> Interval | None:
        """Over seeds and test recordings where there are predictions, else over seeds; None without any value."""
        if (s, quantity) not in self._intervals:
            self._intervals[s, quantity] = self._interval(s, quantity)
        return self._intervals[s, quantity]

    def _interval(self, s: Setting, quantity: Quantity) -> Interval | None:
        values = self.values(s, quantity)
        if set(self._seeds(s, quantity)) == set(values):
            correct = self._correct_matrices([(s, quantity)])
            if correct is not None:
                return crossed_interval(correct[0])
        if not values:
            return None
        low = -np.inf if quantity.metric == "difference" else 0.0
        return mean_interval(list(values.values()), bounds=(low, 1.0 if "accuracy" in quantity.metric else np.inf))

    def contrast(self, terms: Sequence[Term]) -> Paired | None:
        """The weighted sum of accuracies, on the seeds and recordings that all of them have: a difference of two
        (weights 1, -1), of two changes (1, -1, -1, 1), a mean over T. None where they share none."""
        total = self.differences(terms)
        return None if total is None else paired_difference(total, np.zeros_like(total))

    def differences(self, terms: Sequence[Term]) -> np.ndarray | None:
        """The weighted sum of correctness [seeds, recordings] that `contrast` is the mean of, or None."""
        correct = self._correct_matrices([(term.setting, term.quantity) for term in terms])
        if correct is None:
            return None
        return sum((term.weight * matrix for term, matrix in zip(terms, correct, strict=True)), np.zeros(()))

    # --- per-recording correctness, aligned

    def correct(self, s: Setting, seed: int, quantity: Quantity) -> pd.Series | None:
        """Whether each recording was classified correctly (index: its place in the store); None without predictions."""
        if _key(s, seed, quantity) not in self.predictions:
            return None
        return pd.Series(
            self.predictions[_key(s, seed, quantity)].astype(bool), self.predictions[_index_key(s, seed, quantity)]
        )

    def _seeds(self, s: Setting, quantity: Quantity) -> list[int]:
        return [seed for seed in self._all_seeds if _key(s, seed, quantity) in self.predictions]

    @cached_property
    def _all_seeds(self) -> list[int]:
        return sorted({int(seed) for seed in self.metrics["seed"]})

    def _correct_matrices(self, asked: Sequence[tuple[Setting, Quantity]]) -> list[np.ndarray] | None:
        """[seeds, recordings] for each, on the seeds and recordings that all of them share; None where none are."""
        seeds = sorted(set.intersection(*(set(self._seeds(s, quantity)) for s, quantity in asked)))
        if not seeds:
            return None
        indices = [self.predictions[_index_key(s, seed, quantity)] for s, quantity in asked for seed in seeds]
        shared = indices[0]
        for index in indices[1:]:
            shared = shared if shared is index or np.array_equal(shared, index) else np.intersect1d(shared, index)
        if not shared.size:
            return None
        return [np.stack([self._correct(s, seed, quantity, shared) for seed in seeds]) for s, quantity in asked]

    def _correct(self, s: Setting, seed: int, quantity: Quantity, shared: np.ndarray) -> np.ndarray:
        """Whether each of the `shared` recordings was classified correctly, as numbers."""
        index = self.predictions[_index_key(s, seed, quantity)]
        correct = self.predictions[_key(s, seed, quantity)].astype(float)
        if np.array_equal(index, shared):
            return correct
        order = np.argsort(index)
        return correct[order[np.searchsorted(index[order], shared)]]


@cache
def _key(s: Setting, seed: int, quantity: Quantity) -> str:
    t = "" if quantity.t is None else quantity.t
    return f"{Cell(*s, seed).key}/{quantity.phase}/{quantity.mode}/{t}/{quantity.metric}"


def _index_key(s: Setting, seed: int, quantity: Quantity) -> str:
    return f"{Cell(*s, seed).key}/{quantity.phase}/index"


def _provenance(folder: Path) -> dict[str, Any]:
    """What `collect` says of the numbers. DataError unless the collected files are as it left them; an earlier version
    wrote no checksums."""
    path, again = folder / "provenance.json", "run `snakemake` up to the rule `collect` again"
    try:
        text = path.read_text(encoding="utf-8")
        provenance = json.loads(text)
        sums = provenance.get("files", {})
        if (sums or "sha256" in provenance) and sealed({k: v for k, v in provenance.items() if k != "sha256"}) != text:
            raise ValueError
    except FileNotFoundError:
        raise DataError(f"{path}: missing; {again}") from None
    except (ValueError, AttributeError, RecursionError):
        raise DataError(f"{path}: was changed since it was written, or is damaged; {again}") from None
    for name, expected in sums.items():
        if not (folder / name).is_file() or files.sha256(folder / name) != expected:
            raise DataError(f"{folder / name}: is missing, or was changed since it was collected; {again}")
    return provenance


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except FileNotFoundError:
        raise DataError(f"{path}: missing; run `snakemake` up to the rule `collect`") from None
