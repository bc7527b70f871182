"""The papers' claims, one line each, compared with this benchmark's numbers: holds, does not show, not testable here.

A claim holds where the 95 % interval of its quantity lies wholly on its side; it does not show where the interval
holds zero or lies on the other side (the evidence says which). It is not testable here where cells are missing or
seeds are too few. Comparisons are paired, on the same seeds and recordings, as everywhere in the report. Nothing is
corrected for the number of claims: each is its paper's own, stated beforehand.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from snn.report import quantities, text
from snn.report.results import Panel, Quantity, Results, Setting, Term
from snn.report.style import method_label
from snn.statistics import TOO_FEW, Interval, mean_interval

HOLDS, NOT_SHOWN, NOT_TESTABLE = "holds", "does not show", "not testable here"
NEAR = 0.02
"""How far below its teacher a network is still near it: two points [ours; the paper gives no margin]."""
CONTROL = "clock"  # the unperturbed network among those that learn on a simulated chip
EARLY = 5
"""Epochs within which LTL is to be near its teacher [paper]."""


class Evidence(NamedTuple):
    """The evidence in words, the number that decides with its interval (None: there is none), and the verdict."""

    words: str
    interval: Interval | None
    verdict: str


Judge = Callable[[Results, Sequence[Setting]], Evidence]


class Claim(NamedTuple):
    """name: of the row in the CSV file; methods: that it compares, all of which a panel must have; deep: whether it
    is about residual networks only."""

    name: str
    paper: str
    claim: str
    methods: tuple[str, ...]
    judge: Judge
    deep: bool = False


class Judgement(NamedTuple):
    """A claim's evidence on one panel; panel None: no panel has its methods."""

    claim: Claim
    panel: Panel | None
    evidence: Evidence


def judgements(results: Results) -> list[Judgement]:
    """One for each claim and each panel that has its methods; one for a claim that no panel has the methods of."""
    judgements = []
    for claim in CLAIMS:
        on_panels = []
        for panel in results.networks:
            settings = [s for method in claim.methods if (s := results.find(panel, method)) is not None]
            if len(settings) == len(claim.methods) and ("resnet" in panel.network or not claim.deep):
                on_panels.append(Judgement(claim, panel, claim.judge(results, settings)))
        judgements += on_panels or [Judgement(claim, None, Evidence(_lacking(claim, results), None, NOT_TESTABLE))]
    return judgements


def _lacking(claim: Claim, results: Results) -> str:
    lacking = [method_label(m) for m in claim.methods if m not in results.methods]
    if lacking:
        return f"no {' and no '.join(lacking)} in this benchmark"
    return f"no {'deep ' if claim.deep else ''}network has all its methods"


def _judged(words: str, interval: Interval | None, threshold: float = 0.0) -> Evidence:
    if interval is None:
        return Evidence("the numbers are missing (see the holes)", None, NOT_TESTABLE)
    if interval.note:
        return Evidence(f"{words}; {TOO_FEW}", interval, NOT_TESTABLE)
    return Evidence(words, interval, HOLDS if interval.low > threshold else NOT_SHOWN)


# --- the claims' quantities; a positive difference is on the claim's side


def flatter(results: Results, settings: Sequence[Setting]) -> Evidence:
    """Mean accuracy change at the sweep's T below that of training: the first method's minus the second's."""
    steps = quantities.common_steps_below_training(results, settings)
    if not steps:
        return Evidence("no sweep below the T of training", None, NOT_TESTABLE)
    words = f"mean accuracy change at T = {steps[0]} to {steps[-1]}: {{}} against {{}} points, difference {{}}"
    first, second = (quantities.change_over_t(s, steps) for s in settings)
    return _difference(results, first, second, words, signed=True)


def better_event_driven_change(results: Results, settings: Sequence[Setting]) -> Evidence:
    """Event-driven minus clock-driven accuracy: the first method's minus the second's."""
    mode = quantities.common_event_mode(results, settings)
    if mode is None:
        return Evidence("no event-driven deployment of both", None, NOT_TESTABLE)
    first, second = (quantities.event_driven_change(s, mode) for s in settings)
    words = "event-driven accuracy change {} against {} points, difference {}"
    return _difference(results, first, second, words, signed=True)


