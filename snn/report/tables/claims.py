"""The table of the papers' claims: the difference that each is about, its bounds, and the verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from snn.report import text
from snn.report.claims import sentences
from snn.report.claims.measurements import Measurement
from snn.report.claims.verdicts import Judgement, judgements
from snn.report.results import Results
from snn.report.style import network_label
from snn.report.tables.builder import Table

ELSEWHERE = "claims_elsewhere.csv"


def claims(results: Results, elsewhere: Path | None = None) -> Table:
    """A row for each claim and each network that has its methods; for readers only those that could be tested.

    elsewhere: this table's CSV file of a reference run on other data, whose verdicts stand beside."""
    judged = judgements(results)
    data = pd.DataFrame([_tidy(judgement) for judgement in judged])
    tested = [(j, j.measurement) for j in judged if j.measurement is not None]
    view = pd.DataFrame([_readable(judgement, measurement) for judgement, measurement in tested])
    if len(tested):
        names = [judgement.claim.name for judgement, _ in tested]
        view = _with_reference_run(view, names, set(data["dataset"]), elsewhere)
        view = view.drop(columns=[name for name in ("Data", "Network") if view[name].nunique() == 1])
    return Table("claims", data, view)


def _tidy(judgement: Judgement) -> dict[str, Any]:
    claim, measurement = judgement.claim, judgement.measurement
    estimate = measurement.estimate if measurement else None
    low, high = estimate.bounds() if estimate else ("", "")
    return {
        "paper": claim.paper,
        "claim": claim.statement,
        "network": judgement.panel.network if judgement.panel else "",
        "n": estimate.n_seeds if estimate else "",
        "quantity": f"{claim.quantity.label} ({claim.quantity.scale})",
        "direction": claim.direction,
        "margin": claim.margin,
        "estimate": estimate.mean if estimate else "",
        "low": low,
        "high": high,
        "verdict": str(judgement.verdict),
        "seeds_to_decide": judgement.seeds_to_decide if judgement.seeds_to_decide is not None else "",
        "name": claim.name,
        "dataset": judgement.panel.dataset if judgement.panel else "",
        "first": measurement.first if measurement else "",
        "second": measurement.second if measurement else "",
        "recordings": estimate.n_samples if estimate else "",
        "per_seed": " ".join(f"{value:.6g}" for value in estimate.per_seed) if estimate else "",
        "p": judgement.p,
        "p_holm": judgement.p_holm,
        "detail": judgement.missing or (measurement.detail if measurement else ""),
        "source": claim.source,
    }


def _readable(judgement: Judgement, measurement: Measurement) -> dict[str, str]:
    claim, panel, estimate = judgement.claim, judgement.panel, measurement.estimate
    scale = claim.quantity.scale
    quantity = claim.quantity.label
    if measurement.first is not None:
        first, second = (sentences.one(value, scale) for value in (measurement.first, measurement.second))
        quantity += f": {first} and {second}"
    quantity += f" ({measurement.detail})" if measurement.detail else ""
    return {
        "Claim": claim.statement,
        "Data": panel.dataset if panel else text.NONE,
        "Network": network_label(panel.network) if panel else text.NONE,
        "Verdict": str(judgement.verdict),
        "Difference": sentences.difference(measurement, scale),
        "Margin": sentences.margin(claim),
        "Seed by seed": " / ".join(sentences.one(value, scale, signed=True) for value in estimate.per_seed),
        "n": f"{estimate.n_seeds}" + (f" × {estimate.n_samples:,}" if estimate.n_samples else ""),
        "Seeds to decide": text.NONE if judgement.seeds_to_decide is None else str(judgement.seeds_to_decide),
        "p, Holm": text.NONE if judgement.p_holm is None else text.p_value(judgement.p_holm),
        "Quantity": quantity,
    }


def _with_reference_run(view: pd.DataFrame, names: list[str], here: set[str], elsewhere: Path | None) -> pd.DataFrame:
    """The view with the verdicts of a reference run on data sets that are not `here`, claim by claim."""
    if elsewhere is None or not elsewhere.exists():
        return view
    reference = pd.read_csv(elsewhere, keep_default_na=False)
    reference = reference[(reference["dataset"] != "") & ~reference["dataset"].isin(here)]
    reference = reference[reference["n"] != ""]
    if reference.empty:
        return view
    verdicts: dict[str, list[str]] = {}
    for row in reference.itertuples():
        verdicts.setdefault(row.name, []).append(f"{row.verdict} on {network_label(row.network)}, n = {row.n}")
    datasets = " and ".join(dict.fromkeys(reference["dataset"]))
    return view.assign(
        **{f"Reference run on {datasets}": ["; ".join(verdicts.get(name, [text.NONE])) for name in names]}
    )
