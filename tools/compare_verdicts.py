"""Do two benchmarks reach the same verdicts? `python tools/compare_verdicts.py reports/A reports/B`.

Meant for one benchmark with two disjoint sets of seeds: what one set decides, the other should not contradict. Prints a
row for each claim that both have judged, and ends with the number of claims of each kind:

    same           the same verdict
    one undecided  the other one decides
    compatible     two decided verdicts whose intervals overlap: there are differences that both allow, as one between
                   zero and the margin, which can be called supported or equivalent
    contradictory  two decided verdicts whose intervals do not
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

DECIDED = {"supported", "contradicted", "equivalent"}


def compare(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """One row a claim and network: both verdicts and differences, and `agree`: of which kind.

    first, second: `tables/claims.csv` of the two.
    """
    key = ["name", "network"]
    columns = [*key, "verdict", "estimate", "low", "high", "n"]
    both = first[columns].merge(second[columns], on=key, suffixes=("", " (2)"))
    both = both[(both["verdict"] != "not tested") & (both["verdict (2)"] != "not tested")]

    def agreement(row: pd.Series) -> str:
        one, other = row["verdict"], row["verdict (2)"]
        if one == other:
            return "same"
        if not {one, other} <= DECIDED:
            return "one undecided"
        overlap = max(row["low"], row["low (2)"]) <= min(row["high"], row["high (2)"])
        return "compatible" if overlap else "contradictory"

    return both.assign(agree=both.apply(agreement, axis=1))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("reports", nargs=2, type=Path, help="folders of two rendered reports")
    first, second = (pd.read_csv(path / "tables/claims.csv") for path in parser.parse_args(argv).reports)
    table = compare(first, second)
    print(table.round(4).to_markdown(index=False))
    counts = table["agree"].value_counts().to_dict()
    decided = table[["verdict", "verdict (2)"]].isin(DECIDED)
    print(f"\n{len(table)} claims judged by both: {counts}; decided: {decided.sum().to_dict()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