def more_accurate(results: Results, settings: Sequence[Setting]) -> Evidence:
    """Accuracy of the last epoch: the first method's minus the second's."""
    first, second = (quantities.accuracy(s) for s in settings)
    return _difference(results, first, second, "{} against {} %, difference {} points")


def near_teacher(results: Results, settings: Sequence[Setting]) -> Evidence:
    """Accuracy minus the teacher's: above -`NEAR`, after at most `EARLY` epochs."""
    student, teacher = settings
    epochs = int(results.epochs(student)["epoch"].max()) if len(results.epochs(student)) else 0
    if not 1 <= epochs <= EARLY:
        return Evidence(f"trained for {epochs} epochs, not for at most {EARLY}", None, NOT_TESTABLE)
    words = f"after {epochs} epochs {{}} against the teacher's {{}} %, difference {{}} points"
    words += f" (near: above −{100 * NEAR:g})"
    return _difference(results, quantities.accuracy(student), quantities.accuracy(teacher), words, threshold=-NEAR)


def raises_early_gradients(results: Results, settings: Sequence[Setting]) -> Evidence:
    """Gradient norm of the first layer over the whole training, the first method's over the second's, minus 1: mean
    over seeds."""
    norms = [
        results.epochs(s).groupby("seed")["gradient_norm_first"].mean()
        for s in settings
        if "gradient_norm_first" in results.epochs(s)
    ]
    shared = sorted(set.intersection(*(set(of.dropna().index) for of in norms))) if len(norms) == 2 else []
    if not shared:
        return Evidence("no gradient norms in the history", None, NOT_TESTABLE)
    ratio = mean_interval([norms[0][seed] / norms[1][seed] for seed in shared])
    excess = Interval(ratio.mean - 1, ratio.low - 1, ratio.high - 1, ratio.n_seeds, 0, ratio.note)
    baseline = method_label(settings[1].method)
    return _judged(f"first layer's gradient norm {text.quantity(ratio)} times that of {baseline}", excess)


def memory_flat_in_time(results: Results, settings: Sequence[Setting]) -> Evidence:
    """Growth of the bytes kept for backward from the least to the largest T at which both were probed, relative to the
    growth of T; flat is below a tenth of it. Counted, not sampled: one seed is as good as three."""
    steps = sorted(set.intersection(*(set(results.steps(s, "probe", "bytes_for_backward")) for s in settings)))
    if len(steps) < 2:
        return Evidence("not probed at two common T", None, NOT_TESTABLE)
    growth = []
    for s in settings:
        first, last = (
            min(results.values(s, Quantity("probe", "clock", t, "bytes_for_backward")).values())
            for t in (steps[0], steps[-1])
        )
        growth.append((last / first - 1) / (steps[-1] / steps[0] - 1))
    words = (
        f"from T = {steps[0]} to {steps[-1]} the memory kept for backward grows by {text.short(100 * growth[0])} % of "
        f"growth in proportion to T, {method_label(settings[1].method)}'s by {text.short(100 * growth[1])} %"
    )
    return Evidence(words, None, HOLDS if growth[0] < 0.1 < growth[1] else NOT_SHOWN)


