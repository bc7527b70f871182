"""The tables that compare methods: paired differences with their p-values, and the cost of training."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from snn.report import quantities, text
from snn.report.quantities import BASELINE
from snn.report.results import Panel, Quantity, Results, Setting, Term
from snn.report.style import method_label
from snn.report.tables.builder import Builder, Table
from snn.statistics import Interval, Paired, holm, mean_interval

MATCHED, CANDIDATE = "sdt-matched", "mtt"


class Comparison(NamedTuple):
    setting: Setting
    against: Setting
    quantity: Quantity
    difference: Paired


def paired(results: Results) -> Table:
    """Each method against SDT, and MTT against SDT with matched compute; Holm's correction over each measure."""
    build = Builder("paired")
    for measure, terms in _measures(results).items():
        comparisons = []
        for panel in results.panels:
            for s, against in _pairs(results, panel):
                own, other = terms(s), terms(against)
                if own and other:
                    difference = results.contrast(own + quantities.negative(other))
                    if difference is not None:
                        comparisons.append(Comparison(s, against, own[0].quantity, difference))
        adjusted = holm([comparison.difference.p for comparison in comparisons])
        for (s, against, quantity, difference), p in zip(comparisons, adjusted, strict=True):
            build.number(
                s,
                quantity._replace(metric="difference"),
                difference,
                against=against.method,
                measure=measure,
                p=difference.p,
                p_holm=p,
                family=len(comparisons),
            )
            build.line(
                s,
                {
                    "Against": method_label(against.method),
                    "Measure": measure,
                    "Difference (points)": text.percent(difference, signed=True),
                    "p": text.p_value(difference.p),
                    "p, Holm": text.p_value(p),
                    "n": text.seeds(difference),
                },
            )
    return build.table()


def _measures(results: Results) -> dict[str, Callable[[Setting], list[Term]]]:
    """Measure -> function setting -> its terms; none where the setting has no such number."""

    def event_driven(s: Setting) -> list[Term]:
        modes = results.event_modes(s)
        return quantities.event_driven_accuracy(s, modes[0]) if modes else []

    def change(s: Setting) -> list[Term]:
        modes = results.event_modes(s)
        return quantities.event_driven_change(s, modes[0]) if modes else []

    return {
        "accuracy, clock-driven": quantities.accuracy,
        "accuracy, event-driven": event_driven,
        "accuracy change, event-driven": change,
    }


def _pairs(results: Results, panel: Panel) -> list[tuple[Setting, Setting]]:
    baseline, matched, candidate = (results.find(panel, m) for m in (BASELINE, MATCHED, CANDIDATE))
    settings = [s for s in results.main_settings(panel) if s.method not in (BASELINE, "chance")]
    pairs = [(s, baseline) for s in settings if baseline]
    return pairs + ([(candidate, matched)] if candidate and matched else [])


def cost(results: Results) -> Table:
    """What a training costs: wall time and time steps, and both in units of SDT's."""
    build = Builder("cost")
    for s in results.settings:
        costs = {metric: results.interval(s, quantities.trained(s, metric)) for metric in ("seconds", "time_steps")}
        if not any(costs.values()):
            continue
        cells = {"T": str(s.t_train)}
        for metric, label, unit in (("seconds", "Wall time", " (s)"), ("time_steps", "Time steps", "")):
            build.number(s, quantities.trained(s, metric), costs[metric])
            relative = build.number(
                s, quantities.trained(s, f"{metric}_relative"), relative_to_baseline(results, s, metric)
            )
            cells[label + unit] = text.quantity(costs[metric])
            cells[f"{label} / SDT"] = text.quantity(relative)
        parameters = results.interval(s, quantities.trained(s, "parameters"))
        cells["Weights"] = f"{parameters.mean:,.0f}" if parameters else text.NONE
        cells["Accuracy (%)"] = text.percent(results.interval(s, quantities.trained(s)))
        cells["n"] = text.seeds(costs["seconds"] or costs["time_steps"], results.planned_seeds(s))
        build.line(s, cells)
    return build.table()


def relative_to_baseline(results: Results, s: Setting, metric: str) -> Interval | None:
    """Mean ratio to SDT's at the same seed."""
    baseline = results.find(Panel(s.dataset, s.network), BASELINE)
    if baseline is None:
        return None
    own = results.values(s, quantities.trained(s, metric))
    of_baseline = results.values(baseline, quantities.trained(baseline, metric))
    ratios = [own[seed] / of_baseline[seed] for seed in sorted(own) if of_baseline.get(seed)]
    return mean_interval(ratios) if ratios else None
