"""Figures and tables of the phase `disturb`: the trained network on disturbed hardware, and learning on it.

Numbers are means over chips; with three seeds or more, means over seeds of these. The interval is Student's over the
same: over chips it speaks of other chips with the same trained network, over seeds of other trainings too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from snn.phases.report import figures, tables, text
from snn.phases.report.results import Results, Setting, What
from snn.phases.report.style import look
from snn.statistics import MIN_SEEDS, Interval, mean_interval

# kind -> (axis, how a level is written, whether a larger level is worse)
KINDS = {
    "mismatch": ("Device mismatch σ", lambda level: f"Mismatch σ = {level:g}", True),
    "bits": ("Bits of a weight", lambda level: f"{level:g} bits", False),
    "noise": ("Membrane noise (thresholds a step)", lambda level: f"Noise {level:g} θ", True),
    "silenced": ("Silenced neurons (%)", lambda level: f"{100 * level:g} % silenced", True),
}
OVER_LEVEL, OVER_EPOCHS = "accuracy_over_level", "accuracy_over_epochs"


def robustness_mismatch(results: Results) -> Figure | str:
    return _over_level(results, "mismatch")


def robustness_bits(results: Results) -> Figure | str:
    return _over_level(results, "bits")


def robustness_noise(results: Results) -> Figure | str:
    return _over_level(results, "noise")


def robustness_silenced(results: Results) -> Figure | str:
    return _over_level(results, "silenced")


def _over_level(results: Results, kind: str) -> Figure | str:
    """Accuracy against level, one line a method; beside the levels the undisturbed network."""
    found = {s: of_levels(results, s, kind) for s in results.settings}
    levels = sorted({level for points in found.values() for level in points})
    if not levels:
        return "no cells were disturbed in this way (`disturb`)"
    places = {level: i for i, level in enumerate(levels if KINDS[kind][2] else levels[::-1], 1)} | {None: 0}
    panels = [p for p in results.panels if any(found[s] for s in results.main(p))]
    figure, grid = figures._grid(results, height=3.2, panels=panels)
    shown: dict[str, None] = {}
    for axes, panel in zip(grid, panels, strict=False):
        settings = [s for s in results.main(panel) if found[s]]
        for i, s in enumerate(settings):
            shift = min(0.05, 0.3 / len(settings)) * (i - (len(settings) - 1) / 2)
            points = [(places[level] + shift, interval) for level, interval in found[s].items()]
            if (whole := undisturbed(results, s)) is not None:
                points.append((shift, whole))
            bars = figures._has_bars(s, settings)
            figures._line(axes, sorted(points, key=lambda p: p[0]), s.method, results, bars)
            shown[s.method] = None
        names = {0: "none" if kind != "bits" else "float"}
        names |= {i: f"{100 * level:g}" if kind == "silenced" else f"{level:g}" for level, i in places.items() if i}
        axes.set_xticks(list(names), list(names.values()))
        axes.set_title(figures._title(results, panel), loc="left")
        axes.set_xlabel(KINDS[kind][0])
    figures._label_left(grid, "Test accuracy (%)")
    figures._legend(figure, shown, results)
    return figure


def recovery(results: Results) -> Figure | str:
    """Accuracy after k epochs on the chip, at the strongest level learnt on; dotted: the undisturbed network."""
    panels = [
        (panel, kind)
        for panel in results.panels
        for kind in KINDS
        if any(learnt_levels(results, s, kind) for s in results.main(panel))
    ]
    if not panels:
        return "no cells learnt on disturbed hardware (`disturb.recovery`)"
    figure, grid = figures._grid(results, height=2.5, panels=[p for p, _ in panels], columns=4)
    shown: dict[str, None] = {}
    for axes, (panel, kind) in zip(grid, panels, strict=False):
        settings = [s for s in results.main(panel) if learnt_levels(results, s, kind)]
        level = _strongest(kind, (x for s in settings for x in learnt_levels(results, s, kind)))
        for s in settings:
            found = of_epochs(results, s, kind, level)
            figures._line(axes, list(found.items()), s.method, results)
            whole = _by_x(results.curve(s, "clock", OVER_EPOCHS))
            colour = look(s.method, results.methods).colour
            means = [100 * interval.mean for interval in whole.values()]
            axes.plot(list(whole), means, color=colour, linewidth=1, linestyle=(0, (1, 1.5)), zorder=1)
            shown[s.method] = None
        axes.set_title(f"{figures._title(results, panel)}\n{KINDS[kind][1](level)}", loc="left")
        axes.xaxis.set_major_locator(FixedLocator(range(20)))
        axes.set_xlabel("Epochs on the chip")
    figures._label_left(grid, "Test accuracy (%)")
    figures._legend(figure, shown, results)
    return figure


def robustness(results: Results) -> tables.Table:
    """A row a setting, a column a level of each kind: means; the intervals are in the data."""
    build = tables._Builder("robustness")
    for s in results.settings:
        cells, counts = {}, []
        for kind, (_, written, _) in KINDS.items():
            for level, interval in of_levels(results, s, kind).items():
                what = What("disturb", f"{kind}-{level:g}", s.t_train)
                build.tidy(s, what, interval, kind=kind, level=level)
                cells[written(level)] = _mean(interval)
                counts.append(interval.n_seeds)
        if cells:
            whole = build.tidy(s, What("disturb", "clock", s.t_train), undisturbed(results, s))
            build.line(s, **{"Undisturbed": _mean(whole), **cells, "n": _n(results, s, max(counts))})
    return build.table()


def recovered(results: Results) -> tables.Table:
    """A row a disturbance that was learnt on: accuracy after k epochs there; first the undisturbed network's own."""
    build = tables._Builder("recovered")
    for s in results.settings:
        learnt = {"none (control)": "clock"} | {
            written(level): f"{kind}-{level:g}"
            for kind, (_, written, _) in KINDS.items()
            for level in learnt_levels(results, s, kind)
        }
        for disturbance, mode in learnt.items():
            found = _by_x(results.curve(s, mode, OVER_EPOCHS))
            if found:
                for k, interval in found.items():
                    build.tidy(s, What("disturb", mode, s.t_train, f"accuracy_after_{k:g}"), interval, epochs=k)
                cells = {f"k = {k:g}": text.percent(interval) for k, interval in found.items()}
                units = max(interval.n_seeds for interval in found.values())
                build.line(s, Disturbance=disturbance, **cells, n=_n(results, s, units))
    return build.table()


