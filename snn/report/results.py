"""What the files of `collect` say: which settings there are, and the interval of any quantity of theirs.

A *setting* is a cell without its seed: one row of a table, one line of a figure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from snn.errors import DataError
from snn.report import style
from snn.statistics import Interval, Paired, hierarchical_interval, mean_interval, paired_difference

SETTING = ["dataset", "network", "method", "t_train"]


class Setting(NamedTuple):
    dataset: str
    network: str
    method: str
    t_train: int


class Panel(NamedTuple):
    """What belongs into one panel of a figure: settings that can be compared."""

    dataset: str
    network: str


class What(NamedTuple):
    """One evaluated quantity: e.g. ("sweep", "clock", 4, "accuracy"); t None where time has no steps."""

    phase: str
    mode: str
    t: int | None
    metric: str = "accuracy"


class Results:
    """The files of `collect`. t_train: the steps that the benchmark trains at (a method's main setting is at these);
    variants: of which network each variant is one."""

    def __init__(self, folder: Path, t_train: Sequence[int] = (), variants: Mapping[str, str] | None = None):
        self.t_train, self.variants = set(t_train), dict(variants or {})
        self.metrics = _table(folder / "metrics.csv")
        self.history = _table(folder / "history.csv")
        self.curves = _table(folder / "curves.csv")
        self.holes = _table(folder / "holes.csv")
        self.provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        with np.load(folder / "predictions.npz", allow_pickle=False) as arrays:
            self.predictions = {name: arrays[name] for name in arrays.files}
        self.metrics["t_eval"] = self.metrics["t_eval"].fillna(-1).astype(int)  # -1: time has no steps
        keys = [*SETTING, "phase", "mode", "t_eval", "metric"]
        self._values = {
            key: dict(zip(rows["seed"], rows["value"], strict=True)) for key, rows in self.metrics.groupby(keys)
        }
        self._intervals: dict = {}

    # --- what there is

    @cached_property
    def settings(self) -> list[Setting]:
        """All settings with at least one cell, done or not, in the order of the tables."""
        rows = pd.concat([self.metrics[SETTING], self.holes[SETTING]]).drop_duplicates()
        found = [Setting(d, n, m, int(t)) for d, n, m, t in rows.itertuples(index=False)]
        return sorted(found, key=lambda s: (s.dataset, s.network, style.order(s.method), s.t_train))

    @cached_property
    def panels(self) -> list[Panel]:
        return list(dict.fromkeys(Panel(s.dataset, s.network) for s in self.settings))

    @cached_property
    def networks(self) -> list[Panel]:
        """The panels that the question is about: variants are ablations."""
        return [p for p in self.panels if p.network not in self.variants] or self.panels

    @cached_property
    def methods(self) -> list[str]:
        return list(dict.fromkeys(sorted((s.method for s in self.settings), key=style.order)))

    def main(self, panel: Panel) -> list[Setting]:
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
        return next((s for s in self.main(panel) if s.method == method), None)

    def planned(self, s: Setting) -> int:
        """How many seeds the setting was to have: those with metrics, and holes in training."""
        return self._planned.get(s, 0)

    @cached_property
    def _planned(self) -> dict[tuple, int]:
        cells = pd.concat([self.metrics[[*SETTING, "seed"]], self.holes[[*SETTING, "seed"]]]).drop_duplicates()
        return dict(cells.groupby(SETTING).size())

    def epochs(self, s: Setting) -> pd.DataFrame:
        """The history of the setting, all seeds."""
        return self._histories.get(s, self.history.iloc[:0])

    def curve(self, s: Setting, mode: str, curve: str) -> pd.DataFrame:
        """One curve of the setting (columns seed, x, value), all seeds."""
        return self._curves.get((*s, mode, curve), self.curves.iloc[:0])

    @cached_property
    def _histories(self) -> dict[tuple, pd.DataFrame]:
        return dict(iter(self.history.groupby(SETTING)))

    @cached_property
    def _curves(self) -> dict[tuple, pd.DataFrame]:
        return dict(iter(self.curves.groupby([*SETTING, "mode", "curve"])))

    def evaluated(self, s: Setting, phase: str, metric: str = "accuracy") -> list[tuple[str, int | None]]:
        """(mode, t) at which a metric of a phase is known for the setting."""
        found = {(k[5], k[6]) for k in self._values if k[:4] == tuple(s) and k[4] == phase and k[7] == metric}
        ordered = sorted(found, key=lambda x: (style.mode_order(x[0]), x[1]))
        return [(mode, None if t < 0 else t) for mode, t in ordered]

    def predicted(self, s: Setting, phase: str) -> list[tuple[str, str]]:
        """(mode, metric) of a phase that all seeds of it have predictions for, at the T of training."""
        start = f"{s.dataset}/{s.network}/{s.method}/T{s.t_train}/seed"
        by_seed: dict[str, set] = {}
        for name in self.predictions:
            if name.startswith(start):
                seed, of, *rest = name.removeprefix(start).split("/")
                if of == phase and len(rest) == 3 and rest[1] == str(s.t_train):
                    by_seed.setdefault(seed, set()).add((rest[0], rest[2]))
        return sorted(set.intersection(*by_seed.values())) if by_seed else []

    def deployed(self, s: Setting) -> list[tuple[str, int | None]]:
        """(mode, t) of the deployment to be held against the clock at the T of training: finer clocks, and events."""
        return [(mode, t) for mode, t in self.evaluated(s, "deploy") if (mode, t) != ("clock", s.t_train)]

    def event_modes(self, s: Setting) -> list[str]:
        return [mode for mode, _ in self.evaluated(s, "deploy") if mode.startswith("event")]

    # --- how large it is

    def values(self, s: Setting, what: What) -> dict[int, float]:
        """seed -> value, from the tidy table."""
        return self._values.get((*s, what.phase, what.mode, -1 if what.t is None else what.t, what.metric), {})

    def interval(self, s: Setting, what: What) -> Interval | None:
        """Over seeds and test samples where the predictions are there, else over seeds; None where nothing is known."""
        if (s, what) not in self._intervals:
            values = self.values(s, what)
            correct = self._matrices([(s, what)]) if set(self._seeds(s, what)) == set(values) else None
            if correct is not None:
                self._intervals[s, what] = hierarchical_interval(correct[0])
            else:
                bounds = (-np.inf if what.metric == "difference" else 0.0, 1.0 if "accuracy" in what.metric else np.inf)
                self._intervals[s, what] = mean_interval(list(values.values()), bounds=bounds) if values else None
        return self._intervals[s, what]

    def contrast(self, terms: list[tuple[float, Setting, What]]) -> Paired | None:
        """The weighted sum of accuracies, on the seeds and recordings that all of them have: a difference of two
        (weights 1, -1), of two losses (1, -1, -1, 1), a mean over T. None where they share none."""
        found = self._matrices([(s, what) for _, s, what in terms])
        if found is None:
            return None
        total = sum(weight * matrix for (weight, _, _), matrix in zip(terms, found, strict=True))
        return paired_difference(total, np.zeros_like(total))

    # --- per-recording correctness, aligned

    def _seeds(self, s: Setting, what: What) -> list[int]:
        return [seed for seed in self._all_seeds if _key(s, seed, what) in self.predictions]

    @cached_property
    def _all_seeds(self) -> list[int]:
        return sorted({int(seed) for seed in self.metrics["seed"]})

    def _matrices(self, wanted: list[tuple[Setting, What]]) -> list[np.ndarray] | None:
        """[seeds, recordings] for each, on the seeds and recordings that all of them share; None where none are."""
        seeds = sorted(set.intersection(*(set(self._seeds(s, what)) for s, what in wanted)))
        if not seeds:
            return None
        indices = [self.predictions[_index(s, seed, what)] for s, what in wanted for seed in seeds]
        shared = indices[0]
        for index in indices[1:]:
            shared = shared if shared is index or np.array_equal(shared, index) else np.intersect1d(shared, index)
        if not shared.size:
            return None
        return [
            np.stack([self._correct(_key(s, seed, what), _index(s, seed, what), shared) for seed in seeds])
            for s, what in wanted
        ]

    def _correct(self, key: str, index: str, shared: np.ndarray) -> np.ndarray:
        known = self.predictions[index]
        correct = self.predictions[key].astype(float)
        if np.array_equal(known, shared):
            return correct
        order = np.argsort(known)
        return correct[order[np.searchsorted(known[order], shared)]]


@cache
def _key(s: Setting, seed: int, what: What) -> str:
    t = "" if what.t is None else what.t
    return f"{s.dataset}/{s.network}/{s.method}/T{s.t_train}/seed{seed}/{what.phase}/{what.mode}/{t}/{what.metric}"


def _index(s: Setting, seed: int, what: What) -> str:
    return f"{s.dataset}/{s.network}/{s.method}/T{s.t_train}/seed{seed}/{what.phase}/index"


def _table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except FileNotFoundError:
        raise DataError(f"{path}: missing; run `snakemake` up to the rule `collect`") from None
