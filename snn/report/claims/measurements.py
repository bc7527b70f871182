"""The quantities that claims are about: paired differences on the same seeds, and where possible the same recordings.

Each function takes the results and the settings of the compared methods, the claim's own first. It returns the
differences on the claim's scale (first method minus second; positive: on the first method's side), or one line that
says what is missing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from snn.report import quantities
from snn.report.quantities import negative, trained, weightless
from snn.report.results import Panel, Quantity, Results, Setting, Term
from snn.report.style import method_label
from snn.statistics import Estimate, estimate, exact_estimate

EARLY_EPOCHS = 5
"""Epochs within which LTL is to be near its teacher [paper]."""
UNPERTURBED = "clock"  # the mode of the unperturbed network among those that learn on simulated chips
NO_SHARED_PREDICTIONS = "no predictions on the same seeds and recordings"

Scale = Literal["points", "log ratio", "fraction"]


class Measurement(NamedTuple):
    """estimate: of the differences; first, second: the compared numbers by themselves, None where there are none;
    detail: what else a reader has to know, e.g. the range of T."""

    estimate: Estimate
    first: float | None = None
    second: float | None = None
    detail: str = ""


class ClaimQuantity(NamedTuple):
    """What a claim is about. label: in words; scale: of its differences and margins (points are kept as fractions);
    of_changes: whether the compared numbers themselves are changes of accuracy, in points."""

    label: str
    scale: Scale
    measure: Callable[[Results, Sequence[Setting]], Measurement | str]
    of_changes: bool = False


def _accuracy(results: Results, settings: Sequence[Setting]) -> Measurement | str:
    first, second = (quantities.accuracy(s) for s in settings)
    return _difference(results, first, second)


def _change_over_t(results: Results, settings: Sequence[Setting]) -> Measurement | str:
    steps = quantities.common_steps_below_training(results, settings)
    if not steps:
        return "no sweep below the T of training"
    first, second = (quantities.change_over_t(s, steps) for s in settings)
    return _difference(results, first, second, _span(steps))


def _accuracy_beyond_training(results: Results, settings: Sequence[Setting]) -> Measurement | str:
    """Mean accuracy at the swept T above that of training."""
    t_train = max(s.t_train for s in settings)
    steps = sorted(t for t in set.intersection(*(set(results.steps(s, "sweep")) for s in settings)) if t > t_train)
    if not steps:
        return "no sweep above the T of training"
    first, second = ([Term(1.0 / len(steps), s, Quantity("sweep", "clock", t)) for t in steps] for s in settings)
    return _difference(results, first, second, _span(steps))


def _accuracy_of_training_at_each_t(results: Results, settings: Sequence[Setting]) -> Measurement | str:
    """Mean over T of the accuracy of one training, swept, minus that of the second method trained anew at each T."""
    mixed, baseline = settings
    star = [s for s, _ in quantities.trained_at_each_t(results, Panel(baseline.dataset, baseline.network))]
    star = [s for s in star if s.t_train in results.steps(mixed, "sweep")]
    if len(star) < 2:
        return f"no {method_label(baseline.method)} trained at two or more T"
    weight = 1.0 / len(star)
    first = [Term(weight, mixed, Quantity("sweep", "clock", s.t_train)) for s in star]
    second = [Term(weight, s, trained(s)) for s in star]
    return _difference(results, first, second, f"T = {', '.join(str(s.t_train) for s in star)}")


def _event_driven_accuracy(results: Results, settings: Sequence[Setting]) -> Measurement | str:
    return _event_driven(results, settings, quantities.event_driven_accuracy)


def _event_driven_change(results: Results, settings: Sequence[Setting]) -> Measurement | str:
    return _event_driven(results, settings, quantities.event_driven_change)


def _event_driven(
    results: Results, settings: Sequence[Setting], terms: Callable[[Setting, str], list[Term]]
) -> Measurement | str:
    """The difference of these terms in the first event-driven mode that both were deployed in."""
    mode = quantities.common_event_mode(results, settings)
    if mode is None:
        return "no event-driven deployment of both"
    first, second = (terms(s, mode) for s in settings)
    return _difference(results, first, second)


def _early_accuracy(results: Results, settings: Sequence[Setting]) -> Measurement | str:
    """The student's accuracy after at most `EARLY_EPOCHS` epochs minus the accuracy of the trained teacher."""
    student, teacher = settings
    history = results.epochs(student)
    if history.empty:
        return "no history of the training"
    epochs = int(history["epoch"].max())
    if epochs <= EARLY_EPOCHS:
        detail = f"after {epochs} epoch{'s' * (epochs > 1)}"
        return _difference(results, quantities.accuracy(student), quantities.accuracy(teacher), detail)
    if "test_accuracy" not in history:
        return f"no test accuracy after {EARLY_EPOCHS} epochs"
    early = history[history["epoch"] == EARLY_EPOCHS].set_index("seed")["test_accuracy"].dropna().to_dict()
    final = results.values(teacher, trained(teacher))
    return _per_seed(early, final, f"after {EARLY_EPOCHS} of {epochs} epochs")


def _early_gradients(results: Results, settings: Sequence[Setting]) -> Measurement | str:
    """log(gradient norm of the first layer / of the last layer), mean over the probed iterations of the training."""
    first, second = (_log_gradient_ratio(results, s) for s in settings)
    if not first or not second:
        return "no probed gradients of both (`probe.seeds`)"
    return _per_seed(first, second)


