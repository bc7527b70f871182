"""The report of one benchmark, rendered from the files that `collect` left in its folder, and from nothing else.

    results.py  what the files say: settings, intervals, curves       style.py    names and colours of methods
    answer.py   the question's answer in three sentences              tables.py   one function a table
    page.py     tables, figures and captions to index.html            figures.py  one function a figure
    claims.py   the papers' claims, each with a verdict               mechanisms.py  those about mechanisms
    published.py  the papers' numbers                                 robustness.py  both, of the phase `disturb`
                                                                      parts.py    what all of them are made of

Captions, published numbers and the page itself are in `reports/templates/`: editing them reruns rendering only.
"""

from __future__ import annotations

from pathlib import Path

# The names are known without importing pandas and seaborn (seconds), so that the workflow can declare its outputs.
TABLES = ("accuracy", "event_driven", "loss", "accuracy_over_t", "paired", "cost", "anytime", "claims", "published")
TABLES += ("holes", "robustness", "recovered")
CLASSICAL = (
    "accuracy",
    "accuracy_over_t",
    "clock_against_event",
    "cost_against_accuracy",
    "learning_curves",
    "accuracy_over_time",
    "accuracy_over_events",
)
MECHANISMS = (
    "gradient_depth",
    "gradient_histogram",
    "dspike_temperature",
    "ltl_convergence",
    "memory_over_t",
    "flexibility",
    "firing_rates",
    "noise_robustness",
)
ROBUSTNESS = ("robustness_mismatch", "robustness_bits", "robustness_noise", "robustness_silenced", "recovery")
FIGURES = (*CLASSICAL, *MECHANISMS, *ROBUSTNESS)
TABLE_FORMATS = ("csv", "md", "tex")
FIGURE_FORMATS = ("svg", "png")


def render(folder: Path, config: dict, templates: Path) -> None:
    """Write `tables/`, `figures/` and `index.html` into `folder`, from the files of `collect` in it."""
    from snn.report import page

    page.render(Path(folder), config, Path(templates))
