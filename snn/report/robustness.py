"""Figures and tables of the phase `disturb`: the trained network on disturbed hardware, and learning on it.

Numbers are means over chips, then over seeds. The chips of a seed share its training, and no chip is met by two seeds,
so chips of several seeds are never pooled. Student's interval is over the seeds' means from three seeds on: it speaks
of other trainings on other chips. With one seed it is over the chips, from three on, and speaks of other chips with
that same network only. With two seeds there is none: "too few seeds".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from snn.report import parts, text
from snn.report.results import Results, Setting, What
from snn.report.style import look
from snn.statistics import MIN_SEEDS, Interval, mean_interval

# kind -> (axis, how a level is written, whether a larger level is worse)
KINDS = {
    "mismatch": ("Device mismatch σ", lambda level: f"Mismatch σ = {level:g}", True),
    "bits": ("Bits of a weight", lambda level: f"{level:g} bits", False),
    "noise": ("Membrane noise (thresholds a step)", lambda level: f"Noise {level:g} θ", True),
    "silenced": ("Silenced neurons (%)", lambda level: f"{100 * level:g} % silenced", True),
}
OVER_LEVEL, OVER_EPOCHS = "accuracy_over_level", "accuracy_over_epochs"


@dataclass(frozen=True)
class OverChips(Interval):
    """Of means over chips. n_chips: of all seeds together; over: "chips" (of one seed) or "seeds" (of their means)."""

    n_chips: int = 0
    over: str = "seeds"


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
    figure, grid = parts.grid(results, height=3.2, panels=panels)
    shown: dict[str, None] = {}
    for axes, panel in zip(grid, panels, strict=False):
        settings = [s for s in results.main(panel) if found[s]]
        for i, s in enumerate(settings):
            shift = min(0.05, 0.3 / len(settings)) * (i - (len(settings) - 1) / 2)
            points = [(places[level] + shift, interval) for level, interval in found[s].items()]
            if (whole := undisturbed(results, s)) is not None:
                points.append((shift, whole))
            bars = parts.has_bars(s, settings)
            parts.line(axes, sorted(points, key=lambda p: p[0]), s.method, results, bars)
            shown[s.method] = None
        names = {0: "none" if kind != "bits" else "float"}
        names |= {i: f"{100 * level:g}" if kind == "silenced" else f"{level:g}" for level, i in places.items() if i}
        axes.set_xticks(list(names), list(names.values()))
        axes.set_title(parts.title(results, panel), loc="left")
        axes.set_xlabel(KINDS[kind][0])
    parts.label_left(grid, "Test accuracy (%)")
    parts.legend(figure, shown, results)
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
    figure, grid = parts.grid(results, height=2.5, panels=[p for p, _ in panels], columns=4)
    shown: dict[str, None] = {}
    for axes, (panel, kind) in zip(grid, panels, strict=False):
        settings = [s for s in results.main(panel) if learnt_levels(results, s, kind)]
        level = _strongest(kind, (x for s in settings for x in learnt_levels(results, s, kind)))
        for s in settings:
            found = of_epochs(results, s, kind, level)
            parts.line(axes, list(found.items()), s.method, results)
            whole = _by_x(results.curve(s, "clock", OVER_EPOCHS))
            colour = look(s.method, results.methods).colour
            means = [100 * interval.mean for interval in whole.values()]
            axes.plot(list(whole), means, color=colour, linewidth=1, linestyle=(0, (1, 1.5)), zorder=1)
            shown[s.method] = None
        axes.set_title(f"{parts.title(results, panel)}\n{KINDS[kind][1](level)}", loc="left")
        axes.xaxis.set_major_locator(FixedLocator(range(20)))
        axes.set_xlabel("Epochs on the chip")
    parts.label_left(grid, "Test accuracy (%)")
    parts.legend(figure, shown, results)
    return figure


def robustness(results: Results) -> parts.Table:
    """A row a setting, a column a level of each kind: means; the intervals and what they are over are in the data."""
    build = parts.Builder("robustness")
    for s in results.settings:
        cells, met = {}, []
        for kind, (_, written, _) in KINDS.items():
            for level, interval in of_levels(results, s, kind).items():
                what = What("disturb", f"{kind}-{level:g}", s.t_train)
                build.tidy(s, what, interval, kind=kind, level=level)
                cells[written(level)] = _mean(interval)
                met.append(interval)
        if cells:
            whole = undisturbed(results, s)
            over = "recordings" if whole and whole.note else "seeds and recordings"  # it met no chip
            build.tidy(s, What("disturb", "clock", s.t_train), whole, n_chips=0, over=over)
            build.line(s, **{"Undisturbed": _mean(whole), **cells, "n": _n(met, whole)})
    return build.table()


def recovered(results: Results) -> parts.Table:
    """A row a disturbance that was learnt on: accuracy after k epochs there; first the undisturbed network's own."""
    build = parts.Builder("recovered")
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
                build.line(s, Disturbance=disturbance, **cells, n=_n(found.values(), undisturbed(results, s)))
    return build.table()


# --- the numbers


def of_levels(results: Results, s: Setting, kind: str) -> dict[float, OverChips]:
    """Level -> accuracy over chips."""
    return _by_x(results.curve(s, kind, OVER_LEVEL))


def of_epochs(results: Results, s: Setting, kind: str, level: float) -> dict[float, OverChips]:
    """Epochs -> accuracy over the chips learnt on."""
    return _by_x(results.curve(s, f"{kind}-{level:g}", OVER_EPOCHS))


def learnt_levels(results: Results, s: Setting, kind: str) -> list[float]:
    return [level for level in of_levels(results, s, kind) if of_epochs(results, s, kind, level)]


def undisturbed(results: Results, s: Setting) -> Interval | None:
    """The same network and recordings, undisturbed."""
    return results.interval(s, What("disturb", "clock", s.t_train))


def over_chips(rows: pd.DataFrame) -> OverChips:
    """Of rows with `seed` and `value`, one a chip: over the seeds' means, or over the chips where there is one seed.

    Few bits round alike on every chip: one chip a seed, and so no interval below three seeds."""
    seeds = rows.groupby("seed")["value"].mean()
    over = "chips" if len(seeds) == 1 and len(rows) >= MIN_SEEDS else "seeds"
    found = mean_interval(rows["value"] if over == "chips" else seeds, bounds=(0.0, 1.0))
    return OverChips(**vars(found) | {"n_seeds": len(seeds)}, n_chips=len(rows), over=over)


def _by_x(rows: pd.DataFrame) -> dict[float, OverChips]:
    return {float(x): over_chips(at) for x, at in rows.groupby("x")}


def _strongest(kind: str, levels: Iterable[float]) -> float:
    return (max if KINDS[kind][2] else min)(levels)


def _mean(interval: Interval | None) -> str:
    return text.percent(interval).split(" ")[0]


def _n(intervals: Iterable[OverChips], whole: Interval | None) -> str:
    """`3 seeds × 10 chips × 200, over seeds`: seeds, chips of each, test recordings, and what the interval is over."""
    most = max(intervals, key=lambda i: i.n_chips)
    words = [(most.n_seeds, "seed"), (-(-most.n_chips // most.n_seeds), "chip")]
    counts = [f"{count} {unit}{'s' * (count > 1)}" for count, unit in words] + [f"{whole.n_samples:,}"] * bool(whole)
    return " × ".join(counts) + (f": {most.note}" if most.note else f", over {most.over}")
