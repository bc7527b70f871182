"""The table of a search over settings and what its rule takes: `python tools/search_table.py METRICS.csv`.

The networks of the benchmark are the settings. A method's number is its mean accuracy over seeds on the validation
split, after the last epoch; its ranks are those of the settings by this number (1 is best, ties share the mean of their
ranks). Taken is the setting with the best median rank over the methods, of several the one with the highest mean
accuracy: a method that fails at one setting cannot outweigh the others, as it would in a mean of accuracies.
"""

from __future__ import annotations

import argparse
import sys

import pandas as pd

TEACHERS = ("ann", "ann-ltl", "ann-qcfs")


def search_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """One row a setting, best first: accuracy in percent of each method, `mean`, `median rank`.

    metrics: rows of a report's metrics.csv. Raises ValueError where a method lacks a setting: ranks would not compare.
    """
    rows = metrics[(metrics["metric"] == "accuracy_val") & ~metrics["method"].isin(TEACHERS)]
    accuracy = 100 * rows.pivot_table("value", "network", "method")
    if accuracy.isna().any(axis=None):
        missing = [f"{network}/{method}" for (network, method), value in accuracy.stack().isna().items() if value]
        raise ValueError(f"the search is not complete: {', '.join(missing)} are missing; run it to its end")
    ranks = accuracy.rank(ascending=False).median(axis=1)
    table = accuracy.assign(mean=accuracy.mean(axis=1), **{"median rank": ranks})
    return table.sort_values(["median rank", "mean"], ascending=[True, False])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("metrics", help="reports/<search>/metrics.csv")
    table = search_table(pd.read_csv(parser.parse_args(argv).metrics))
    print(table.round(1).to_markdown())
    print(f"\ntaken: {table.index[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
