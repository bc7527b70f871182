"""Evaluations in which a network predicts some classes for no recording: a failure that a mean accuracy hides."""

from __future__ import annotations

from typing import NamedTuple

from snn.report.results import Quantity, Results, Setting

METRIC = "classes_never_predicted"
CONSTANT = ("chance",)
"""Methods that predict one class on purpose."""


class NeverPredicted(NamedTuple):
    """One evaluation of a setting; classes: seed -> number of classes among the recordings that are never predicted."""

    setting: Setting
    quantity: Quantity
    classes: dict[int, int]


def never_predicted(results: Results, phases: tuple[str, ...] = ("train", "sweep", "deploy")) -> list[NeverPredicted]:
    """The evaluations in which some seed never predicts some class, in the order of the tables.

    Empty also where the collected files do not count them (those of older versions)."""
    evaluations = [
        (s, Quantity(phase, mode, t, METRIC))
        for s in results.settings
        if s.method not in CONSTANT
        for phase in phases
        for mode, t in results.evaluated(s, phase, METRIC)
    ]
    counted = [
        NeverPredicted(s, quantity, {seed: int(n) for seed, n in sorted(results.values(s, quantity).items())})
        for s, quantity in evaluations
    ]
    return [each for each in counted if any(each.classes.values())]
