"""The tables. Each is a function of the results, and gives the same numbers twice:

`data` is tidy, with full precision, for the CSV file; `view` holds the words and rounded numbers that people read.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from snn.report import text
from snn.report.answer import lost_without_clock
from snn.report.parts import Builder, Table
from snn.report.results import Panel, Results, Setting, What
from snn.report.style import method_label, mode_label
from snn.statistics import Interval, holm, mean_interval

BASELINE = "sdt"


def accuracy(results: Results) -> Table:
    """The main result, and beside it what choosing an epoch would have given."""
    build = Builder("accuracy")
    for s in results.settings:
        planned = results.planned(s)

        def cell(metric: str, s: Setting = s) -> Interval | None:
            what = What("train", "clock", s.t_train, metric)
            return build.tidy(s, what, results.interval(s, what))

        main = cell("accuracy")
        build.line(
            s,
            **{
                "T": str(s.t_train),
                "Accuracy, last epoch (%)": text.percent(main),
                "Epoch chosen on validation (%)": text.percent(cell("accuracy_selected")),
                "Best on test, optimistic (%)": text.percent(cell("accuracy_best_on_test")),
                "n": text.seeds(main, planned),
            },
        )
    return build.table()


def event_driven(results: Results) -> Table:
    """Clock-driven at the T of training against finer clocks and against events, in every mode."""
    build = Builder("event_driven")
    for s in results.settings:
        clock = What("deploy", "clock", s.t_train)
        for mode, t in results.deployed(s):
            event = What("deploy", mode, t)

            def cell(metric: str, s: Setting = s, event: What = event) -> Interval | None:
                what = event._replace(metric=metric)
                return build.tidy(s, what, results.interval(s, what))

            difference = results.contrast([(1.0, s, event), (-1.0, s, clock)])
            if difference is None:
                difference = results.interval(s, event._replace(metric="difference"))
            build.tidy(s, event._replace(metric="difference"), difference, p=getattr(difference, "p", None))
            reached = cell("accuracy")
            build.line(
                s,
                **{
                    "Inference": mode_label(mode, t),
                    "Clock at T of training (%)": text.percent(build.tidy(s, clock, results.interval(s, clock))),
                    "Reached (%)": text.percent(reached),
                    "Difference (points)": text.percent(difference, signed=True),
                    "Spike-count difference (%)": text.percent(cell("spike_difference")),
                    "Spikes": text.quantity(cell("spikes")),
                    "SynOps": text.quantity(cell("synops")),
                    "No output (recordings)": text.quantity(cell("no_output")),
                    "Energy, modelled (µJ)": text.quantity(cell("energy_uj")),
                    "n": text.seeds(reached, results.planned(s)),
                },
            )
    return build.table()


def loss(results: Results) -> Table:
    """What is lost from the clock to events, taken apart: by frames that are coarser than the events, and by the rest
    (a neuron that spikes once an event, in the events' order); and each variant of a network against the network."""
    build = Builder("loss")
    for s in (s for panel in results.panels for s in results.main(panel)):
        clocks = [t for mode, t in results.evaluated(s, "deploy") if mode == "clock" and t > s.t_train]
        modes = results.event_modes(s)
        if not modes:
            continue
        clock, event = What("deploy", "clock", s.t_train), What("deploy", modes[0], None)
        finest = clock._replace(t=max(clocks)) if clocks else None

        def lost(name: str, *terms, s: Setting = s, event: What = event) -> str:
            difference = results.contrast([term for term in terms if term])
            return text.percent(build.tidy(s, event._replace(metric=name), difference), signed=True)

        whole = lost_without_clock(s, modes[0])
        of = results.variants.get(s.network)
        plain = of and results.find(Panel(s.dataset, of), s.method)
        cells = {"Lost without a clock (points)": lost("loss", *whole)}
        if finest:
            cells["by frames coarser than the events"] = lost("loss_frames", (1.0, s, clock), (-1.0, s, finest))
            cells[f"beyond a clock of T = {finest.t}"] = lost("loss_rest", (1.0, s, finest), (-1.0, s, event))
        if plain:
            theirs = [(-weight, *at) for weight, *at in lost_without_clock(plain, modes[0])]
            cells["more than the network as it is"] = lost("loss_of_variant", *whole, *theirs)
        n = results.interval(s, event)
        build.line(s, n=text.seeds(n, results.planned(s)), **cells)
    table = build.table()
    # Settings differ in what they have: columns in the order of their first appearance would be of no order at all.
    columns = sorted(table.view, key=lambda c: (c == "n", c.startswith("more than"), c.startswith("beyond")))
    return table._replace(view=table.view[columns])


VARIANTS = {
    "accuracy": "as evaluated",
    "accuracy_running": "as training left it",
    "accuracy_recalibrated": "recalibrated",
}


def accuracy_over_t(results: Results) -> Table:
    """Trained once, evaluated at every T; with other normalisation statistics where the network has any."""
    build = Builder("accuracy_over_t")
    for panel in results.panels:
        for s in results.main(panel):
            for metric in variants(results, s):
                cells, last = {}, None
                for _, t in results.evaluated(s, "sweep", metric):
                    what = What("sweep", "clock", t, metric)
                    last = build.tidy(s, what, results.interval(s, what))
                    cells[f"T = {t}"] = text.percent(last)
                if cells:
                    head = {"Trained at": f"T = {s.t_train}", "Normalisation": VARIANTS.get(metric, metric)}
                    build.line(s, **head, n=text.seeds(last, results.planned(s)), **cells)
        points = star(results, panel)
        if len(points) > 1:
            cells = {}
            for s, interval in points:
                build.tidy(s, What("train", "clock", s.t_train), interval)
                cells[f"T = {s.t_train}"] = text.percent(interval)
            head = {"Trained at": "each T", "Normalisation": VARIANTS["accuracy"]}
            build.line(s._replace(method="sdt*"), **head, n=text.seeds(points[-1][1], results.planned(s)), **cells)
    table = build.table()
    times = sorted((c for c in table.view if c.startswith("T = ")), key=lambda c: int(c[4:]))
    rest = [c for c in table.view if c not in times and not (c == "Normalisation" and table.view[c].nunique() == 1)]
    return table._replace(view=table.view[[*rest, *times]])


def variants(results: Results, s: Setting) -> list[str]:
    """The normalisation variants of the sweep that say something of their own: one only, without normalisation."""
    plain = {t: results.values(s, What("sweep", "clock", t)) for _, t in results.evaluated(s, "sweep")}
    found = []
    for metric in VARIANTS:
        swept = {
            t: results.values(s, What("sweep", "clock", t, metric)) for _, t in results.evaluated(s, "sweep", metric)
        }
        if swept and (metric == "accuracy" or swept != plain):
            found.append(metric)
    return found


def star(results: Results, panel: Panel) -> list[tuple[Setting, Interval]]:
    """SDT*: SDT trained and evaluated at each T."""
    trained = [s for s in results.settings if s[:2] == panel and s.method == BASELINE]
    points = [(s, results.interval(s, What("train", "clock", s.t_train))) for s in trained]
    return [(s, interval) for s, interval in points if interval is not None]


def paired(results: Results) -> Table:
    """Each method against SDT, and MTT against SDT with matched compute; Holm's correction over each measure."""
    build = Builder("paired")
    for measure, terms in _measures(results).items():
        rows = []
        for panel in results.panels:
            for a, b in _pairs(results, panel):
                left, right = terms(a), terms(b)
                if left and right:
                    both = results.contrast(left + [(-weight, s, what) for weight, s, what in right])
                    if both is not None:
                        rows.append((a, b, left[0][2], both))
        adjusted = holm([both.p for *_, both in rows])
        for (a, b, what, both), p in zip(rows, adjusted, strict=True):
            against = {"against": b.method, "measure": measure, "p": both.p, "p_holm": p, "family": len(rows)}
            build.tidy(a, what._replace(metric="difference"), both, **against)
            build.line(
                a,
                **{
                    "Against": method_label(b.method),
                    "Accuracy": measure,
                    "Difference (points)": text.percent(both, signed=True),
                    "p": text.p_value(both.p),
                    "p, Holm": text.p_value(p),
                    "n": text.seeds(both),
                },
            )
    return build.table()


def _measures(results: Results) -> dict[str, Callable[[Setting], list]]:
    """Measure -> function setting -> its terms (weight, setting, what); none where the setting has no such number."""

    def clock(s: Setting) -> list:
        return [(1.0, s, What("train", "clock", s.t_train))]

    def event(s: Setting) -> list:
        modes = results.event_modes(s)
        return [(1.0, s, What("deploy", modes[0], None))] if modes else []

    def loss(s: Setting) -> list:
        modes = results.event_modes(s)
        return [(-weight, *at) for weight, *at in lost_without_clock(s, modes[0])] if modes else []

    return {"clock": clock, "events": event, "events minus clock": loss}


def _pairs(results: Results, panel: Panel) -> list[tuple[Setting, Setting]]:
    base, matched = (results.find(panel, m) for m in (BASELINE, f"{BASELINE}-matched"))
    pairs = [(s, base) for s in results.main(panel) if base and s.method not in (BASELINE, "chance")]
    mtt = results.find(panel, "mtt")
    return pairs + ([(mtt, matched)] if mtt and matched else [])


def cost(results: Results) -> Table:
    """What a training costs: wall time and time steps, and both in units of SDT's."""
    build = Builder("cost")
    for s in results.settings:
        panel = Panel(s.dataset, s.network)
        base = results.find(panel, BASELINE)
        found = {m: results.interval(s, What("train", "clock", s.t_train, m)) for m in ("seconds", "time_steps")}
        if not any(found.values()):
            continue
        cells = {}
        for metric, label in (("seconds", "wall time"), ("time_steps", "time steps")):
            what = What("train", "clock", s.t_train, metric)
            build.tidy(s, what, found[metric])
            relative = None
            if base:
                ours, theirs = (results.values(x, what._replace(t=x.t_train)) for x in (s, base))
                ratios = [ours[seed] / theirs[seed] for seed in sorted(ours) if theirs.get(seed)]
                relative = mean_interval(ratios) if ratios else None
                build.tidy(s, what._replace(metric=f"{metric}_relative"), relative)
            unit = " (s)" if metric == "seconds" else ""
            cells[f"{label.capitalize()}{unit}"] = text.quantity(found[metric])
            cells[f"{label.capitalize()} / SDT"] = text.quantity(relative)
        main = What("train", "clock", s.t_train)
        parameters = results.interval(s, main._replace(metric="parameters"))
        reached = results.interval(s, main)
        cells["Weights"] = f"{parameters.mean:,.0f}" if parameters else text.NONE
        cells["Accuracy (%)"] = text.percent(reached)
        build.line(
            s, T=str(s.t_train), **cells, n=text.seeds(found["seconds"] or found["time_steps"], results.planned(s))
        )
    return build.table()


SHARE = 0.95


def anytime(results: Results) -> Table:
    """When an event-driven network that is asked at any moment has reached 95 % of its final accuracy."""
    build = Builder("anytime")
    for s in results.settings:
        for mode in results.event_modes(s):
            time = _reached(results, s, mode, "accuracy_over_time")
            events = _reached(results, s, mode, "accuracy_over_events")
            first = What("deploy", mode, None, "first_correct_us")
            correct = build.tidy(s, first, results.interval(s, first))
            if time is None and events is None:
                continue
            build.tidy(s, What("deploy", mode, None, "us_to_95_percent_of_final"), time)
            build.tidy(s, What("deploy", mode, None, "events_to_95_percent_of_final"), events)
            build.line(
                s,
                **{
                    "Inference": mode_label(mode),
                    "Time to 95 % of final (ms)": text.quantity(time, 1e-3),
                    "Events to 95 % of final (%)": text.quantity(events, 100),
                    "First correct (ms)": text.quantity(correct, 1e-3),
                    "n": text.seeds(time or events, results.planned(s)),
                },
            )
    return build.table()


def _reached(results: Results, s: Setting, mode: str, curve: str) -> Interval | None:
    """Where the curve first reaches that share of its last value, between its points by a straight line."""
    found = []
    for _, one in results.curve(s, mode, curve).sort_values("x").groupby("seed"):
        x, value = one["x"].to_numpy(float), one["value"].to_numpy(float)
        goal = SHARE * value[-1]
        i = int(np.argmax(value >= goal))
        found.append(float(np.interp(goal, value[i - 1 : i + 1], x[i - 1 : i + 1])) if i else float(x[0]))
    return mean_interval(found, bounds=(0.0, float(x[-1]))) if found else None


def holes(results: Results) -> Table:
    view = results.holes.rename(columns=str.capitalize).rename(columns={"T_train": "T"}).astype(str)
    return Table("holes", results.holes, view)
