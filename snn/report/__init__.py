"""The report of one benchmark, rendered from the seven files that `collect` left in its folder, and from nothing else.

    settings.py         what of the configuration the report needs
    results.py          the collected files: which settings there are, intervals and paired contrasts of their numbers
    quantities.py       the compared quantities: accuracy, accuracy change over T, accuracy change event-driven
    simulated_chips.py  means over simulated chips and their intervals
    never_predicted.py  evaluations in which a network predicts some classes for no recording
    claims/             the papers' claims: what they state, the paired differences, the verdicts
    answer.py           what came out for the claims that the benchmark can judge, topic by topic
    choice.py           which methods are in question (for an event-driven chip), and which are ruled out
    sections.py         what the page shows where, and what this benchmark does not have of it
    explorer.py         every metric of every cell, for the page's explorer
    frames.py           pictures of recordings
    scripts.py          the libraries that the page brings along
    caveats.py          what to read the answer with
    devices.py          the models of processors and GPUs, where cells ran on several
    tables/             one function a table; how tables are built and written
    figures/            one function a figure; what figures are made of
    style.py, text.py   names and colours of methods; how numbers are written
    captions.py         the captions, with numbers of seeds and recordings filled in
    page.py, html.py    everything into one `index.html` that needs nothing beside it
    templates/report.js what a reader can do with the page; without scripts it says the same

Captions, published numbers and the page itself are in `templates/`: editing them reruns rendering only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snn.errors import UserError, did_you_mean

# The names are known without importing pandas and seaborn (seconds), so that the workflow can declare its outputs.
TABLES = (
    "scoreboard",
    "accuracy",
    "event_driven",
    "accuracy_change",
    "accuracy_over_t",
    "paired",
    "cost",
    "anytime",
    "lost_recordings",
    "lost_together",
    "claims",
    "published",
    "deployment_settings",
    "holes",
    "never_predicted",
    "robustness",
    "on_chip_learning",
)
GENERAL_FIGURES = (
    "kept_accuracy",
    "accuracy",
    "accuracy_over_t",
    "events_through_network",
    "clock_vs_event",
    "lower_bound",
    "accuracy_vs_cost",
    "learning_curves",
    "accuracy_over_time",
    "accuracy_over_events",
)
MECHANISM_FIGURES = (
    "gradient_depth",
    "gradient_histogram",
    "dspike_temperature",
    "ltl_convergence",
    "memory_over_t",
    "flexibility",
    "firing_rates",
    "noise_robustness",
    "time_over_t",
    "local_losses",
    "gradient_cosine",
    "loss_landscape",
)
ROBUSTNESS_FIGURES = (
    "robustness_mismatch",
    "robustness_bits",
    "robustness_noise",
    "robustness_dead_neurons",
    "on_chip_learning",
)
FIGURES = GENERAL_FIGURES + MECHANISM_FIGURES + ROBUSTNESS_FIGURES
TEMPLATES = Path(__file__).parent / "templates"
"""Beside the code that fills them, so that they are found from any working folder and in an installed package."""
TABLE_FORMATS = ("csv", "md", "tex")
FIGURE_FORMATS = ("svg", "pdf", "png", "csv")


def render(folder: Path, config: Mapping[str, Any], templates: Path) -> None:
    """Write `tables/`, `figures/` and `index.html` into `folder`, from the collected files in it.

    config: the benchmark's configuration as a dictionary; an empty one is enough, see `snn.report.settings`.
    templates: the folder of `index.html.j2`, `captions.yaml` and `published.yaml`.
    Raises `DataError` where a collected file is missing.
    """
    from snn.report import page
    from snn.report.settings import ReportSettings

    page.render(Path(folder), ReportSettings.from_config(config), Path(templates))


def draw(folder: Path, config: Mapping[str, Any], name: str) -> Path:
    """Write one figure's files into `folder/figures/`, from the collected files; return the path of its SVG.

    Raises `UserError` where there is no such figure, or where the collected files lack what it shows.
    """
    if name not in FIGURES:
        raise UserError(f"unknown figure {name!r}{did_you_mean(name, FIGURES)}")
    from snn.report import figures
    from snn.report.figures import drawing
    from snn.report.results import Results
    from snn.report.settings import ReportSettings

    settings = ReportSettings.from_config(config)
    figure = figures.draw(name, Results(Path(folder), settings.t_train, settings.variants))
    if isinstance(figure, str):
        raise UserError(f"figure {name} of {folder}: {figure}")
    path = Path(folder) / "figures" / name
    drawing.save(figure, path)
    return path.with_suffix(".svg")
