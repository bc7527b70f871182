"""The answer in three sentences, computed: which conclusion is drawn depends on the intervals alone.

1. When the clock changes: how much accuracy is lost on average at T below that of training, MTT against SDT.
2. When there is none: how much is lost from clock-driven to event-driven inference, MTT against SDT.
3. Is it only compute? MTT against SDT with the same number of time steps in training, event-driven.

Every comparison is paired (the same seeds and recordings). Where its interval holds zero the sentence says that the
methods cannot be told apart; below three seeds it draws no conclusion; where cells are missing it says which.
"""

from __future__ import annotations

from collections.abc import Sequence

from snn.report import text
from snn.report.results import Panel, Results, Setting, What
from snn.report.style import method_label, network_label
from snn.statistics import TOO_FEW, Paired

CANDIDATE, BASELINE, MATCHED = "mtt", "sdt", "sdt-matched"
QUESTION = "Which training rule keeps its accuracy when the clock changes, and when there is none?"


def answer(results: Results) -> list[str]:
    """Three sentences. A panel without the methods of a sentence is passed over, unless no panel has them."""
    found = []
    for opening, rival, clause in (
        ("When the clock changes", BASELINE, over_time_steps),
        ("Without a clock", BASELINE, without_clock),
        ("With the same compute", MATCHED, at_matched_compute),
    ):
        able = [p for p in results.networks if not isinstance(_pair(results, p, CANDIDATE, rival), str)]
        panels = able or results.networks
        found.append(f"{opening}: " + "; ".join(_on(p, results) + clause(results, p) for p in panels) + ".")
    return found


def caveats(results: Results) -> list[str]:
    """What to read the answer with: holes and too few seeds."""
    found = []
    holes = results.holes
    if len(holes):
        names = sorted(
            {
                f"{method_label(hole.method)} on {network_label(hole.network)} "
                f"(seed {hole.seed}, {hole.phase}: {hole.status})"
                for hole in holes.itertuples()
            }
        )
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        found.append(f"Holes: {shown}. The numbers stand on the cells that are there; n says how many.")
    seeds = {results.planned(s) for s in results.settings}
    if seeds and min(seeds) < 3:
        found.append(
            f"Some results rest on {min(seeds)} seed(s): {TOO_FEW} to tell the method from the luck of a training."
        )
    for name, manifest in results.provenance.get("manifests", {}).items():
        if manifest.get("missing"):
            found.append(f"The data set {name} is not complete; missing: {_plain(manifest['missing'])}.")
    return found


def over_time_steps(results: Results, panel: Panel) -> str:
    pair = _pair(results, panel, CANDIDATE, BASELINE)
    if isinstance(pair, str):
        return pair
    steps, losses = lost_below(results, pair)
    if not steps:
        return "not answered, as no sweep below the T of training is there for both"
    span = f"T = {steps[0]}" + (f" to {steps[-1]}" if len(steps) > 1 else "")
    fact = (
        f"{span} instead of the T = {pair[0].t_train} of training costs {{0}} {{1}} and {{2}} {{3}} points on average"
    )
    return _compare(results, losses, fact, ("{2} stays flatter, by {gap}", "{0} stays flatter, by {gap}", ""))


def without_clock(results: Results, panel: Panel) -> str:
    pair = _pair(results, panel, CANDIDATE, BASELINE)
    if isinstance(pair, str):
        return pair
    mode = event_mode(results, pair)
    if mode is None:
        return "not answered, as no event-driven deployment is there for both"
    losses = [lost_without_clock(s, mode) for s in pair]
    fact = "event-driven inference costs {0} {1} and {2} {3} points"
    return _compare(results, losses, fact, ("{2} loses less, by {gap}", "{0} loses less, by {gap}", ""))


def at_matched_compute(results: Results, panel: Panel) -> str:
    pair = _pair(results, panel, CANDIDATE, MATCHED)
    if isinstance(pair, str):
        return pair
    mode = event_mode(results, pair)
    if mode is None:
        return "not answered, as no event-driven deployment is there for both"
    accuracies = [[(1.0, s, What("deploy", mode, None))] for s in pair]
    conclusions = (
        "{0} is better, by {gap}, which compute alone does not explain",
        "{2} is better, by {gap}: compute does more than the rule",
        ", so that compute alone may explain what {0} gains",
    )
    return _compare(results, accuracies, "event-driven, {0} reaches {1} % and {2} {3} %", conclusions)


