"""Which method to take for an event-driven chip: those that no other method is shown to be better than.

On each network all methods are compared with each other in event-driven accuracy with int8 weights (in floating point
where nothing was deployed in int8), paired by seed and recording, two-sided at 5 %, with Holm's correction over all
pairs. A method is ruled out if one of these comparisons finds another better. The others are in question; of these the
sentence names the one with the highest mean and, where it is another, the one with the fewest synaptic operations. What
cannot be told apart is not ranked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from snn.report import quantities, text
from snn.report.results import Panel, Quantity, Results, Setting
from snn.report.style import method_label, mode_label
from snn.report.tables.scoreboard import INFERENCES, NO_SPIKING_NETWORKS
from snn.statistics import ALPHA, MIN_SEEDS, TOO_FEW, Interval, holm


class Choice(NamedTuple):
    """panel: the network; mode: in which methods were compared; best: the highest mean; in_question: the others that
    no method is shown to be better than; ruled_out: those that another method is better than; text: in words."""

    panel: Panel
    mode: str
    best: Setting
    in_question: list[Setting]
    ruled_out: list[Setting]
    text: str


def choices(results: Results) -> list[Choice]:
    """One for each network on which at least two methods were deployed."""
    found = (_of_network(results, panel) for panel in results.networks)
    return [choice for choice in found if choice is not None]


def _of_network(results: Results, panel: Panel) -> Choice | None:
    settings = [s for s in results.main_settings(panel) if s.method not in NO_SPIKING_NETWORKS]
    for mode in _modes():
        deployed = {s: i for s in settings if (i := results.interval(s, Quantity("deploy", mode, None)))}
        if len(deployed) > 1:
            break
    else:
        return None
    ordered = sorted(deployed, key=lambda s: -deployed[s].mean)
    worse = _worse_than_another(results, ordered, mode)
    best, *in_question = [s for s in ordered if s not in worse] or ordered
    ruled_out = [s for s in ordered if s not in (best, *in_question)]
    words = f"{method_label(best.method)} has the highest accuracy, {text.percent(deployed[best])} %"
    if min(i.n_seeds for i in deployed.values()) < MIN_SEEDS:
        words += f"; {TOO_FEW} to tell the methods apart"
    elif not in_question:
        words += ", and every other method is ruled out: another is better"
    else:
        words += f"; not ruled out either, with these seeds: {_names(in_question, deployed)}"
        words += f"; ruled out, since another is better: {_names(ruled_out, deployed)}" if ruled_out else ""
    return Choice(panel, mode, best, in_question, ruled_out, words + _sparing(results, [best, *in_question], mode))


def _modes() -> list[str]:
    """In int8 first, as chips compute; the common order of inference first."""
    pairs = list(INFERENCES.values())
    return list(dict.fromkeys([integer for _, integer in pairs] + [floating for floating, _ in pairs]))


def _worse_than_another(results: Results, settings: Sequence[Setting], mode: str) -> set[Setting]:
    pairs, found = [], []
    for a, b in combinations(settings, 2):
        terms = [
            *quantities.event_driven_accuracy(a, mode),
            *quantities.negative(quantities.event_driven_accuracy(b, mode)),
        ]
        difference = results.contrast(terms)
        if difference is not None:
            pairs.append((a, b))
            found.append(difference)
    adjusted = holm([difference.p for difference in found])
    return {
        b if difference.mean > 0 else a
        for (a, b), difference, p in zip(pairs, found, adjusted, strict=True)
        if p is not None and p < ALPHA
    }


def _sparing(results: Results, settings: Sequence[Setting], mode: str) -> str:
    """The clause about the fewest synaptic operations."""
    counted = {s: i for s in settings if (i := results.interval(s, Quantity("deploy", mode, None, "synops")))}
    if not counted:
        return ""
    fewest = min(counted, key=lambda s: counted[s].mean)
    words = f"{text.short(counted[fewest].mean)} synaptic operations a recording"
    if fewest == settings[0]:
        return f". It takes {words}" + (", the fewest of these" if len(settings) > 1 else "")
    return f". The fewest of these: {method_label(fewest.method)}, {words}"


def _names(settings: Sequence[Setting], accuracies: Mapping[Setting, Interval]) -> str:
    """`NMT (93.4), TET (92.1)`: with their accuracies in percent."""
    return ", ".join(f"{method_label(s.method)} ({text.mean(accuracies[s])})" for s in settings)


def inference(choice: Choice) -> str:
    """What was compared, as people read it."""
    return mode_label(choice.mode).removeprefix("Event-driven, ")