def recovers(results: Results, settings: Sequence[Setting]) -> Evidence:
    """Accuracy on simulated chips after the last epoch of learning there minus before, mean over levels of the mean
    over chips. What as many more epochs give the unperturbed network stands beside it: that much is no recovery."""
    (s,) = settings
    cases = [
        (mode, *match.groups())
        for mode, metric in results.predicted(s, "robustness")
        if (match := re.fullmatch(r"accuracy_after_(\d+)_(chip\d+)", metric))
    ]
    on_chips = [case for case in cases if case[0] != CONTROL]
    chips = Counter(mode for mode, *_ in on_chips)
    if not on_chips:
        return Evidence("no learning on simulated chips", None, NOT_TESTABLE)
    after, before = (
        [
            Term(
                1.0 / chips[mode] / len(chips),
                s,
                Quantity("robustness", mode, s.t_train, metric.format(k=k, chip=chip)),
            )
            for mode, k, chip in on_chips
        ]
        for metric in ("accuracy_after_{k}_{chip}", "accuracy_{chip}")
    )
    words = f"after {on_chips[0][1]} epochs {{}} against {{}} % before, gain {{}} points, mean of {len(chips)} levels"
    for mode, k, chip in (case for case in cases if case[0] == CONTROL):
        control = Quantity("robustness", mode, s.t_train)
        after_control = control._replace(metric=f"accuracy_after_{k}_{chip}")
        gain = results.contrast([Term(1.0, s, after_control), Term(-1.0, s, control)])
        words += f"; unperturbed {text.percent(gain, signed=True)}"
    return _difference(results, after, before, words)


def _difference(
    results: Results,
    first: Sequence[Term],
    second: Sequence[Term],
    words: str,
    signed: bool = False,
    threshold: float = 0.0,
) -> Evidence:
    """Judged: the first sum of accuracies minus the second; words: with room for both numbers and the difference."""
    difference = results.contrast([*first, *quantities.negative(second)])
    if difference is None:
        return _judged(words, None)
    numbers = [
        text.mean(results.contrast([*own, *quantities.weightless(other)]), signed)
        for own, other in ((first, second), (second, first))
    ]
    return _judged(words.format(*numbers, text.percent(difference, signed=True)), difference, threshold)


MTT, SHORTCUT = "MTT (ICLR 2025)", "Shortcut (NeurIPS 2024)"
DSPIKE, LTL = "Dspike (NeurIPS 2021)", "LTL (NeurIPS 2022)"
CLAIMS = [
    Claim("mtt_flatter", MTT, "flatter over T than SDT", ("mtt", "sdt"), flatter),
    Claim("mtt_flatter_matched", MTT, "flatter over T than SDT at matched compute", ("mtt", "sdt-matched"), flatter),
    Claim("mtt_flatter_nmt", MTT, "flatter over T than NMT", ("mtt", "nmt"), flatter),
    Claim("mtt_events", MTT, "loses less on event-driven deployment than SDT",
          ("mtt", "sdt"), better_event_driven_change),
    Claim("mtt_events_matched", MTT, "loses less on event-driven deployment than SDT at matched compute",
          ("mtt", "sdt-matched"), better_event_driven_change),
    Claim("shortcut_gradient", SHORTCUT, "raises the early layers' gradient norm",
          ("shortcut", "sdt"), raises_early_gradients, deep=True),
    Claim("shortcut_accuracy", SHORTCUT, "helps the deep network", ("shortcut", "sdt"), more_accurate, deep=True),
    Claim("evolutionary_accuracy", SHORTCUT, "evolutionary training helps the deep network",
          ("shortcut-evolutionary", "sdt"), more_accurate, deep=True),
    Claim("dspike_adapted", DSPIKE, "an adapted temperature beats the fixed one",
          ("dspike", "dspike-fixed"), more_accurate),
    Claim("dspike_accuracy", DSPIKE, "beats a fixed surrogate gradient", ("dspike", "sdt"), more_accurate),
    Claim("ltl_near_teacher", LTL, "offline: near its teacher within five epochs",
          ("ltl-offline", "ann"), near_teacher),
    Claim("ltl_online_near_teacher", LTL, "online: near its teacher within five epochs",
          ("ltl-online", "ann"), near_teacher),
    Claim("ltl_conversion", LTL, "better than conversion at few time steps",
          ("ltl-offline", "conversion"), more_accurate),
    Claim("ltl_memory", LTL, "online: memory for backward does not grow with T",
          ("ltl-online", "sdt"), memory_flat_in_time),
    Claim("ltl_recovers", LTL, "recovers by learning on simulated chips", ("ltl-offline",), recovers),
    Claim("ltl_online_recovers", LTL, "online: recovers by learning on simulated chips", ("ltl-online",), recovers),
]  # fmt: skip