def _log_gradient_ratio(results: Results, s: Setting) -> dict[int, float]:
    layers = list(results.layer_curves(s, "gradient_norm").values())
    if len(layers) < 2:
        return {}
    ratio = layers[0].merge(layers[-1], on=["seed", "x"], suffixes=("_first", "_last"))
    ratio = ratio[(ratio["value_first"] > 0) & (ratio["value_last"] > 0)]
    logs = np.log(ratio["value_first"] / ratio["value_last"])
    return logs.groupby(ratio["seed"]).mean().to_dict()


def _memory_growth(results: Results, settings: Sequence[Setting]) -> Measurement | str:
    """Growth with T of the bytes that are kept for backward, as a fraction of the second method's. Counted, not
    sampled: one seed is as good as three."""
    steps = sorted(set.intersection(*(set(results.steps(s, "probe", "bytes_for_backward")) for s in settings)))
    if len(steps) < 2:
        return "memory not probed at two common T"
    growth = []
    for s in settings:
        least, most = (
            min(results.values(s, Quantity("probe", "clock", t, "bytes_for_backward")).values())
            for t in (steps[0], steps[-1])
        )
        growth.append(most - least)
    if growth[1] <= 0:
        return "the memory of the compared method does not grow with T"
    return Measurement(exact_estimate(growth[0] / growth[1]), detail=_span(steps))


def _on_chip_gain(results: Results, settings: Sequence[Setting]) -> Measurement | str:
    """Gain in accuracy by learning on simulated chips (mean over levels of the mean over chips) minus the gain of the
    unperturbed network, which learns as long: that much is no recovery."""
    (s,) = settings
    cases = [
        (mode, *match.groups())
        for mode, metric in results.predicted(s, "robustness")
        if (match := re.fullmatch(r"accuracy_after_(\d+)_(chip\d+)", metric))
    ]
    on_chips = [case for case in cases if case[0] != UNPERTURBED]
    controls = [case for case in cases if case[0] == UNPERTURBED]
    if not on_chips or not controls:
        return "no learning on simulated chips beside that of the unperturbed network"
    chips = Counter(mode for mode, *_ in on_chips)
    gain = []
    for mode, k, chip in on_chips:
        weight = 1.0 / chips[mode] / len(chips)
        before = Quantity("robustness", mode, s.t_train, f"accuracy_{chip}")
        gain += [Term(weight, s, before._replace(metric=f"accuracy_after_{k}_{chip}")), Term(-weight, s, before)]
    control_gain = []
    for mode, k, chip in controls:
        before = Quantity("robustness", mode, s.t_train)
        after = before._replace(metric=f"accuracy_after_{k}_{chip}")
        control_gain += [Term(1.0 / len(controls), s, after), Term(-1.0 / len(controls), s, before)]
    return _difference(results, gain, control_gain, f"{on_chips[0][1]} epochs, mean of {len(chips)} non-idealities")


# --- what they have in common


def _difference(results: Results, first: Sequence[Term], second: Sequence[Term], detail: str = "") -> Measurement | str:
    """The first sum of accuracies minus the second, on the seeds and recordings that all of them have."""
    differences = results.differences([*first, *negative(second)])
    alone = [results.differences([*own, *weightless(other)]) for own, other in ((first, second), (second, first))]
    if differences is None or alone[0] is None or alone[1] is None:
        return NO_SHARED_PREDICTIONS
    return Measurement(estimate(differences), float(alone[0].mean()), float(alone[1].mean()), detail)


def _per_seed(first: dict[int, float], second: dict[int, float], detail: str = "") -> Measurement | str:
    """The same for quantities with one number a seed."""
    seeds = sorted(set(first) & set(second))
    if not seeds:
        return "no seed with both numbers"
    pairs = np.array([(first[seed], second[seed]) for seed in seeds])
    mean_first, mean_second = map(float, pairs.mean(axis=0))
    return Measurement(estimate(pairs[:, 0] - pairs[:, 1]), mean_first, mean_second, detail)


def _span(steps: Sequence[int]) -> str:
    return f"T = {steps[0]}" + (f" to {steps[-1]}" if len(steps) > 1 else "")


ACCURACY = ClaimQuantity("accuracy (clock-driven)", "points", _accuracy)
CHANGE_OVER_T = ClaimQuantity("mean accuracy change at T below training", "points", _change_over_t, of_changes=True)
ACCURACY_BEYOND_TRAINING = ClaimQuantity("mean accuracy at T above training", "points", _accuracy_beyond_training)
ACCURACY_AT_EACH_T = ClaimQuantity("mean accuracy over T", "points", _accuracy_of_training_at_each_t)
EVENT_DRIVEN_ACCURACY = ClaimQuantity("event-driven accuracy", "points", _event_driven_accuracy)
EVENT_DRIVEN_CHANGE = ClaimQuantity("accuracy change, event-driven", "points", _event_driven_change, of_changes=True)
EARLY_ACCURACY = ClaimQuantity("accuracy in the first epochs", "points", _early_accuracy)
EARLY_GRADIENTS = ClaimQuantity("gradient norm, first layer / last layer", "log ratio", _early_gradients)
MEMORY_GROWTH = ClaimQuantity("growth of memory with T, relative", "fraction", _memory_growth)
ON_CHIP_GAIN = ClaimQuantity("gain by on-chip learning minus control's", "points", _on_chip_gain, of_changes=True)
