"""Which method to take: those that no other method is shown to be better than.

On each network all methods are compared with each other in event-driven accuracy with int8 weights, in floating point
where nothing was deployed in int8, and clock-driven where nothing was deployed at all; paired by seed and recording. A
method is ruled out if one of its comparisons, one-sided, finds another better at 5 % divided by their number: the truly
best method is then ruled out in at most 5 % of cases, which is what a choice has to guard against (subset selection,
Gupta 1965; with Bonferroni's bound). The others are in question; of these the sentence names the one with the highest
mean and, event-driven, the one with the fewest synaptic operations. What cannot be told apart is not ranked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple, TypeVar

from snn.report import text
from snn.report.quantities import trained
from snn.report.results import Panel, Quantity, Results, Setting, Term
from snn.report.style import method_label, mode_label
from snn.report.tables.scoreboard import INFERENCES, NO_SPIKING_NETWORKS
from snn.statistics import ALPHA, MIN_SEEDS, TOO_FEW, Interval, Paired

Thing = TypeVar("Thing")


class Choice(NamedTuple):
    """panel: the network; mode: in which methods were compared, `clock` where none was deployed; best: the highest
    mean; in_question: the others that no method is shown to be better than; ruled_out: those that another method is
    better than; text: in words, after the name of the best."""

    panel: Panel
    mode: str
    best: Setting
    in_question: list[Setting]
    ruled_out: list[Setting]
    text: str

    @property
    def event_driven(self) -> bool:
        return self.mode != CLOCK


CLOCK = "clock"


def choices(results: Results) -> list[Choice]:
    """One for each network on which at least two methods were evaluated in the same way."""
    found = (_of_network(results, panel) for panel in results.networks)
    return [choice for choice in found if choice is not None]


def _of_network(results: Results, panel: Panel) -> Choice | None:
    settings = [s for s in results.main_settings(panel) if s.method not in NO_SPIKING_NETWORKS]
    for mode in _modes():
        compared = {s: i for s in settings if (i := results.interval(s, _quantity(s, mode)))}
        if len(compared) > 1:
            break
    else:
        return None
    ordered = sorted(compared, key=lambda s: -compared[s].mean)
    worse = worse_than_another(_differences(results, ordered, mode))
    best, *in_question = [s for s in ordered if s not in worse] or ordered
    ruled_out = [s for s in ordered if s not in (best, *in_question)]
    words = f"has the highest accuracy, {text.percent(compared[best])}\N{NO-BREAK SPACE}%"
    if best != ordered[0]:
        words += ", of those not ruled out"
    if min(i.n_seeds for i in compared.values()) < MIN_SEEDS:
        words += f"; {TOO_FEW} to tell the methods apart."
    elif not in_question:
        words += ", and every other method is ruled out: another is better."
    else:
        words += f". Not ruled out either, with these seeds: {_names(in_question, compared)}."
        words += f" Ruled out, since another is better: {_names(ruled_out, compared)}." if ruled_out else ""
    return Choice(panel, mode, best, in_question, ruled_out, words + _sparing(results, [best, *in_question], mode))


def _modes() -> Iterator[str]:
    """In int8 first, as chips compute; the common order of inference first; clock-driven last."""
    pairs = list(INFERENCES.values())
    yield from dict.fromkeys([integer for _, integer in pairs] + [floating for floating, _ in pairs])
    yield CLOCK


def _quantity(s: Setting, mode: str) -> Quantity:
    return trained(s) if mode == CLOCK else Quantity("deploy", mode, None)


def _differences(results: Results, settings: Sequence[Setting], mode: str) -> dict[tuple[Setting, Setting], Paired]:
    """First minus second, of each two of the settings with seeds in common."""
    pairs = {
        (a, b): results.contrast([Term(1.0, a, _quantity(a, mode)), Term(-1.0, b, _quantity(b, mode))])
        for a, b in combinations(settings, 2)
    }
    return {pair: difference for pair, difference in pairs.items() if difference is not None}


def worse_than_another(differences: Mapping[tuple[Thing, Thing], Paired]) -> set[Thing]:
    """Of things compared in pairs (first minus second) those that another is shown to be better than.

    The truly best one is among them in at most 5 % of cases: it is compared with k others, one-sided, each at 5 % / k.
    """
    better: dict[Thing, list[float]] = {}  # of each thing the one-sided p-values of another being better
    for (a, b), difference in differences.items():
        if difference.p is not None:
            one, other = difference.p / 2, 1 - difference.p / 2
            better.setdefault(b, []).append(one if difference.mean > 0 else other)
            better.setdefault(a, []).append(other if difference.mean > 0 else one)
    return {thing for thing, pvalues in better.items() if min(pvalues) * len(pvalues) < ALPHA}


def _sparing(results: Results, settings: Sequence[Setting], mode: str) -> str:
    """The sentence about the fewest synaptic operations."""
    counted = {s: i for s in settings if (i := results.interval(s, Quantity("deploy", mode, None, "synops")))}
    if not counted:
        return ""
    fewest = min(counted, key=lambda s: counted[s].mean)
    words = f"{text.short(counted[fewest].mean)} synaptic operations a recording"
    if fewest == settings[0]:
        return f" {method_label(fewest.method)} takes {words}" + (
            ", the fewest of those not ruled out." if len(settings) > 1 else "."
        )
    return f" The fewest of those not ruled out: {method_label(fewest.method)}, {words}."


def _names(settings: Sequence[Setting], accuracies: Mapping[Setting, Interval]) -> str:
    """`NMT (93.4); TET (92.1)`: with their accuracies in percent."""
    return "; ".join(f"{method_label(s.method)} ({text.mean(accuracies[s])})" for s in settings)


def inference(choice: Choice) -> str:
    """What was compared, as people read it: `Event-driven (int8)`, `Clock-driven`."""
    kind, _, numbers = mode_label(choice.mode).partition(", ")
    return kind + (f" ({numbers})" if numbers else "")
