"""The tables of what failed: cells that gave no numbers, and classes that are never predicted."""

from __future__ import annotations

import pandas as pd

from snn.report.never_predicted import never_predicted as evaluations
from snn.report.results import SETTING, Results
from snn.report.style import method_label, mode_label, network_label
from snn.report.tables.builder import Table


def holes(results: Results) -> Table:
    """A row a missing result, and why."""
    view = results.holes.rename(columns=str.capitalize).rename(columns={"T_train": "T"}).astype(str)
    return Table("holes", results.holes, view)


def never_predicted(results: Results) -> Table:
    """A row an evaluation in which some seed never predicts some class."""
    data, view = [], []
    for s, quantity, classes in evaluations(results):
        where = {"phase": quantity.phase, "mode": quantity.mode, "t_eval": "" if quantity.t is None else quantity.t}
        data += [
            s._asdict() | where | {"seed": seed, "classes_never_predicted": count} for seed, count in classes.items()
        ]
        view.append(
            {
                "Network": network_label(s.network),
                "Method": method_label(s.method),
                "T of training": str(s.t_train),
                "Inference": mode_label(quantity.mode, quantity.t),
                "Phase": quantity.phase,
                "Classes never predicted, seed by seed": " / ".join(str(count) for count in classes.values()),
            }
        )
    columns = [*SETTING, "phase", "mode", "t_eval", "seed", "classes_never_predicted"]
    return Table("never_predicted", pd.DataFrame(data, columns=columns), pd.DataFrame(view))
