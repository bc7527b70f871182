"""The verdict on each claim: supported, contradicted, equivalent within its margin, or undecided.

Every test is one-sided at 5 %; `low` and `high` are the one-sided 95 % bounds of the difference, together its two-sided
90 % interval, so that the interval alone shows the verdict:

    supported     all of the interval is on the claim's side
    contradicted  all of it is on the other side
    equivalent    neither, and all of it lies within ±margin (two one-sided tests)
    undecided     anything else; with the number of seeds at which the claim would be decided with 80 % power, whether
                  the true difference is zero or the margin (`not less`, `less`: where it is zero)
    not tested    the benchmark lacks methods or numbers

Multiplicity: each claim is a question of its own, stated beforehand, and each of its tests errs in at most 5 % of
cases. Where two methods do not differ at all, a `greater` claim can be wrong on either side, supported or contradicted.
Beside it stands Holm's correction over the same test of all claims, for who reads the list as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from snn.report.claims.measurements import Measurement
from snn.report.claims.stated import CLAIMS, DEEPEST_RESIDUAL, Claim, Direction
from snn.report.results import Panel, Results, Setting
from snn.report.style import method_label
from snn.statistics import POWER, TOO_FEW, Estimate, holm, seeds_for_power


class Verdict(StrEnum):
    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"
    NOT_TESTED = "not tested"


class Judgement(NamedTuple):
    """A claim on one panel (None: no panel has its methods).

    measurement: None, and `missing` says why, where the claim is not tested. seeds_to_decide: of an undecided claim;
    None where it is not known. p: of the test that gave the verdict; p_holm: corrected over that test of all claims.
    """

    claim: Claim
    panel: Panel | None
    verdict: Verdict
    measurement: Measurement | None = None
    missing: str = ""
    seeds_to_decide: int | None = None
    p: float | None = None
    p_holm: float | None = None


@lru_cache(maxsize=1)  # the answer and the table of claims are made from the same ones
def judgements(results: Results) -> tuple[Judgement, ...]:
    """One for each claim and each panel that has its methods; one for a claim that no panel has the methods of."""
    judged: list[Judgement] = []
    for claim in CLAIMS:
        panels = [(panel, settings) for panel in results.networks if (settings := _settings(results, panel, claim))]
        if claim.networks == DEEPEST_RESIDUAL:
            panels = _deepest(panels)
        judged += [_judge(results, claim, panel, settings) for panel, settings in panels] or [
            Judgement(claim, None, Verdict.NOT_TESTED, missing=_lacking(claim, results))
        ]
    return tuple(_with_holm(judged))


def decide(estimate: Estimate, direction: Direction, margin: float) -> Verdict:
    """The verdict that the one-sided bounds allow."""
    if not estimate.is_testable:
        return Verdict.UNDECIDED
    low, high = estimate.bounds()
    if direction == "less":
        low, high = -high, -low
    boundary = {"greater": 0.0, "not less": -margin, "less": -margin}[direction]
    if low > boundary:
        return Verdict.SUPPORTED
    if high < boundary:
        return Verdict.CONTRADICTED
    if direction == "greater" and -margin < low and high < margin:
        return Verdict.EQUIVALENT
    return Verdict.UNDECIDED


def seeds_to_decide(estimate: Estimate, direction: Direction, margin: float) -> int | None:
    """How many seeds would decide the claim with 80 % power, at the observed variance of the paired differences.

    greater: whether the true difference is zero (equivalent) or the margin (supported); not less: where the methods do
    not differ. None where no number of seeds would, or below two seeds.
    """
    if direction == "greater":  # two one-sided tests at zero, which asks for more seeds than the one at the margin
        return seeds_for_power(estimate, margin, 1 - (1 - POWER) / 2)
    return seeds_for_power(estimate, margin)


def deepest_residual(networks: Sequence[str]) -> str | None:
    """Of the names of networks the residual one with the most layers: `resnet20-tiny` before `resnet8`."""
    depths = {name: int(match[1]) for name in networks if (match := re.search(r"resnet-?(\d+)", name))}
    return max(depths, key=depths.__getitem__, default=None)


def _deepest(panels: list[tuple[Panel, list[Setting]]]) -> list[tuple[Panel, list[Setting]]]:
    """Of each data set the panel with the deepest residual network."""
    deepest = {
        (panel.dataset, deepest_residual([other.network for other, _ in panels if other.dataset == panel.dataset]))
        for panel, _ in panels
    }
    return [(panel, settings) for panel, settings in panels if (panel.dataset, panel.network) in deepest]


def _settings(results: Results, panel: Panel, claim: Claim) -> list[Setting]:
    """The settings of the claim's methods, or an empty list where one is missing."""
    settings = []
    for method, variant in zip(claim.methods, (claim.own_variant, claim.rival_variant), strict=False):
        if variant and results.variants.get(variant) != panel.network:
            return []
        settings.append(results.find(panel._replace(network=variant) if variant else panel, method))
    return [s for s in settings if s is not None] if None not in settings else []


def _lacking(claim: Claim, results: Results) -> str:
    lacking = [method_label(m) for m in claim.methods if m not in results.methods]
    if lacking:
        return f"no {' and no '.join(lacking)} in this benchmark"
    if variant := claim.own_variant or claim.rival_variant:
        return f"no variant {variant} of a network with all its methods"
    return f"no {'residual ' if claim.networks == DEEPEST_RESIDUAL else ''}network has all its methods"


def _judge(results: Results, claim: Claim, panel: Panel, settings: Sequence[Setting]) -> Judgement:
    measurement = claim.quantity.measure(results, settings)
    if isinstance(measurement, str):
        return Judgement(claim, panel, Verdict.NOT_TESTED, missing=measurement)
    estimate = measurement.estimate
    verdict = decide(estimate, claim.direction, claim.margin)
    seeds = None
    if verdict == Verdict.UNDECIDED and estimate.is_testable:
        seeds = seeds_to_decide(estimate, claim.direction, claim.margin)
    missing = "" if estimate.is_testable else TOO_FEW
    return Judgement(claim, panel, verdict, measurement, missing, seeds)


def _with_holm(judged: list[Judgement]) -> list[Judgement]:
    """With the p-value of each verdict's own test, and Holm's correction over that test of all claims."""
    p_values = {
        verdict: [_p_value(j, verdict) for j in judged]
        for verdict in (Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.EQUIVALENT)
    }
    corrected = {verdict: holm(p) for verdict, p in p_values.items()}
    return [
        j._replace(p=p_values[j.verdict][i], p_holm=corrected[j.verdict][i]) if j.verdict in p_values else j
        for i, j in enumerate(judged)
    ]


def _p_value(judgement: Judgement, verdict: Verdict) -> float | None:
    """Of the test that would give this verdict; None where the claim has no such test."""
    claim, measurement = judgement.claim, judgement.measurement
    if measurement is None:
        return None
    estimate = measurement.estimate
    if verdict == Verdict.EQUIVALENT:
        return estimate.p_within(claim.margin) if claim.direction == "greater" else None
    boundary = {"greater": 0.0, "not less": -claim.margin, "less": claim.margin}[claim.direction]
    on_claims_side = (verdict == Verdict.SUPPORTED) == (claim.direction != "less")
    return estimate.p_greater(boundary) if on_claims_side else estimate.p_less(boundary)
