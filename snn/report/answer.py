"""The answer: what came out for those of the papers' claims that this benchmark can judge, topic by topic.

Whatever methods a benchmark has, its answer is about them: claims that it cannot judge are no part of it. Which claims
stand first does not depend on what came out: of each topic those against the baseline, in the order in which they are
stated. The first screen has room for `LINES`; the rest of a topic is folded away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from snn.report import text
from snn.report.claims import measurements, sentences
from snn.report.claims.measurements import ClaimQuantity, Measurement
from snn.report.claims.stated import Claim
from snn.report.claims.verdicts import Judgement, Verdict, judgements
from snn.report.quantities import BASELINE
from snn.report.results import Results
from snn.report.style import method_label, network_label

TOPICS: dict[str, tuple[ClaimQuantity, ...]] = {
    "Accuracy at the time steps T of training": (measurements.ACCURACY,),
    "Accuracy at other numbers of time steps T": (
        measurements.CHANGE_OVER_T,
        measurements.ACCURACY_BEYOND_TRAINING,
        measurements.ACCURACY_AT_EACH_T,
    ),
    "Event-driven": (measurements.EVENT_DRIVEN_ACCURACY, measurements.EVENT_DRIVEN_CHANGE),
    "How the methods learn": (
        measurements.EARLY_ACCURACY,
        measurements.EARLY_GRADIENTS,
        measurements.MEMORY_GROWTH,
        measurements.ON_CHIP_GAIN,
    ),
}
LINES = 12


class Finding(NamedTuple):
    """One claim on one network. claim: its statement; outcome: what follows the verdict, with the numbers."""

    claim: str
    verdict: Verdict
    outcome: str

    def __str__(self) -> str:
        return f"{self.claim}: {self.verdict}{self.outcome}."


class Topic(NamedTuple):
    """shown: on the first screen; folded: the rest."""

    title: str
    shown: list[Finding]
    folded: list[Finding]


def answer(results: Results) -> list[Topic]:
    """The topics that have a judged claim; an empty list where the benchmark can judge none."""
    judged = [(j, j.measurement) for j in judgements(results) if j.measurement is not None]
    findings = {title: _findings(judged, about, results) for title, about in TOPICS.items()}
    findings = {title: of_topic for title, of_topic in findings.items() if of_topic}
    room = _shared_out([len(of_topic) for of_topic in findings.values()])
    return [Topic(title, found[:n], found[n:]) for (title, found), n in zip(findings.items(), room, strict=True)]


def _shared_out(wanted: Sequence[int]) -> list[int]:
    """`LINES` in turn to those that still want one."""
    given = [0] * len(wanted)
    while sum(given) < min(LINES, sum(wanted)):
        for i, most in enumerate(wanted):
            given[i] += given[i] < most and sum(given) < LINES
    return given


def _findings(
    judged: Sequence[tuple[Judgement, Measurement]], about: Sequence[ClaimQuantity], results: Results
) -> list[Finding]:
    of_topic = [(j, measurement) for j, measurement in judged if j.claim.quantity in about]
    of_topic.sort(key=lambda pair: not _against_baseline(pair[0].claim))
    return [Finding(_statement(j, results), j.verdict, _outcome(j, measurement)) for j, measurement in of_topic]


def _against_baseline(claim: Claim) -> bool:
    return claim.methods[0] != BASELINE and claim.methods[1:] == (BASELINE,)


def _statement(judgement: Judgement, results: Results) -> str:
    """With the network where there are several, and the data set where there are several."""
    statement, panel = judgement.claim.statement, judgement.panel
    statement = statement[0].upper() + statement[1:]
    if panel is None or len(results.networks) == 1:
        return statement
    several = len({p.dataset for p in results.networks}) > 1
    return f"{statement} (on {network_label(panel.network)}{f', {panel.dataset}' if several else ''})"


def _outcome(judgement: Judgement, measurement: Measurement) -> str:
    """Both numbers and their difference; of an undecided claim also what would decide it."""
    claim = judgement.claim
    if claim.quantity.scale == "fraction":  # counted, not sampled
        return f", {text.short(measurement.estimate.mean)} of {method_label(claim.methods[1])}'s growth"
    words = f" within {sentences.within(claim)}" if judgement.verdict == Verdict.EQUIVALENT else ""
    words += f", {_numbers(claim, measurement)}"
    if claim.direction == "not less":  # an interval below zero may be near enough
        words += f", margin {sentences.margin(claim)}"
    if judgement.verdict == Verdict.UNDECIDED:
        words += f"; {sentences.needed(judgement)}"
    return words


def _numbers(claim: Claim, measurement: Measurement) -> str:
    quantity = claim.quantity
    first, second = (
        sentences.one(value, quantity.scale, quantity.of_changes) for value in (measurement.first, measurement.second)
    )
    unit = " points" if quantity.of_changes else "\N{NO-BREAK SPACE}%"
    detail = f" ({measurement.detail})" if measurement.detail else ""
    gap = sentences.difference(measurement, quantity.scale, with_unit=True)
    if quantity.scale == "log ratio":
        return f"{gap}{detail}"
    return f"{first} against {second}{unit}{detail}, difference {gap}"