def _compare(results: Results, terms: list, fact: str, conclusions: tuple[str, str, str]) -> str:
    """The fact with both numbers, and the conclusion that the paired interval of their difference allows.

    terms: for each of the two the accuracies (weight, setting, what) that make its number. conclusions: where the
    first number is larger, where the second is, and what to add where they cannot be told apart.
    """
    names = [method_label(term[0][1].method) for term in terms]
    both = results.contrast(terms[0] + [(-weight, s, what) for weight, s, what in terms[1]])
    if both is None:
        return "not answered, as no predictions on the same seeds and recordings are there"
    numbers = [text.percent(_common(results, terms, i)).split(" ")[0] for i in (0, 1)]
    slots = (names[0], numbers[0], names[1], numbers[1])
    fact = fact.format(*slots)
    if both.note:
        return f"{fact}, with {both.n_seeds} seed{'s' * (both.n_seeds > 1)}: {TOO_FEW} for a conclusion"
    if not both.excludes(0):
        gap = text.percent(both, signed=True)
        return f"{fact}, and the difference of {gap} points cannot be told from zero" + conclusions[2].format(*slots)
    gap = text.percent(_absolute(both)) + " points"
    return f"{fact}: " + conclusions[both.mean < 0].format(*slots, gap=gap)


def _common(results: Results, terms: list, i: int) -> Paired:
    """The number of method i on the seeds and recordings that both methods have, so that the numbers add up."""
    return results.contrast(terms[i] + [(0.0, s, what) for _, s, what in terms[1 - i]])


def _absolute(paired: Paired) -> Paired:
    if paired.mean >= 0:
        return paired
    return Paired(-paired.mean, -paired.high, -paired.low, paired.n_seeds, paired.n_samples, paired.note, paired.p)


def lost_without_clock(s: Setting, mode: str) -> list:
    """The terms of accuracy with the clock minus event-driven, the event-driven one first."""
    return [(-1.0, s, What("deploy", mode, None)), (1.0, s, What("deploy", "clock", s.t_train))]


def lost_below(results: Results, pair: Sequence[Setting]) -> tuple[list[int], list]:
    """The T below that of training at which both were swept (none where it is not one T), and for each of the two the
    terms of its mean loss there."""
    first, second = pair
    steps = sorted(_below(results, first) & _below(results, second)) if first.t_train == second.t_train else []
    return steps, [_mean_loss(s, steps) for s in pair]


def _mean_loss(s: Setting, steps: list[int]) -> list:
    at = What("sweep", "clock", s.t_train)
    return [(1.0, s, at), *((-1.0 / len(steps), s, at._replace(t=t)) for t in steps)]


def _below(results: Results, s: Setting) -> set[int]:
    steps = {t for mode, t in results.evaluated(s, "sweep") if mode == "clock"}
    return {t for t in steps if t < s.t_train} if s.t_train in steps else set()


def event_mode(results: Results, pair) -> str | None:
    modes = [results.event_modes(s) for s in pair]
    return next((mode for mode in modes[0] if mode in modes[1]), None)


def _pair(results: Results, panel: Panel, first: str, second: str) -> tuple[Setting, Setting] | str:
    found = [results.find(panel, method) for method in (first, second)]
    missing = [method_label(m) for m, s in zip((first, second), found, strict=True) if s is None]
    return f"not answered, as this benchmark has no {' and no '.join(missing)}" if missing else (found[0], found[1])


def _on(panel: Panel, results: Results) -> str:
    if len(results.networks) == 1:
        return ""
    several = len({p.dataset for p in results.networks}) > 1
    return f"on {network_label(panel.network)}{f' ({panel.dataset})' if several else ''}, "


def _plain(value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(v)}" if not isinstance(v, bool) else str(key) for key, v in value.items())
    return str(value)
