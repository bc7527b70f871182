"""The figures about clock-driven accuracy: after training, over T, against its cost, over the epochs."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from snn.report import quantities
from snn.report.figures import panels
from snn.report.results import Panel, Quantity, Results, Setting
from snn.report.style import PAPER, look, short_label
from snn.report.tables.accuracy import normalisations

NOT_TRAINED = "needs results of the phase train"


def accuracy(results: Results) -> Figure | str:
    """One row a method: every seed, the mean and its interval."""
    rows = max((len(_trained(results, panel)) for panel in results.compared), default=0)
    if not rows:
        return NOT_TRAINED
    figure, grid = panels.grid(results, height=0.5 + 0.26 * rows, shared_y=False, shared_x=True)
    for axes, panel in panels.titled(results, grid, results.compared):
        settings = _trained(results, panel)
        for y, s in enumerate(settings):
            _mark(axes, panels.point(results, s, quantities.trained(s), y), s, results, horizontal=True)
        axes.set_yticks(range(len(settings)), [short_label(s.method, results.methods) for s in settings])
        axes.set_ylim(rows - 0.4, -0.6)  # of all panels, so that rows are as high and as far apart
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0, labelleft=True)
        axes.set(xlabel="Test accuracy (%)", ylabel="")
    return figure


def accuracy_over_t(results: Results) -> Figure | str:
    """Trained once, evaluated at every T; a second row with recalibrated normalisation, where there is any."""
    metrics = ["accuracy"]
    if any("accuracy_recalibrated" in normalisations(results, s) for s in results.settings):
        metrics.append("accuracy_recalibrated")
    drawn = [
        (panel, metric)
        for metric in metrics
        for panel in results.compared
        if any(metric in normalisations(results, s) for s in results.main_settings(panel))
    ]
    if not drawn:
        return "needs results of the phase sweep"
    suffix = {"accuracy": "", "accuracy_recalibrated": ", recalibrated"}
    figure, grid = panels.grid(results, panels=[p for p, _ in drawn], height=2.7)
    for axes, (panel, metric) in zip(grid, drawn, strict=False):
        ticks: set[int] = set()
        settings = [s for s in results.main_settings(panel) if results.steps(s, "sweep", metric)]
        for i, s in enumerate(settings):
            # Factors, as the axis is logarithmic: bars at one T stand side by side, within a tenth of T.
            shift = min(1.015, 1.1 ** (1 / len(settings))) ** (i - (len(settings) - 1) / 2)
            steps = results.steps(s, "sweep", metric)
            points = [panels.point(results, s, Quantity("sweep", "clock", t, metric), t * shift) for t in steps]
            panels.line(axes, points, s.method, results)
            ticks.update(steps)
        panels.mark_training_steps(axes, settings)
        star = quantities.trained_at_each_t(results, panel)
        if len(star) > 1 and metric == "accuracy":
            points = [panels.point(results, s, quantities.trained(s), s.t_train) for s, _ in star]
            panels.line(axes, points, "sdt*", results)
        panels.steps_axis(axes, ticks, "Time steps T at evaluation")
        axes.set_title(panels.title(results, panel) + suffix[metric], loc="left")
    panels.label_left(grid, "Test accuracy (%)")
    panels.label_methods(figure)
    return figure


def accuracy_vs_cost(results: Results) -> Figure | str:
    """What a training cost, in time steps and in seconds, and what it reached."""
    measures = {
        "time_steps": "Time steps in training (forward and backward)",
        "seconds": "Wall time of a training (s)",
    }
    drawn = {
        (panel, metric): [
            (s, cost)
            for s in _trained(results, panel)
            if (cost := results.interval(s, quantities.trained(s, metric))) and cost.mean > 0
        ]
        for panel in results.networks
        for metric in measures
    }
    if not any(drawn.values()):
        return NOT_TRAINED
    figure, grid = panels.grid(results, panels=[panel for panel, _ in drawn], height=2.6, shared_x="col")
    most = dict.fromkeys(measures, 0.0)
    for (_, metric), points in drawn.items():
        most[metric] = max([most[metric], *(cost.mean for _, cost in points)])
    for axes, ((panel, metric), points) in zip(grid, drawn.items(), strict=False):
        right = 1.12 * (most[metric] or 1.0)
        shifts = panels.shifts(len(points), 0.006 * right, 0.03 * right)
        for (s, cost), shift in zip(points, shifts, strict=True):
            _mark(axes, panels.point(results, s, quantities.trained(s), cost.mean + shift), s, results)
        axes.set_title(panels.title(results, panel), loc="left")
        axes.set_xlabel(measures[metric])
        axes.set_xlim(0, right)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(lambda value, _: _round_number(value))
    panels.label_left(grid, "Test accuracy (%)")
    panels.label_points(figure)
    return figure


def learning_curves(results: Results) -> Figure | str:
    """Test accuracy after each epoch; band: pointwise interval over seeds."""
    column = next((c for c in ("test_accuracy", "val_accuracy") if c in results.history), None)
    if column is None or results.history[column].isna().all():
        return NOT_TRAINED
    label = "Test accuracy (%)" if column == "test_accuracy" else "Validation accuracy (%)"
    figure, grid = panels.grid(results, height=2.7)
    for axes, panel in panels.titled(results, grid, results.compared):
        for s in _trained(results, panel):
            rows = results.epochs(s).dropna(subset=[column])
            if rows["epoch"].nunique() > 1:
                curve = rows.assign(x=rows["epoch"], value=100 * rows[column])
                panels.band(axes, curve, s.method, results, panels.PERCENT)
        axes.set(xlabel="Epoch", ylabel="")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    panels.label_left(grid, label)
    panels.label_methods(figure)
    return figure


def _trained(results: Results, panel: Panel) -> list[Setting]:
    """The main settings with a result; without chance, whose place at the bottom would leave no room for the rest."""
    settings = results.main_settings(panel)
    return [s for s in settings if s.method != "chance" and results.values(s, quantities.trained(s))]


def _mark(axes: Axes, point: panels.Point, s: Setting, results: Results, horizontal: bool = False) -> None:
    """A mean with its interval and its seeds; horizontal: the point's place is on the y axis."""
    if point.interval is None:
        return
    shape = look(s.method, results.methods)
    beside = point.x + 0.22 if horizontal else point.x  # rows have room for the seeds under the interval
    name = short_label(s.method, results.methods)
    panels.dots(axes, [point._replace(x=beside)], shape.colour, horizontal, name)
    panels.whiskers(axes, [point], shape.colour, horizontal, name)
    mean = 100 * point.interval.mean
    x, y = (mean, point.x) if horizontal else (point.x, mean)
    axes.plot(
        x, y, shape.marker, color=shape.colour, markersize=5.5, markeredgecolor=PAPER, markeredgewidth=0.6, zorder=4,
        label=name,
    )  # fmt: skip


def _round_number(value: float) -> str:
    """A tick is a round number: without the digits to which `text.short` fills up (`50 k`, not `50.0 k`)."""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g} {letter}"
    return f"{value:g}"
