"""The tables of the phase `robustness`: the trained networks on simulated chips, and learning on them."""

from __future__ import annotations

from collections.abc import Iterable

from snn.report import text
from snn.report.results import Quantity, Results
from snn.report.simulated_chips import (
    NON_IDEALITIES,
    PHASE,
    ChipInterval,
    by_epoch,
    by_level,
    learning_levels,
    mode_of,
    unperturbed,
)
from snn.report.tables.builder import Builder, Table
from snn.statistics import Interval


def robustness(results: Results) -> Table:
    """A row a setting, a column a level of each kind: means; the intervals and what they are over are in the data."""
    build = Builder("robustness")
    for s in results.settings:
        cells: dict[str, str] = {}
        intervals: list[ChipInterval] = []
        for kind, non_ideality in NON_IDEALITIES.items():
            for level, interval in by_level(results, s, kind).items():
                quantity = Quantity(PHASE, mode_of(kind, level), s.t_train)
                build.number(s, quantity, interval, kind=kind, level=level)
                cells[non_ideality.level_label(level)] = text.mean(interval)
                intervals.append(interval)
        if cells:
            control = unperturbed(results, s)
            over = "recordings" if control and control.note else "seeds and recordings"  # it is on no chip
            build.number(s, Quantity(PHASE, "clock", s.t_train), control, n_chips=0, over=over)
            build.line(s, {"Unperturbed": text.mean(control), **cells, "n": _n(intervals, control)})
    return build.table()


def on_chip_learning(results: Results) -> Table:
    """A row a non-ideality: accuracy after k epochs of learning on the chip; first the unperturbed network's own."""
    build = Builder("on_chip_learning")
    for s in results.settings:
        modes = {"none (control)": "clock"} | {
            non_ideality.level_label(level): mode_of(kind, level)
            for kind, non_ideality in NON_IDEALITIES.items()
            for level in learning_levels(results, s, kind)
        }
        for label, mode in modes.items():
            intervals = by_epoch(results, s, mode)
            if intervals:
                for k, interval in intervals.items():
                    build.number(s, Quantity(PHASE, mode, s.t_train, f"accuracy_after_{k:g}"), interval, epochs=k)
                cells = {"Non-ideality": label}
                cells |= {f"k = {k:g}": text.percent(interval) for k, interval in intervals.items()}
                build.line(s, cells | {"n": _n(intervals.values(), unperturbed(results, s))})
    return build.table()


def _n(intervals: Iterable[ChipInterval], control: Interval | None) -> str:
    """`3 seeds × 10 chips × 200, over seeds`: seeds, simulated chips of each, test recordings, and what the interval
    is over."""
    most = max(intervals, key=lambda i: i.n_chips)
    units = [(most.n_seeds, "seed"), (-(-most.n_chips // most.n_seeds), "chip")]
    counts = [f"{count} {unit}{'s' * (count > 1)}" for count, unit in units]
    if control:
        counts.append(f"{control.n_samples:,}")
    return " × ".join(counts) + (f": {most.note}" if most.note else f", over {most.over}")
