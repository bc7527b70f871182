"""What to read the answer with: missing results, classes never predicted, too few seeds, incomplete data sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from snn.report.never_predicted import never_predicted
from snn.report.results import Results
from snn.report.style import method_label, network_label
from snn.statistics import MIN_SEEDS, TOO_FEW


def caveats(results: Results) -> list[str]:
    """One sentence or two each; an empty list where there is nothing to say."""
    sentences = []
    missing = sorted(
        {
            f"{method_label(hole.method)} on {network_label(hole.network)} "
            f"(seed {hole.seed}, {hole.phase}: {hole.status})"
            for hole in results.holes.itertuples()
        }
    )
    if missing:
        sentences.append(
            f"Missing results: {_first(missing)}. All numbers are over the cells that are there; n says how many."
        )
    failing = dict.fromkeys(
        f"{method_label(s.method)} on {network_label(s.network)}"
        for s, *_ in never_predicted(results, ("train", "deploy"))
    )
    if failing:
        sentences.append(
            f"Some classes are never predicted by {_first(list(failing))}: they fail in part, and a mean "
            "accuracy hides it (see the missing results)."
        )
    seeds = {results.planned_seeds(s) for s in results.settings}
    if seeds and min(seeds) < MIN_SEEDS:
        sentences.append(
            f"Some results rest on {min(seeds)} seed(s): {TOO_FEW} to tell the method from the luck of a training."
        )
    for name, manifest in results.provenance.get("manifests", {}).items():
        if manifest.get("missing"):
            sentences.append(f"The data set {name} is not complete: it lacks {_missing(manifest['missing'])}.")
    return sentences


def _first(names: Sequence[str], count: int = 4) -> str:
    return ", ".join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")


def _missing(missing: Any) -> str:
    """`7,980 test and 47,000 training recordings` of counts by split and class; anything else as it is written."""
    if not isinstance(missing, dict):
        return str(missing)
    words = []
    for split, of_split in missing.items():
        if isinstance(of_split, dict) and all(isinstance(count, int) for count in of_split.values()):
            classes = f"{len(of_split)} class{'es' * (len(of_split) > 1)}"
            words.append(f"{sum(of_split.values()):,} recordings of {split} ({classes})")
        else:
            words.append(f"{split} {_missing(of_split)}")
    return " and ".join(words)
