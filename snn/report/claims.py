"""The papers' claims, one line each, held against this benchmark's numbers: holds, does not show, not testable here.

A claim holds where the 95 % interval of what it speaks of lies wholly on its side; it does not show where the interval
holds zero or lies on the other side (the evidence says which). It is not testable here where cells are missing or
seeds are too few. Comparisons are paired, on the same seeds and recordings, as everywhere in the report. Nothing is
corrected for the number of claims: each is its paper's own, stated beforehand.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from snn.report import text
from snn.report.answer import event_mode, lost_below, lost_without_clock
from snn.report.results import Panel, Results, Setting, What
from snn.report.style import method_label, network_label
from snn.report.tables import Table
from snn.statistics import TOO_FEW, Interval, mean_interval

HOLDS, NOT_SHOWN, NOT_TESTABLE = "holds", "does not show", "not testable here"
NEAR = 0.02
"""How far below its teacher a network is still near it: two points [ours; the paper gives no margin]."""
CONTROL = "clock"  # the undisturbed network among those that learn on a chip
EARLY = 5
"""Epochs within which LTL is to be near its teacher [paper]."""


class Evidence(NamedTuple):
    """What was found: in words, the number that decides with its interval (None: there is none), and the verdict."""

    words: str
    interval: Interval | None
    verdict: str


Judge = Callable[[Results, list[Setting]], Evidence]


class Claim(NamedTuple):
    """name: of the row in the CSV file; methods: that it compares, all of which a panel must have; deep: whether it
    speaks of residual networks only."""

    name: str
    paper: str
    claim: str
    methods: tuple[str, ...]
    judge: Judge
    deep: bool = False


def claims(results: Results, elsewhere: Path | None = None) -> Table:
    """One line for each claim and each panel that has its methods; one for a claim that no panel can speak of.

    elsewhere: this table's CSV file of a reference run on other data, whose evidence and verdicts stand beside."""
    tidy, view = [], []
    for claim in CLAIMS:
        found = 0
        for panel in results.networks:
            settings = [results.find(panel, method) for method in claim.methods]
            if None not in settings and ("resnet" in panel.network or not claim.deep):
                found += 1
                _note(claim, panel, claim.judge(results, settings), tidy, view)
        if not found:
            have = {s.method for s in results.settings}
            lacking = [method_label(m) for m in claim.methods if m not in have]
            where = "no deep network" if claim.deep else "no network"
            words = f"no {' and no '.join(lacking)} in this benchmark" if lacking else f"{where} has all its methods"
            _note(claim, Panel("", ""), Evidence(words, None, NOT_TESTABLE), tidy, view)
    view_table = _beside(pd.DataFrame(view), pd.DataFrame(tidy), elsewhere)
    if view_table["Data"].nunique() == 1:
        view_table = view_table.drop(columns="Data")
    return Table("claims", pd.DataFrame(tidy), view_table)


def _beside(view: pd.DataFrame, tidy: pd.DataFrame, elsewhere: Path | None) -> pd.DataFrame:
    """The view with what a reference run on other data found, claim by claim and network by network."""
    known = pd.read_csv(elsewhere) if elsewhere is not None and elsewhere.exists() else tidy.iloc[:0]
    known = known[known["dataset"].notna() & ~known["dataset"].isin(set(tidy["dataset"]))]
    if known.empty:
        return view
    found = {(row.claim, row.network): f"{row.evidence}: {row.verdict}" for row in known.itertuples()}
    there = " and ".join(dict.fromkeys(known["dataset"]))
    here = zip(tidy["claim"], tidy["network"], strict=True)
    return view.assign(**{f"Reference run on {there}": [found.get(key, text.NONE) for key in here]})


def _note(claim: Claim, panel: Panel, evidence: Evidence, tidy: list, view: list) -> None:
    interval = evidence.interval
    numbers = {name: getattr(interval, name, "") for name in ("mean", "low", "high", "n_seeds", "n_samples")}
    found = {"verdict": evidence.verdict, **numbers, "evidence": evidence.words}
    tidy.append({"claim": claim.name, **panel._asdict(), **found})
    view.append(
        {
            "Paper": claim.paper,
            "Claim": claim.claim,
            "Data": panel.dataset or text.NONE,
            "Network": network_label(panel.network) if panel.network else text.NONE,
            "Evidence": evidence.words,
            "n": text.seeds(interval) if interval else text.NONE,
            "Verdict": evidence.verdict,
        }
    )


