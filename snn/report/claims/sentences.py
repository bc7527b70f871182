"""Verdicts in words: short sentences for the page, numbers for its table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from snn.report import text
from snn.report.claims.measurements import Measurement, Scale
from snn.report.claims.stated import Claim
from snn.report.claims.verdicts import Judgement, Verdict
from snn.report.style import method_label, network_label
from snn.statistics import Interval


def sentence(judgement: Judgement, several_networks: bool) -> str:
    """`MTT is flatter over T than SDT: +6.9 [+3.2, +10.6] points with 5 seeds.`"""
    claim, panel, measurement = judgement.claim, judgement.panel, judgement.measurement
    where = f" (on {network_label(panel.network)})" if panel and several_networks else ""
    start = f"{claim.statement[0].upper()}{claim.statement[1:]}{where}: "
    if measurement is None:
        return start + judgement.missing + "."
    seeds = measurement.estimate.n_seeds
    if claim.quantity.scale == "fraction":  # counted, not sampled
        return f"{start}{text.short(measurement.estimate.mean)} of {method_label(claim.methods[1])}'s growth."
    words = difference(measurement, claim.quantity.scale, with_unit=True) + f" with {seeds} seed{'s' * (seeds > 1)}"
    if judgement.verdict == Verdict.EQUIVALENT:
        words += f"; margin {margin(claim)}"
    elif judgement.verdict == Verdict.UNDECIDED:
        words += f"; {needed(judgement)}"
    elif claim.direction == "greater" and within_margin(judgement):
        words += f"; smaller than the margin of {margin(claim)}"
    return start + words + "."


def difference(measurement: Measurement, scale: Scale, with_unit: bool = False) -> str:
    """The estimate with its bounds: `+6.9 [+3.2, +10.6]`, `× 1.9 [1.4, 2.6]`."""
    estimate = measurement.estimate
    low, high = estimate.bounds()
    if scale == "log ratio":
        interval = Interval(math.exp(estimate.mean), math.exp(low), math.exp(high), estimate.n_seeds, 0)
        return "× " + text.quantity(interval)
    interval = Interval(estimate.mean, low, high, estimate.n_seeds, estimate.n_samples)
    if scale == "fraction":
        return text.quantity(interval)
    return text.percent(interval, signed=True) + (" points" if with_unit else "")


def one(value: float | None, scale: Scale, signed: bool = False) -> str:
    """One number on a claim's scale: of a method, or of a seed."""
    if value is None:
        return text.NONE
    if scale == "log ratio":
        return text.short(math.exp(value))
    if scale == "fraction":
        return text.short(value)
    return text.mean(Interval(value, math.nan, math.nan, 1, 0), signed)


def margin(claim: Claim) -> str:
    """`2 points`, `a factor of 1.25`."""
    if claim.quantity.scale == "log ratio":
        return f"a factor of {math.exp(claim.margin):.3g}"
    if claim.quantity.scale == "fraction":
        return f"{claim.margin:g}"
    return f"{100 * claim.margin:g} point{'s' * (claim.margin != 0.01)}"


def within(claim: Claim) -> str:
    """`±2 points`, `a factor of 1.25`: how far apart two equivalent methods may be."""
    return margin(claim) if claim.quantity.scale == "log ratio" else f"±{margin(claim)}"


def needed(judgement: Judgement) -> str:
    """What would decide an undecided claim."""
    seeds, measurement = judgement.seeds_to_decide, judgement.measurement
    if seeds is not None and measurement is not None and seeds <= measurement.estimate.n_seeds:
        lies = "between the two" if judgement.claim.direction == "greater" else "near the margin"
        cases = f"zero or of {margin(judgement.claim)}" if judgement.claim.direction == "greater" else "zero"
        return f"as many seeds as should decide a difference of {cases} (80 % power) did not; it may lie {lies}"
    if seeds is not None:
        return f"{seeds:,} seeds would decide it"
    return judgement.missing or "no number of seeds would decide it on these test recordings"


def within_margin(judgement: Judgement) -> bool:
    """Whether the whole interval lies within ±margin."""
    if judgement.measurement is None:
        return False
    low, high = judgement.measurement.estimate.bounds()
    return -judgement.claim.margin < low and high < judgement.claim.margin


class Group(NamedTuple):
    """The sentences under one verdict, and what it means."""

    verdict: Verdict
    meaning: str
    sentences: list[str]


MEANINGS = {
    Verdict.SUPPORTED: "the whole interval is on the claim's side",
    Verdict.CONTRADICTED: "the whole interval is on the other side",
    Verdict.EQUIVALENT: "the methods differ by less than the margin",
    Verdict.UNDECIDED: "too uncertain for a verdict; with the number of seeds that would reach one (80 % power)",
    Verdict.NOT_TESTED: "this benchmark lacks the methods or the numbers",
}


def groups(judgements: Sequence[Judgement]) -> list[Group]:
    """The sentences under each verdict that occurs, in the order of the verdicts."""
    several = len({j.panel.network for j in judgements if j.panel}) > 1
    of_verdict = {v: [sentence(j, several) for j in judgements if j.verdict == v] for v in Verdict}
    return [Group(v, MEANINGS[v], sentences) for v, sentences in of_verdict.items() if sentences]
