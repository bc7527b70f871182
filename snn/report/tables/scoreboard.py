"""The scoreboard: one row a network and method, one column a thing that people decide by. There is no composite score.

Every number is compared with the baseline's (SDT) on the same network and, where there are any, the same seeds and
recordings. A mark says that the two differ at 5 %, two-sided: the cell by itself (△ better, ▽ worse), or also after
Holm's correction over all cells of its column (▲, ▼).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from snn.report import quantities, simulated_chips, text
from snn.report.results import Panel, Quantity, Results, Setting, Term
from snn.report.style import method_label
from snn.report.tables.builder import Builder, Table
from snn.report.tables.comparisons import BASELINE, relative_to_baseline
from snn.report.tables.event_driven import reached_by_seed
from snn.statistics import ALPHA, TOO_FEW, Interval, estimate, holm, mean_interval

NO_SPIKING_NETWORKS = ("chance", "ann", "ann-ltl", "ann-qcfs")
"""Controls and teachers: nobody decides between them and a training method; the table of accuracies has them."""

INFERENCES = {
    "breadth-first": ("event-float", "event-int8"),
    "breadth-first, int8 as on Speck": ("event-float", "event-dynapcnn"),
    "depth-first": ("event-float-depth", "event-int8-depth"),
    "depth-first, int8 as on Speck": ("event-float-depth", "event-dynapcnn-depth"),
}
"""Order of event-driven inference -> its modes in floating point and in int8; the common one first."""

MARKS = {("better", True): "▲", ("better", False): "△", ("worse", True): "▼", ("worse", False): "▽"}


class Cell(NamedTuple):
    """One number of the scoreboard.

    shown: as people read it; interval: None where there is no number. better: "better" or "worse" than the baseline
    where the two differ, else ""; holds: also after Holm's correction over the column. p, p_holm: two-sided, None
    where nothing was tested.
    """

    shown: str
    interval: Interval | None = None
    better: str = ""
    holds: bool = False
    p: float | None = None
    p_holm: float | None = None

    @property
    def mark(self) -> str:
        return MARKS.get((self.better, self.holds), "")

    @property
    def few(self) -> str:
        """`1 seed` where there are too few for an interval."""
        if self.interval is None or self.interval.note != TOO_FEW:
            return ""
        return f"{self.interval.n_seeds} seed{'s' * (self.interval.n_seeds > 1)}"

    @property
    def meaning(self) -> str:
        """The mark in words, for readers that do not see it."""
        if not self.better:
            return ""
        return f"{self.better} than {method_label(BASELINE)}{', also after Holm’s correction' * self.holds}"


class Row(NamedTuple):
    setting: Setting
    cells: dict[str, Cell]
    n: str


class Board(NamedTuple):
    """inference: a key of `INFERENCES`, or "" where nothing was deployed; columns: label of each, and whether more of
    it is better."""

    inference: str
    columns: dict[str, bool]
    rows: list[Row]


class Measure(NamedTuple):
    """A column.

    label: its head; name: of its quantity in the CSV file; write: interval -> text. A quantity is either `terms`
    (setting, baseline -> a sum of accuracies, [] where it has none) or `by_seed` (setting -> seed -> number).
    shown: setting -> the interval in the cell, where that is not the quantity's own (a ratio beside a count).
    """

    label: str
    name: Quantity
    write: Callable[[Interval | None], str]
    terms: Callable[[Setting, Setting], Sequence[Term]] | None = None
    by_seed: Callable[[Setting], dict[int, float]] | None = None
    shown: Callable[[Setting], Interval | None] | None = None
    more_is_better: bool = True


def scoreboard(results: Results) -> Table:
    """The scoreboard as a table: for readers with the common order of inference, in the CSV file with all."""
    build = Builder("scoreboard")
    for i, board in enumerate(boards(results)):
        names = {m.label: m.name for m in _measures(results, INFERENCES.get(board.inference, ("", "")))}
        for row in board.rows:
            for label, cell in row.cells.items():
                build.number(
                    row.setting, names[label], cell.interval, inference=board.inference,
                    against="" if row.setting.method == BASELINE else BASELINE,
                    differs=cell.better, p=cell.p, p_holm=cell.p_holm,
                )  # fmt: skip
            if i == 0:
                cells = {label: " ".join(filter(None, (c.shown, c.few and f"({c.few})", c.mark))) for label, c in
                         row.cells.items()}  # fmt: skip
                build.line(row.setting, cells | {"n": row.n})
    return build.table()


@lru_cache(maxsize=1)  # the page and the table are made from the same ones
def boards(results: Results) -> list[Board]:
    """One for each order of event-driven inference that was run, the common one first; one without, if none was."""
    settings = _settings(results)
    deployed = {mode for s in settings for mode in results.event_modes(s)}
    shown: dict[str, tuple[str, str]] = {}
    for name, modes in INFERENCES.items():
        if (deployed & set(modes)).difference(*shown.values()):
            shown[name] = modes
    return [_board(results, settings, name, modes) for name, modes in (shown or {"": ("", "")}).items()]


def _settings(results: Results) -> list[Setting]:
    main = [s for panel in results.networks for s in results.main_settings(panel)]
    return [s for s in main if s.method not in NO_SPIKING_NETWORKS]


def _board(results: Results, settings: Sequence[Setting], inference: str, modes: tuple[str, str]) -> Board:
    measures = {m.label: m for m in _measures(results, modes)}
    columns = {label: _column(results, settings, m) for label, m in measures.items()}
    columns = {label: cells for label, cells in columns.items() if any(c.interval for c in cells)}
    rows = [
        Row(s, {label: cells[i] for label, cells in columns.items()}, _n(results, s)) for i, s in enumerate(settings)
    ]
    return Board(inference, {label: measures[label].more_is_better for label in columns}, rows)


def _n(results: Results, s: Setting) -> str:
    return text.seeds(results.interval(s, quantities.trained(s)), results.planned_seeds(s))


def _measures(results: Results, modes: tuple[str, str]) -> list[Measure]:
    """The columns. modes: event-driven in floating point, and in int8."""
    floating, integer = modes

    def flatness(s: Setting, baseline: Setting) -> Sequence[Term]:
        steps = quantities.common_steps_below_training(results, [s, baseline])
        return quantities.change_over_t(s, steps) if steps else []

    def event_driven(mode: str) -> Callable[[Setting, Setting], Sequence[Term]]:
        return lambda s, _: quantities.event_driven_accuracy(s, mode) if mode in results.event_modes(s) else []

    def change(s: Setting, _: Setting) -> Sequence[Term]:
        return quantities.event_driven_change(s, floating) if floating in results.event_modes(s) else []

    def trained(metric: str) -> Callable[[Setting], dict[int, float]]:
        return lambda s: results.values(s, quantities.trained(s, metric))

    def robust(s: Setting) -> dict[int, float]:
        panel = Panel(s.dataset, s.network)
        return simulated_chips.mean_by_seed(results, s, simulated_chips.common_cases(results, panel))

    deploy = Quantity("deploy", floating, None)
    percent, points = text.percent, lambda interval: text.percent(interval, signed=True)
    return [
        Measure("Clock-driven accuracy (%)", Quantity("train", "clock", None), percent,
                terms=lambda s, _: quantities.accuracy(s)),
        Measure("Change at T below training (points)", Quantity("sweep", "clock", None, "change_over_t"), points,
                terms=flatness),
        Measure("Event-driven accuracy, float (%)", deploy, percent, terms=event_driven(floating)),
        Measure("Event-driven accuracy, int8 (%)", deploy._replace(mode=integer), percent, terms=event_driven(integer)),
        Measure("Change event-driven (points)", deploy._replace(metric="accuracy_change"), points, terms=change),
        Measure("Robustness (%)", Quantity(simulated_chips.PHASE, "all", None, "accuracy_perturbed"), percent,
                by_seed=robust),
        Measure("Time to 95 % of final (ms)", deploy._replace(metric="us_to_95_percent_of_final"),
                lambda interval: text.quantity(interval, 1e-3), more_is_better=False,
                by_seed=lambda s: reached_by_seed(results, s, floating, "accuracy_over_time")),
        Measure("Synaptic operations", deploy._replace(metric="synops"), text.quantity, more_is_better=False,
                by_seed=lambda s: results.values(s, deploy._replace(metric="synops"))),
        Measure("Training: time steps / SDT", Quantity("train", "clock", None, "time_steps_relative"), text.quantity,
                more_is_better=False, by_seed=trained("time_steps"),
                shown=lambda s: relative_to_baseline(results, s, "time_steps")),
        Measure("Training: seconds", Quantity("train", "clock", None, "seconds"), text.quantity,
                more_is_better=False, by_seed=trained("seconds")),
    ]  # fmt: skip


def _column(results: Results, settings: Sequence[Setting], measure: Measure) -> list[Cell]:
    """A cell for each setting, marked where it differs from the baseline's."""
    cells, signs = [], []
    for s in settings:
        baseline = results.find(Panel(s.dataset, s.network), BASELINE)
        interval = _interval(results, s, baseline, measure)
        difference, p = (None, None) if baseline in (None, s) else _compare(results, s, baseline, measure)
        cells.append(Cell(measure.write(interval), interval, p=p))
        signs.append(0.0 if difference is None else difference if measure.more_is_better else -difference)
    adjusted = holm([cell.p for cell in cells])
    return [
        cell._replace(
            p_holm=p_holm,
            better="" if cell.p is None or cell.p >= ALPHA else "better" if sign > 0 else "worse",
            holds=p_holm is not None and bool(p_holm < ALPHA),
        )
        for cell, sign, p_holm in zip(cells, signs, adjusted, strict=True)
    ]


