"""The numbers of the phase `robustness`: the trained network on simulated chips, as it is and after learning on them.

Numbers are means over simulated chips, then over seeds. The chips of a seed share its training, and no chip is met by
two seeds, so chips of several seeds are never pooled. Student's interval is over the seeds' means from three seeds on:
it speaks of other trainings on other chips. With one seed it is over the chips, from three on, and speaks of other
chips with that same network only. With two seeds there is none: "too few seeds".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from snn.report.results import Panel, Quantity, Results, Setting
from snn.statistics import MIN_SEEDS, Interval, mean_interval

PHASE = "robustness"
OVER_LEVEL, OVER_EPOCHS = "accuracy_over_level", "accuracy_over_epochs"


class NonIdeality(NamedTuple):
    """A kind of simulated hardware non-ideality.

    axis: label of its axis; level_label: how one level is written; larger_is_worse: of the level.
    """

    axis: str
    level_label: Callable[[float], str]
    larger_is_worse: bool


NON_IDEALITIES = {
    "mismatch": NonIdeality("Device mismatch σ", lambda level: f"Mismatch σ = {level:g}", True),
    "bits": NonIdeality("Bits of a weight", lambda level: f"{level:g} bits", False),
    "noise": NonIdeality("Membrane noise (thresholds a step)", lambda level: f"Noise {level:g} θ", True),
    "dead_fraction": NonIdeality("Dead neurons (%)", lambda level: f"{100 * level:g} % dead", True),
}


@dataclass(frozen=True)
class ChipInterval(Interval):
    """Of means over simulated chips. n_chips: of all seeds together; over: "chips" (of one seed) or "seeds" (of their
    means)."""

    n_chips: int = 0
    over: str = "seeds"


def mode_of(kind: str, level: float) -> str:
    """The mode of one level in metrics and predictions: `mismatch-0.1`."""
    return f"{kind}-{level:g}"


def by_level(results: Results, s: Setting, kind: str) -> dict[float, ChipInterval]:
    """Level -> accuracy over simulated chips."""
    return _by_x(results.curve(s, kind, OVER_LEVEL))


def by_epoch(results: Results, s: Setting, mode: str) -> dict[float, ChipInterval]:
    """Epochs of learning on the chip -> accuracy over the chips; mode `clock`: of the unperturbed network."""
    return _by_x(results.curve(s, mode, OVER_EPOCHS))


def learning_levels(results: Results, s: Setting, kind: str) -> list[float]:
    """The levels at which the setting went on learning on the chip."""
    return [level for level in by_level(results, s, kind) if by_epoch(results, s, mode_of(kind, level))]


def strongest(kind: str, levels: Iterable[float]) -> float:
    return max(levels) if NON_IDEALITIES[kind].larger_is_worse else min(levels)


def unperturbed(results: Results, s: Setting) -> Interval | None:
    """The same network on the same recordings without non-idealities."""
    return results.interval(s, Quantity(PHASE, "clock", s.t_train))


def over_chips(rows: pd.DataFrame) -> ChipInterval:
    """Of rows with `seed` and `value`, one a chip: over the seeds' means, or over the chips where there is one seed.

    Few bits round alike on every chip: one chip a seed, and so no interval below three seeds."""
    seeds = rows.groupby("seed")["value"].mean()
    over = "chips" if len(seeds) == 1 and len(rows) >= MIN_SEEDS else "seeds"
    interval = mean_interval(rows["value"] if over == "chips" else seeds, bounds=(0.0, 1.0))
    return ChipInterval(**vars(interval) | {"n_seeds": len(seeds)}, n_chips=len(rows), over=over)


def each(results: Results, s: Setting, mode: str, curve: str) -> dict[float, list[float]]:
    """x of a curve -> what its interval is over: the mean of each seed, or each chip where there is one seed."""
    by_x = {float(x): at for x, at in results.curve(s, mode, curve).groupby("x")}
    return {
        x: (at["value"] if at["seed"].nunique() == 1 else at.groupby("seed")["value"].mean()).tolist()
        for x, at in by_x.items()
    }


def common_cases(results: Results, panel: Panel) -> set[tuple[str, float]]:
    """(kind, level) of the non-idealities that all perturbed networks of a panel were perturbed with."""
    of_settings = [cases(results, s) for s in results.main_settings(panel)]
    return set.intersection(*filter(None, of_settings)) if any(of_settings) else set()


def cases(results: Results, s: Setting) -> set[tuple[str, float]]:
    """(kind, level) of the non-idealities that a setting was perturbed with."""
    curves = {kind: results.curve(s, kind, OVER_LEVEL) for kind in NON_IDEALITIES}
    return {(kind, float(level)) for kind, rows in curves.items() for level in rows["x"].unique()}


def mean_by_seed(results: Results, s: Setting, cases: Collection[tuple[str, float]]) -> dict[int, float]:
    """Seed -> mean over kinds of the mean over levels of the mean over chips; none where a case is missing."""
    rows = [
        {"seed": seed, "kind": kind, "level": level, "value": value}
        for kind, level in sorted(cases)
        for seed, value in _means(results.curve(s, kind, OVER_LEVEL), level).items()
    ]
    if not rows:
        return {}
    table = pd.DataFrame(rows)
    complete = table.groupby("seed")["level"].transform("size") == len(cases)
    return table[complete].groupby(["seed", "kind"])["value"].mean().groupby("seed").mean().to_dict()


def _means(rows: pd.DataFrame, level: float) -> dict[int, float]:
    return rows[rows["x"] == level].groupby("seed")["value"].mean().to_dict()


def _by_x(rows: pd.DataFrame) -> dict[float, ChipInterval]:
    return {float(x): over_chips(at) for x, at in rows.groupby("x")}
