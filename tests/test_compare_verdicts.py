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

    def claims(*verdicts: str) -> pd.DataFrame:
        numbers = {"network": "3c1fc", "estimate": 0.1, "low": 0.0, "high": 0.2, "n": 8}
        return pd.DataFrame([{"name": f"claim{i}", "verdict": v} | numbers for i, v in enumerate(verdicts)])

    first = claims("supported", "undecided", "supported", "equivalent", "not tested")
    second = claims("supported", "supported", "contradicted", "supported", "supported")
    table = module.compare(first, second)
    assert list(table["agree"]) == ["same", "one undecided", "contradictory", "compatible"]
