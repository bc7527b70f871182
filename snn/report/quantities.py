"""The quantities that the answer, the claims and the tables compare, as sums of accuracies (`Results.contrast`).

A change of accuracy is always "after minus before": negative is worse.
"""

from __future__ import annotations

from collections.abc import Sequence

from snn.report.results import Panel, Quantity, Results, Setting, Term
from snn.statistics import Interval

BASELINE = "sdt"


def trained(s: Setting, metric: str = "accuracy") -> Quantity:
    """Of the training's own evaluation: clock-driven at the T of training, last epoch."""
    return Quantity("train", "clock", s.t_train, metric)


def accuracy(s: Setting) -> list[Term]:
    """The main result: clock-driven accuracy at the T of training, last epoch."""
    return [Term(1.0, s, trained(s))]


def event_driven_accuracy(s: Setting, mode: str) -> list[Term]:
    return [Term(1.0, s, Quantity("deploy", mode, None))]


def event_driven_change(s: Setting, mode: str) -> list[Term]:
    """Event-driven accuracy minus clock-driven accuracy at the T of training."""
    return [Term(1.0, s, Quantity("deploy", mode, None)), Term(-1.0, s, Quantity("deploy", "clock", s.t_train))]


def change_over_t(s: Setting, steps: Sequence[int]) -> list[Term]:
    """Mean accuracy at the numbers of time steps `steps` minus that at the T of training."""
    at_training = Quantity("sweep", "clock", s.t_train)
    return [
        *(Term(1.0 / len(steps), s, at_training._replace(t=t)) for t in steps),
        Term(-1.0, s, at_training),
    ]


def negative(terms: Sequence[Term]) -> list[Term]:
    return [term._replace(weight=-term.weight) for term in terms]


def weightless(terms: Sequence[Term]) -> list[Term]:
    """Adds nothing to a contrast but the condition that these seeds and recordings be there."""
    return [term._replace(weight=0.0) for term in terms]


def common_steps_below_training(results: Results, settings: Sequence[Setting]) -> list[int]:
    """The numbers of time steps below that of training at which all settings were swept; none where their T of
    training differ, or where one of them was not swept at it."""
    if len({s.t_train for s in settings}) != 1:
        return []
    t_train = settings[0].t_train
    swept = set.intersection(*(set(results.steps(s, "sweep")) for s in settings))
    return sorted(t for t in swept if t < t_train) if t_train in swept else []


def common_event_mode(results: Results, settings: Sequence[Setting]) -> str | None:
    """The first event-driven mode that all settings were deployed in; None where there is none."""
    modes = [results.event_modes(s) for s in settings]
    return next((mode for mode in modes[0] if all(mode in other for other in modes)), None)


def trained_at_each_t(results: Results, panel: Panel) -> list[tuple[Setting, Interval]]:
    """SDT*: SDT trained and evaluated at each T."""
    settings = [s for s in results.settings if s[:2] == panel and s.method == BASELINE]
    intervals = [(s, results.interval(s, trained(s))) for s in settings]
    return [(s, interval) for s, interval in intervals if interval is not None]
