"""The table of the papers' claims: the evidence of this benchmark, and the verdict."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from snn.report import text
from snn.report.claims import judgements
from snn.report.results import Results
from snn.report.style import network_label
from snn.report.tables.builder import Table


def claims(results: Results, elsewhere: Path | None = None) -> Table:
    """A row for each claim and each network that has its methods.

    elsewhere: this table's CSV file of a reference run on other data, whose evidence and verdicts stand beside."""
    data, view = [], []
    for claim, panel, evidence in judgements(results):
        interval = evidence.interval
        numbers = {name: getattr(interval, name, "") for name in ("mean", "low", "high", "n_seeds", "n_samples")}
        where = {"dataset": panel.dataset if panel else "", "network": panel.network if panel else ""}
        data.append({"claim": claim.name, **where, "verdict": evidence.verdict, **numbers, "evidence": evidence.words})
        view.append(
            {
                "Paper": claim.paper,
                "Claim": claim.claim,
                "Data": panel.dataset if panel else text.NONE,
                "Network": network_label(panel.network) if panel else text.NONE,
                "Evidence": evidence.words,
                "n": text.seeds(interval) if interval else text.NONE,
                "Verdict": evidence.verdict,
            }
        )
    tidy = pd.DataFrame(data)
    shown = _with_reference_run(pd.DataFrame(view), tidy, elsewhere)
    if shown["Data"].nunique() == 1:
        shown = shown.drop(columns="Data")
    return Table("claims", tidy, shown)


def _with_reference_run(view: pd.DataFrame, data: pd.DataFrame, elsewhere: Path | None) -> pd.DataFrame:
    """The view with the verdicts of a reference run on other data, claim by claim and network by network."""
    if elsewhere is None or not elsewhere.exists():
        return view
    reference = pd.read_csv(elsewhere)
    reference = reference[reference["dataset"].notna() & ~reference["dataset"].isin(set(data["dataset"]))]
    if reference.empty:
        return view
    verdicts = {(row.claim, row.network): f"{row.evidence}: {row.verdict}" for row in reference.itertuples()}
    datasets = " and ".join(dict.fromkeys(reference["dataset"]))
    keys = zip(data["claim"], data["network"], strict=True)
    return view.assign(**{f"Reference run on {datasets}": [verdicts.get(key, text.NONE) for key in keys]})
