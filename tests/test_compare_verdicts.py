"""Verdicts of two sets of seeds: the same, one of them undecided, compatible, or contradictory."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd

PATH = Path(__file__).resolve().parents[1] / "tools/compare_verdicts.py"


def test_agreement_is_counted_claim_by_claim():
    spec = importlib.util.spec_from_file_location("compare_verdicts", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def claims(*verdicts: tuple[str, float]) -> pd.DataFrame:
        rows = [(v, {"estimate": mean, "low": mean - 0.01, "high": mean + 0.01}) for v, mean in verdicts]
        return pd.DataFrame(
            [{"name": f"claim{i}", "network": "3c1fc", "n": 8, "verdict": v} | r for i, (v, r) in enumerate(rows)]
        )

    first = claims(
        ("supported", 0.02),
        ("undecided", 0),
        ("supported", 0.02),
        ("equivalent", 0.005),
        ("equivalent", 0),
        ("not tested", 0),
    )
    second = claims(
        ("supported", 0.1),
        ("supported", 0.02),
        ("contradicted", -0.02),
        ("supported", 0.02),
        ("supported", 0.1),
        ("supported", 0.02),
    )
    table = module.compare(first, second)
    assert list(table["agree"]) == ["same", "one undecided", "contradictory", "compatible", "contradictory"]
