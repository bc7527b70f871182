"""What a lower bound or a reset that is set at deployment does to a trained network."""

from __future__ import annotations

from snn.report import text
from snn.report.results import Quantity, Results, Term
from snn.report.style import mode_label
from snn.report.tables.builder import Builder, Table


def deployment_settings(results: Results) -> Table:
    """One row a setting of `deploy.lower_bounds` and `deploy.resets`; changes are against the network as trained."""
    build = Builder("deployment_settings")
    for s in results.settings:
        for deployment in results.other_deployments(s):
            there = Quantity("deploy", deployment.name, None)
            as_trained = Quantity("deploy", deployment.as_trained.name, None)
            change = results.contrast([Term(1.0, s, there), Term(-1.0, s, as_trained)])
            build.number(s, there._replace(metric="accuracy_change_as_trained"), change, p=change.p if change else None)
            accuracy, spikes, synops = (
                build.result(results, s, there._replace(metric=metric)) for metric in ("accuracy", "spikes", "synops")
            )
            before = results.interval(s, as_trained._replace(metric="spikes"))
            ratio = f"{spikes.mean / before.mean:.2f}" if spikes and before and before.mean else text.NONE
            build.line(
                s,
                {
                    "Inference": mode_label(deployment.as_trained.name),
                    "Lower bound, reset": deployment.label,
                    "Accuracy (%)": text.percent(accuracy),
                    "Change (points)": text.percent(change, signed=True),
                    "Spikes": text.quantity(spikes),
                    "of those as trained": ratio,
                    "SynOps": text.quantity(synops),
                    "n": text.seeds(accuracy, results.planned_seeds(s)),
                },
            )
    return build.table()