def _judged(words: str, interval: Interval | None, threshold: float = 0.0) -> Evidence:
    if interval is None:
        return Evidence("the numbers are missing (see the holes)", None, NOT_TESTABLE)
    if interval.note:
        return Evidence(f"{words}; {TOO_FEW}", interval, NOT_TESTABLE)
    return Evidence(words, interval, HOLDS if interval.low > threshold else NOT_SHOWN)


# --- what the claims speak of; a positive number is on the claim's side


def flatter(results: Results, settings: list[Setting]) -> Evidence:
    """Mean loss of accuracy at the sweep's T below that of training: the second method's minus the first's."""
    steps, at = lost_below(results, settings)
    if not steps:
        return Evidence("no sweep below the T of training", None, NOT_TESTABLE)
    words = f"mean loss at T = {steps[0]} to {steps[-1]}: {{}} against {{}} points, difference {{}}"
    return _difference(results, at[0], at[1], words, less=True)


def loses_less_without_clock(results: Results, settings: list[Setting]) -> Evidence:
    """Accuracy with the clock minus event-driven: the second method's minus the first's."""
    mode = event_mode(results, settings)
    if mode is None:
        return Evidence("no event-driven deployment of both", None, NOT_TESTABLE)
    at = [lost_without_clock(s, mode) for s in settings]
    return _difference(results, at[0], at[1], "event-driven loss {} against {} points, difference {}", less=True)


def more_accurate(results: Results, settings: list[Setting]) -> Evidence:
    """Accuracy of the last epoch: the first method's minus the second's."""
    at = [[(1.0, s, What("train", "clock", s.t_train))] for s in settings]
    return _difference(results, at[0], at[1], "{} against {} %, difference {} points")


def near_teacher(results: Results, settings: list[Setting]) -> Evidence:
    """Accuracy minus the teacher's: above -`NEAR`, after at most `EARLY` epochs."""
    student, teacher = settings
    epochs = int(results.epochs(student)["epoch"].max()) if len(results.epochs(student)) else 0
    if not 1 <= epochs <= EARLY:
        return Evidence(f"trained for {epochs} epochs, not for at most {EARLY}", None, NOT_TESTABLE)
    at = [[(1.0, s, What("train", "clock", s.t_train))] for s in (student, teacher)]
    words = f"after {epochs} epochs {{}} against the teacher's {{}} %, difference {{}} points"
    words += f" (near: above −{100 * NEAR:g})"
    return _difference(results, at[0], at[1], words, threshold=-NEAR)


def raises_early_gradients(results: Results, settings: list[Setting]) -> Evidence:
    """Gradient norm of the first layer over the whole training, the first method's over the second's, minus 1: mean
    over seeds."""
    norms = [results.epochs(s).groupby("seed")["gradient_norm_first"].mean() for s in settings
             if "gradient_norm_first" in results.epochs(s)]  # fmt: skip
    shared = sorted(set.intersection(*(set(of.dropna().index) for of in norms))) if len(norms) == 2 else []
    if not shared:
        return Evidence("no gradient norms in the history", None, NOT_TESTABLE)
    ratio = mean_interval([norms[0][seed] / norms[1][seed] for seed in shared])
    excess = Interval(ratio.mean - 1, ratio.low - 1, ratio.high - 1, ratio.n_seeds, 0, ratio.note)
    return _judged(f"first layer's gradient norm {text.quantity(ratio)} times that of {_name(settings[1])}", excess)


