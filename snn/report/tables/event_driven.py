"""The tables about event-driven inference: accuracy and cost, where the accuracy changes, answers before the end."""

from __future__ import annotations

import numpy as np

from snn.report import text
from snn.report.quantities import event_driven_change, negative
from snn.report.results import Panel, Quantity, Results, Setting, Term
from snn.report.style import mode_label
from snn.report.tables.builder import Builder, Table
from snn.statistics import Interval, mean_interval

FINAL_FRACTION = 0.95


def event_driven(results: Results) -> Table:
    """Clock-driven at the T of training beside clock-driven at larger T and event-driven, in every mode."""
    build = Builder("event_driven")
    for s in results.settings:
        clock = Quantity("deploy", "clock", s.t_train)
        for mode, t in results.deployed(s):
            deployed = Quantity("deploy", mode, t)
            change: Interval | None = results.contrast([Term(1.0, s, deployed), Term(-1.0, s, clock)])
            p = getattr(change, "p", None)
            if change is None:
                change = results.interval(s, deployed._replace(metric="difference"))
            build.number(s, deployed._replace(metric="accuracy_change"), change, p=p)
            accuracy, spike_difference, spikes, synops, no_output, energy = (
                build.result(results, s, deployed._replace(metric=metric))
                for metric in ("accuracy", "spike_difference", "spikes", "synops", "no_output", "energy_uj")
            )
            build.line(
                s,
                {
                    "Inference": mode_label(mode, t),
                    "Clock-driven at T of training (%)": text.percent(build.result(results, s, clock)),
                    "Accuracy (%)": text.percent(accuracy),
                    "Accuracy change (points)": text.percent(change, signed=True),
                    "Spike-count difference (%)": text.percent(spike_difference),
                    "Spikes": text.quantity(spikes),
                    "SynOps": text.quantity(synops),
                    "No output (recordings)": text.quantity(no_output),
                    "Energy, modelled (µJ)": text.quantity(energy),
                    "n": text.seeds(accuracy, results.planned_seeds(s)),
                },
            )
    return build.table()


def accuracy_change(results: Results) -> Table:
    """The accuracy change on event-driven deployment, taken apart: by time steps that are coarser than the events, and
    the rest (a neuron that spikes at most once an event, in the events' order); and each variant of a network minus
    the network."""
    build = Builder("accuracy_change")
    for s in (s for panel in results.panels for s in results.main_settings(panel)):
        modes = results.event_modes(s)
        if not modes:
            continue
        event = Quantity("deploy", modes[0], None)
        clock = Quantity("deploy", "clock", s.t_train)
        larger = [t for t in results.steps(s, "deploy") if t > s.t_train]

        def points(name: str, *terms: Term, s: Setting = s, event: Quantity = event) -> str:
            return text.percent(build.number(s, event._replace(metric=name), results.contrast(terms)), signed=True)

        change = event_driven_change(s, modes[0])
        cells = {"Accuracy change, event-driven (points)": points("accuracy_change", *change)}
        if larger:
            finest = clock._replace(t=max(larger))
            cells["of it from coarse time steps"] = points(
                "accuracy_change_time_steps", Term(1.0, s, finest), Term(-1.0, s, clock)
            )
            cells[f"of it beyond clock-driven at T = {max(larger)}"] = points(
                "accuracy_change_rest", Term(1.0, s, event), Term(-1.0, s, finest)
            )
        base_network = results.variants.get(s.network)
        base = base_network and results.find(Panel(s.dataset, base_network), s.method)
        if base:
            cells["minus that of the base network"] = points(
                "accuracy_change_minus_base", *change, *negative(event_driven_change(base, modes[0]))
            )
        cells["n"] = text.seeds(results.interval(s, event), results.planned_seeds(s))
        build.line(s, cells)
    table = build.table()
    # Settings differ in what they have: columns in the order of their first appearance would be of no order at all.
    columns = sorted(table.view, key=lambda c: (c == "n", c.startswith("minus"), c.startswith("of it beyond")))
    return table._replace(view=table.view[columns])


def anytime(results: Results) -> Table:
    """When an event-driven network that is read out at any moment has reached 95 % of its final accuracy."""
    build = Builder("anytime")
    for s in results.settings:
        for mode in results.event_modes(s):
            first_correct = build.result(results, s, Quantity("deploy", mode, None, "first_correct_us"))
            time = _reached(results, s, mode, "accuracy_over_time")
            events = _reached(results, s, mode, "accuracy_over_events")
            if time is None and events is None:
                continue
            build.number(s, Quantity("deploy", mode, None, "us_to_95_percent_of_final"), time)
            build.number(s, Quantity("deploy", mode, None, "events_to_95_percent_of_final"), events)
            build.line(
                s,
                {
                    "Inference": mode_label(mode),
                    "Time to 95 % of final (ms)": text.quantity(time, 1e-3),
                    "Events to 95 % of final (%)": text.quantity(events, 100),
                    "First correct (ms)": text.quantity(first_correct, 1e-3),
                    "n": text.seeds(time or events, results.planned_seeds(s)),
                },
            )
    return build.table()


def _reached(results: Results, s: Setting, mode: str, curve: str) -> Interval | None:
    reached = list(reached_by_seed(results, s, mode, curve).values())
    end = float(results.curve(s, mode, curve)["x"].max()) if reached else 0.0
    return mean_interval(reached, bounds=(0.0, end)) if reached else None


def reached_by_seed(results: Results, s: Setting, mode: str, curve: str) -> dict[int, float]:
    """Seed -> where its curve first reaches `FINAL_FRACTION` of its last value, interpolated linearly between its
    points."""
    reached = {}
    for seed, points in results.curve(s, mode, curve).sort_values("x").groupby("seed"):
        x, value = points["x"].to_numpy(float), points["value"].to_numpy(float)
        goal = FINAL_FRACTION * value[-1]
        i = int(np.argmax(value >= goal))
        reached[seed] = float(np.interp(goal, value[i - 1 : i + 1], x[i - 1 : i + 1])) if i else float(x[0])
    return reached