# --- the numbers


def of_levels(results: Results, s: Setting, kind: str) -> dict[float, Interval]:
    """Level -> accuracy over chips."""
    return _by_x(results.curve(s, kind, OVER_LEVEL))


def of_epochs(results: Results, s: Setting, kind: str, level: float) -> dict[float, Interval]:
    """Epochs -> accuracy over the chips learnt on."""
    return _by_x(results.curve(s, f"{kind}-{level:g}", OVER_EPOCHS))


def learnt_levels(results: Results, s: Setting, kind: str) -> list[float]:
    return [level for level in of_levels(results, s, kind) if of_epochs(results, s, kind, level)]


def undisturbed(results: Results, s: Setting) -> Interval | None:
    """The same network and recordings, undisturbed."""
    return results.interval(s, What("disturb", "clock", s.t_train))


def over_chips(rows: pd.DataFrame) -> Interval:
    """Of rows with `seed` and `value`, one a chip: over the seeds' means where these are enough, else over all."""
    seeds = rows.groupby("seed")["value"].mean()
    found = mean_interval(seeds if len(seeds) >= MIN_SEEDS else rows["value"])
    return replace(found, low=max(found.low, 0.0), high=min(found.high, 1.0))  # nan stays nan


def _by_x(rows: pd.DataFrame) -> dict[float, Interval]:
    return {float(x): over_chips(at) for x, at in rows.groupby("x")}


def _strongest(kind: str, levels: Iterable[float]) -> float:
    return (max if KINDS[kind][2] else min)(levels)


def _mean(interval: Interval | None) -> str:
    return text.percent(interval).split(" ")[0]


def _n(results: Results, s: Setting, units: int) -> str:
    """`3 chips × 200`: how many chips, or seeds where these are enough, and how many test recordings."""
    seeds = results.values(s, What("disturb", "clock", s.t_train))
    whole = undisturbed(results, s)
    unit = "seed" if len(seeds) >= MIN_SEEDS else "chip"
    return f"{units} {unit}{'s' * (units > 1)} × {whole.n_samples if whole else 0:,}"
