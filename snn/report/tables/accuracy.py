"""The tables about clock-driven accuracy: after training, and over T."""

from __future__ import annotations

from snn.report import text
from snn.report.quantities import trained, trained_at_each_t
from snn.report.results import Quantity, Results, Setting
from snn.report.tables.builder import Builder, Table

NORMALISATIONS = {
    "accuracy": "as evaluated",
    "accuracy_running": "as training left it",
    "accuracy_recalibrated": "recalibrated",
}


def accuracy(results: Results) -> Table:
    """The main result, and beside it what choosing an epoch would have given."""
    build = Builder("accuracy")
    for s in results.settings:
        last, selected, best = (
            build.result(results, s, trained(s, metric))
            for metric in ("accuracy", "accuracy_selected", "accuracy_best_on_test")
        )
        build.line(
            s,
            {
                "T": str(s.t_train),
                "Accuracy, clock-driven, last epoch (%)": text.percent(last),
                "Epoch chosen on validation (%)": text.percent(selected),
                "Best on test, optimistic (%)": text.percent(best),
                "n": text.seeds(last, results.planned_seeds(s)),
            },
        )
    return build.table()


def accuracy_over_t(results: Results) -> Table:
    """Trained once, evaluated at every T; with other normalisation statistics where the network has any."""
    build = Builder("accuracy_over_t")
    for panel in results.panels:
        for s in results.main_settings(panel):
            for metric in normalisations(results, s):
                at = {
                    t: build.result(results, s, Quantity("sweep", "clock", t, metric))
                    for t in results.steps(s, "sweep", metric)
                }
                cells = {
                    "Trained at": f"T = {s.t_train}",
                    "Normalisation": NORMALISATIONS[metric],
                    "n": text.seeds(list(at.values())[-1], results.planned_seeds(s)),
                }
                build.line(s, cells | {f"T = {t}": text.percent(interval) for t, interval in at.items()})
        star = trained_at_each_t(results, panel)
        if len(star) > 1:
            for s, interval in star:
                build.number(s, trained(s), interval)
            last = star[-1][0]
            cells = {
                "Trained at": "each T",
                "Normalisation": NORMALISATIONS["accuracy"],
                "n": text.seeds(star[-1][1], results.planned_seeds(last)),
            }
            cells |= {f"T = {s.t_train}": text.percent(interval) for s, interval in star}
            build.line(last._replace(method="sdt*"), cells)
    table = build.table()
    times = sorted((c for c in table.view if c.startswith("T = ")), key=lambda c: int(c[4:]))
    rest = [c for c in table.view if c not in times and not (c == "Normalisation" and table.view[c].nunique() == 1)]
    return table._replace(view=table.view[[*rest, *times]])


def normalisations(results: Results, s: Setting) -> list[str]:
    """The metrics of the sweep that say something of their own: one only, without normalisation."""

    def swept(metric: str) -> dict[int, dict[int, float]]:
        steps = results.steps(s, "sweep", metric)
        return {t: results.values(s, Quantity("sweep", "clock", t, metric)) for t in steps}

    as_evaluated = swept("accuracy")
    return [
        metric
        for metric in NORMALISATIONS
        if (values := swept(metric)) and (metric == "accuracy" or values != as_evaluated)
    ]