def memory_flat_in_time(results: Results, settings: list[Setting]) -> Evidence:
    """Growth of the bytes kept for backward from the least to the largest T at which both were probed, relative to the
    growth of T; flat is below a tenth of it. Counted, not sampled: one seed is as good as three."""
    probed = [{t for _, t in results.evaluated(s, "probe", "bytes_for_backward") if t} for s in settings]
    steps = sorted(set.intersection(*probed))
    if len(steps) < 2:
        return Evidence("not probed at two common T", None, NOT_TESTABLE)
    growth = []
    for s in settings:
        kept = [min(results.values(s, What("probe", "clock", t, "bytes_for_backward")).values()) for t in steps]
        growth.append((kept[-1] / kept[0] - 1) / (steps[-1] / steps[0] - 1))
    words = (
        f"from T = {steps[0]} to {steps[-1]} what is kept for backward grows by {text.short(100 * growth[0])} % of "
        f"what growth in proportion would be, {_name(settings[1])}'s by {text.short(100 * growth[1])} %"
    )
    return Evidence(words, None, HOLDS if growth[0] < 0.1 < growth[1] else NOT_SHOWN)


def recovers(results: Results, settings: list[Setting]) -> Evidence:
    """Accuracy on disturbed hardware after the last epoch of learning there minus before, mean over levels of the mean
    over chips. What as many more epochs give the undisturbed network stands beside it: that much is no recovery."""
    (s,) = settings
    found = [(mode, *match.groups()) for mode, metric in results.predicted(s, "disturb")
             if (match := re.fullmatch(r"accuracy_after_(\d+)_(chip\d+)", metric))]  # fmt: skip
    learnt = [each for each in found if each[0] != CONTROL]
    chips = Counter(mode for mode, *_ in learnt)
    if not learnt:
        return Evidence("no learning on disturbed hardware", None, NOT_TESTABLE)

    accuracies = [
        [
            (1.0 / chips[mode] / len(chips), s, What("disturb", mode, s.t_train, name.format(k=k, chip=chip)))
            for mode, k, chip in learnt
        ]
        for name in ("accuracy_after_{k}_{chip}", "accuracy_{chip}")
    ]

    words = f"after {learnt[0][1]} epochs {{}} against {{}} % before, gain {{}} points, mean of {len(chips)} levels"
    for mode, k, chip in (each for each in found if each[0] == CONTROL):
        after, before = What("disturb", mode, s.t_train, f"accuracy_after_{k}_{chip}"), What("disturb", mode, s.t_train)
        more = results.contrast([(1.0, s, after), (-1.0, s, before)])
        words += f"; undisturbed {text.percent(more, signed=True)}"
    return _difference(results, *accuracies, words)


def _difference(
    results: Results, first: list, second: list, words: str, less: bool = False, threshold: float = 0.0
) -> Evidence:
    """Judged: the first number minus the second (`less`: the second minus the first), each a weighted sum of
    accuracies; words: with room for both numbers and the difference."""
    sign = -1.0 if less else 1.0
    signed = [(sign * w, s, what) for w, s, what in first] + [(-sign * w, s, what) for w, s, what in second]
    both = results.contrast(signed)
    if both is None:
        return _judged(words, None)
    alone = [results.contrast(own + [(0.0, s, what) for _, s, what in other]) for own, other in
             ((first, second), (second, first))]  # fmt: skip
    numbers = [text.percent(one).split(" ")[0] for one in alone]
    return _judged(words.format(*numbers, text.percent(both, signed=True)), both, threshold)


def _name(s: Setting) -> str:
    return method_label(s.method)


MTT, SHORTCUT = "MTT (ICLR 2025)", "Shortcut (NeurIPS 2024)"
DSPIKE, LTL = "Dspike (NeurIPS 2021)", "LTL (NeurIPS 2022)"
CLAIMS = [
    Claim("mtt_flatter", MTT, "flatter over T than SDT", ("mtt", "sdt"), flatter),
    Claim("mtt_flatter_matched", MTT, "flatter over T than SDT at matched compute", ("mtt", "sdt-matched"), flatter),
    Claim("mtt_flatter_nmt", MTT, "flatter over T than NMT", ("mtt", "nmt"), flatter),
    Claim("mtt_events", MTT, "loses less without a clock than SDT", ("mtt", "sdt"), loses_less_without_clock),
    Claim("mtt_events_matched", MTT, "loses less without a clock than SDT at matched compute",
          ("mtt", "sdt-matched"), loses_less_without_clock),
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
    Claim("ltl_recovers", LTL, "recovers on disturbed hardware", ("ltl-offline",), recovers),
    Claim("ltl_online_recovers", LTL, "online: recovers on disturbed hardware", ("ltl-online",), recovers),
]  # fmt: skip