def _interval(results: Results, s: Setting, baseline: Setting | None, measure: Measure) -> Interval | None:
    if measure.shown:
        return measure.shown(s)
    if measure.by_seed:
        values = list(measure.by_seed(s).values())
        bounds = (0.0, 1.0) if measure.write is text.percent else (0.0, np.inf)
        return mean_interval(values, bounds=bounds) if values else None
    assert measure.terms
    terms = measure.terms(s, baseline or s)
    if len(terms) == 1:
        return results.interval(s, terms[0].quantity)
    return results.contrast(terms) if terms else None


def _compare(results: Results, s: Setting, baseline: Setting, measure: Measure) -> tuple[float | None, float | None]:
    """The mean difference to the baseline and its two-sided p-value; None where they share no seeds."""
    if measure.terms:
        own, other = measure.terms(s, baseline), measure.terms(baseline, s)
        difference = results.contrast([*own, *quantities.negative(other)]) if own and other else None
        return (difference.mean, difference.p) if difference else (None, None)
    assert measure.by_seed
    own_values, other_values = measure.by_seed(s), measure.by_seed(baseline)
    shared = sorted(set(own_values) & set(other_values))
    if not shared:
        return None, None
    paired = estimate(np.array([own_values[seed] - other_values[seed] for seed in shared]))
    above, below = paired.p_greater(0.0), paired.p_less(0.0)
    return paired.mean, None if above is None or below is None else min(1.0, 2 * min(above, below))
