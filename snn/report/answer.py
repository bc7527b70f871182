"""The answer in three sentences, computed from the verdicts on three of the claims.

1. Fewer time steps: the mean accuracy change at T below that of training, MTT and SDT.
2. Event-driven: the accuracy change from clock-driven to event-driven inference, MTT and SDT.
3. Equal compute: event-driven accuracy of MTT and of SDT with the same number of time steps in training.

Which conclusion is drawn depends on the verdict alone: one of the two is better, they are equivalent within the claim's
margin, or it is undecided, with the number of seeds that would decide it. Where cells are missing the sentence says
which.
"""

from __future__ import annotations

from typing import NamedTuple

from snn.report.claims import sentences
from snn.report.claims.verdicts import Judgement, Verdict, judgements
from snn.report.results import Panel, Results
from snn.report.style import method_label, network_label


class Clause(NamedTuple):
    """where: `on 3C1FC: `, or nothing where there is one network; verdict: on the claim; text: the conclusion first,
    then both numbers."""

    where: str
    verdict: Verdict
    text: str


class Sentence(NamedTuple):
    """What is compared, and what came out of it for each network."""

    opening: str
    clauses: list[Clause]

    def __str__(self) -> str:
        return f"{self.opening}: {'; '.join(clause.where + clause.text for clause in self.clauses)}."


class Question(NamedTuple):
    """claim: its name; fact: both numbers in words; better: what the better method is called."""

    opening: str
    claim: str
    fact: str
    better: str


QUESTIONS = (
    Question(
        "With fewer time steps than in training",
        "mtt_flatter",
        "{candidate} {first}, {rival} {second} points on average at {detail}",
        "{} is flatter over T",
    ),
    Question(
        "Event-driven",
        "mtt_events",
        "{candidate} {first}, {rival} {second} points against clock-driven inference",
        "{} loses less",
    ),
    Question(
        "Event-driven, after equal training compute",
        "mtt_event_accuracy_matched",
        "{candidate} {first} %, {rival} {second} %",
        "{} is better",
    ),
)


def answer(results: Results) -> list[Sentence]:
    """Three sentences; a network without the methods of a sentence is passed over, unless no network has them."""
    judged = judgements(results)
    answers = []
    for question in QUESTIONS:
        about = [j for j in judged if j.claim.name == question.claim]
        clauses = [Clause(_network_prefix(j.panel, results), j.verdict, _clause(question, j)) for j in about]
        answers.append(Sentence(question.opening, clauses))
    return answers


def _clause(question: Question, judgement: Judgement) -> str:
    """The conclusion that the verdict allows, and the fact with both numbers."""
    claim, measurement = judgement.claim, judgement.measurement
    if measurement is None:
        return f"not answered: {judgement.missing}"
    candidate, rival = (method_label(method) for method in claim.methods)
    signed = "change" in claim.quantity.label
    first, second = (
        sentences.one(value, claim.quantity.scale, signed) for value in (measurement.first, measurement.second)
    )
    fact = question.fact.format(candidate=candidate, rival=rival, first=first, second=second, detail=measurement.detail)
    gap = sentences.difference(measurement, claim.quantity.scale, with_unit=True)
    seeds = measurement.estimate.n_seeds
    conclusion = {
        Verdict.SUPPORTED: f"{question.better.format(candidate)}, by {gap}",
        Verdict.CONTRADICTED: f"{question.better.format(rival)}; the difference is {gap}",
        Verdict.EQUIVALENT: f"equivalent within ±{sentences.margin(claim)}; the difference is {gap}",
        Verdict.UNDECIDED: f"undecided; the difference is {gap} with {seeds} seed{'s' * (seeds > 1)}: "
        + sentences.needed(judgement),
    }[judgement.verdict]
    return f"{conclusion} ({fact})"


def _network_prefix(panel: Panel | None, results: Results) -> str:
    if panel is None or len(results.networks) == 1:
        return ""
    several = len({p.dataset for p in results.networks}) > 1
    return f"on {network_label(panel.network)}{f' ({panel.dataset})' if several else ''}: "
