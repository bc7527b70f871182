"""The answer in three sentences, computed: which conclusion is drawn depends on the intervals alone.

1. Fewer time steps: the mean accuracy change at T below that of training, MTT and SDT.
2. Event-driven: the accuracy change from clock-driven to event-driven inference, MTT and SDT.
3. Equal compute: event-driven accuracy of MTT and of SDT with the same number of time steps in training.

Every comparison is paired (the same seeds and recordings). Where its interval holds zero the sentence says so;
below three seeds it draws no conclusion; where cells are missing it says which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from snn.report import quantities, text
from snn.report.results import Panel, Results, Setting, Term
from snn.report.style import method_label, network_label
from snn.statistics import MIN_SEEDS, TOO_FEW, Interval

CANDIDATE, BASELINE, MATCHED = "mtt", "sdt", "sdt-matched"
NOT_DEPLOYED = "not answered, as no event-driven deployment is there for both"


class Sentence(NamedTuple):
    """What is compared, and what came out of it for each network."""

    opening: str
    body: str

    def __str__(self) -> str:
        return f"{self.opening}: {self.body}"


class Conclusions(NamedTuple):
    """What is concluded where the candidate is better, where the rival is, and where neither is."""

    candidate: str
    rival: str
    neither: str = ""


def answer(results: Results) -> list[Sentence]:
    """Three sentences. A panel without the methods of a sentence is passed over, unless no panel has them."""
    sentences = []
    for opening, rival, clause in (
        ("With fewer time steps than in training", BASELINE, over_time_steps),
        ("Event-driven", BASELINE, event_driven),
        ("Event-driven, after equal training compute", MATCHED, at_matched_compute),
    ):
        complete = [p for p in results.networks if not _missing(results, p, rival)]
        clauses = [
            _network_prefix(panel, results) + _clause(results, panel, rival, clause)
            for panel in complete or results.networks
        ]
        sentences.append(Sentence(opening, "; ".join(clauses) + "."))
    return sentences


def _clause(results: Results, panel: Panel, rival: str, clause: Callable[[Results, Sequence[Setting]], str]) -> str:
    settings = [s for method in (CANDIDATE, rival) if (s := results.find(panel, method)) is not None]
    if missing := _missing(results, panel, rival):
        return f"not answered, as this benchmark has no {' and no '.join(missing)}"
    return clause(results, settings)


def _missing(results: Results, panel: Panel, rival: str) -> list[str]:
    return [method_label(m) for m in (CANDIDATE, rival) if results.find(panel, m) is None]


def over_time_steps(results: Results, settings: Sequence[Setting]) -> str:
    steps = quantities.common_steps_below_training(results, settings)
    if not steps:
        return "not answered, as no sweep below the T of training is there for both"
    span = f"T = {steps[0]}" + (f" to {steps[-1]}" if len(steps) > 1 else "")
    fact = (
        f"at {span} instead of the T = {settings[0].t_train} of training the accuracy changes on average by "
        "{candidate_value} ({candidate}) and {rival_value} points ({rival})"
    )
    conclusions = Conclusions("{candidate} is flatter over T, by {gap}", "{rival} is flatter over T, by {gap}")
    return _compare(results, [quantities.change_over_t(s, steps) for s in settings], fact, conclusions, signed=True)


def event_driven(results: Results, settings: Sequence[Setting]) -> str:
    mode = quantities.common_event_mode(results, settings)
    if mode is None:
        return NOT_DEPLOYED
    fact = (
        "compared with clock-driven inference the accuracy changes by {candidate_value} ({candidate}) and "
        "{rival_value} points ({rival})"
    )
    conclusions = Conclusions("{candidate} loses less, by {gap}", "{rival} loses less, by {gap}")
    return _compare(
        results, [quantities.event_driven_change(s, mode) for s in settings], fact, conclusions, signed=True
    )


def at_matched_compute(results: Results, settings: Sequence[Setting]) -> str:
    mode = quantities.common_event_mode(results, settings)
    if mode is None:
        return NOT_DEPLOYED
    conclusions = Conclusions(
        "{candidate} is better, by {gap}, which compute alone does not explain",
        "{rival} is better, by {gap}: compute does more than the rule",
        ", so that compute alone may explain what {candidate} gains",
    )
    fact = "{candidate} reaches {candidate_value} % and {rival} {rival_value} %"
    return _compare(results, [quantities.event_driven_accuracy(s, mode) for s in settings], fact, conclusions)


def _compare(
    results: Results, terms: list[list[Term]], fact: str, conclusions: Conclusions, signed: bool = False
) -> str:
    """The fact with both numbers, and the conclusion that the paired interval of their difference allows.

    terms: of the candidate and of its rival; larger is better. signed: whether the numbers are changes.
    """
    candidate, rival = terms
    difference = results.contrast(candidate + quantities.negative(rival))
    # Both numbers on the seeds and recordings that both methods have, so that they differ by the difference.
    alone = [
        results.contrast(own + quantities.weightless(other)) for own, other in ((candidate, rival), (rival, candidate))
    ]
    if difference is None or alone[0] is None or alone[1] is None:
        return "not answered, as no predictions on the same seeds and recordings are there"
    slots = {
        "candidate": method_label(candidate[0].setting.method),
        "rival": method_label(rival[0].setting.method),
        "candidate_value": text.mean(alone[0], signed),
        "rival_value": text.mean(alone[1], signed),
    }
    fact = fact.format(**slots)
    if difference.note:
        seeds = f"{difference.n_seeds} seed{'s' * (difference.n_seeds > 1)}"
        return f"{fact}, with {seeds}: {TOO_FEW} for a conclusion"
    if not difference.excludes(0):
        gap = text.percent(difference, signed=True)
        undecided = f"{fact}, and the difference of {gap} points does not differ significantly from zero"
        return undecided + conclusions.neither.format(**slots)
    gap = text.percent(_absolute(difference)) + " points"
    conclusion = conclusions.candidate if difference.mean > 0 else conclusions.rival
    return f"{fact}: " + conclusion.format(**slots, gap=gap)


def _absolute(i: Interval) -> Interval:
    return i if i.mean >= 0 else Interval(-i.mean, -i.high, -i.low, i.n_seeds, i.n_samples, i.note)


def _network_prefix(panel: Panel, results: Results) -> str:
    if len(results.networks) == 1:
        return ""
    several = len({p.dataset for p in results.networks}) > 1
    return f"on {network_label(panel.network)}{f' ({panel.dataset})' if several else ''}, "


# --- what to read the answer with


def caveats(results: Results) -> list[str]:
    """Holes, too few seeds, and data sets that are not complete."""
    caveats = []
    if len(results.holes):
        names = sorted(
            {
                f"{method_label(hole.method)} on {network_label(hole.network)} "
                f"(seed {hole.seed}, {hole.phase}: {hole.status})"
                for hole in results.holes.itertuples()
            }
        )
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        caveats.append(f"Missing results: {shown}. All numbers are over the cells that are there; n says how many.")
    seeds = {results.planned_seeds(s) for s in results.settings}
    if seeds and min(seeds) < MIN_SEEDS:
        caveats.append(
            f"Some results rest on {min(seeds)} seed(s): {TOO_FEW} to tell the method from the luck of a training."
        )
    for name, manifest in results.provenance.get("manifests", {}).items():
        if manifest.get("missing"):
            caveats.append(f"The data set {name} is not complete; missing: {_plain(manifest['missing'])}.")
    return caveats


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(v)}" if not isinstance(v, bool) else str(key) for key, v in value.items())
    return str(value)
