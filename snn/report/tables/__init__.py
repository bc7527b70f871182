"""The tables. Each is a function of the results, and gives the same numbers twice: for the CSV file and for readers.

The names of all tables are in `snn.report.TABLES`, known there without importing pandas.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from snn.report.results import Results
from snn.report.tables import (
    accuracy,
    claims,
    comparisons,
    deployment_settings,
    event_driven,
    holes,
    lost,
    published,
    robustness,
    scoreboard,
)
from snn.report.tables.builder import Table

BUILDERS: dict[str, Callable[[Results], Table]] = {
    "scoreboard": scoreboard.scoreboard,
    "accuracy": accuracy.accuracy,
    "event_driven": event_driven.event_driven,
    "accuracy_change": event_driven.accuracy_change,
    "accuracy_over_t": accuracy.accuracy_over_t,
    "paired": comparisons.paired,
    "cost": comparisons.cost,
    "anytime": event_driven.anytime,
    "deployment_settings": deployment_settings.deployment_settings,
    "lost_recordings": lost.lost_recordings,
    "lost_together": lost.lost_together,
    "holes": holes.holes,
    "never_predicted": holes.never_predicted,
    "robustness": robustness.robustness,
    "on_chip_learning": robustness.on_chip_learning,
}


def make(name: str, results: Results, templates: Path) -> Table:
    """The table of that name; templates: the folder with the published numbers and claims."""
    if name == "claims":
        return claims.claims(results, templates / claims.ELSEWHERE)
    if name == "published":
        return published.beside(results, templates / "published.yaml")
    return BUILDERS[name](results)
