"""The lower bound set at deployment: a table and a figure of its own, and nothing in the others."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from fake import make_cells

from snn.phases.collect import collect
from snn.report import figures, style, tables
from snn.report.results import Results

TEMPLATES = Path(__file__).parents[2] / "reports" / "templates"
BOUNDS = {"-1": 0.2, "-4": 0.05, "none": 0.0}
"""Lower bounds, and the fraction of the right answers that each turns into wrong ones."""


def results(folder, bounds=BOUNDS, networks=("3c1fc",), spikes=None) -> Results:
    """Fake cells, also deployed with other lower bounds; spikes: number of spikes of a network."""
    small = {"networks": networks, "samples": 200, "epochs": 2, "diverged": (), "star": ()}
    cells = make_cells(folder / "cells", **small)
    for cell in cells:
        deploy = Path(cell["folder"]) / "deploy"
        if not (deploy / "predictions.npz").exists():
            continue
        with np.load(deploy / "predictions.npz") as saved:
            predictions = dict(saved)
        with open(deploy / "metrics.csv", newline="") as f:
            rows = list(csv.DictReader(f))
        as_trained = [row for row in rows if row["mode"] == "event-float" and row["metric"] in ("spikes", "accuracy")]
        for row in as_trained:
            if spikes and row["metric"] == "spikes":
                row["value"] = spikes[cell["network"]]
        for bound, lost in bounds.items():
            wrong = np.arange(len(predictions["label"])) < lost * len(predictions["label"])
            answers = np.where(wrong, -1, predictions["event-float//accuracy"])
            predictions[f"event-float@v_min={bound}//accuracy"] = answers
            rows += [row | {"mode": f"event-float@v_min={bound}"} for row in as_trained]
        np.savez(deploy / "predictions.npz", **predictions)
        with open(deploy / "metrics.csv", "w", newline="") as f:
            writer = csv.DictWriter(f, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    collect("fake", "matched", cells, folder / "report")
    return Results(folder / "report")


@pytest.fixture
def with_bounds(tmp_path):
    return results(tmp_path)


def test_the_table_pairs_each_setting_with_the_network_as_trained(with_bounds):
    table = tables.make("deployment_settings", with_bounds, TEMPLATES)
    rows = table.view[table.view["Method"] == "MTT"]
    assert rows["Lower bound, reset"].tolist() == ["bound -1", "bound -4", "bound none"]
    change = table.data[(table.data["quantity"] == "accuracy_change_as_trained") & (table.data["method"] == "mtt")]
    assert change["n_seeds"].tolist() == [3, 3, 3]
    for _, row in change.iterrows():
        lost = BOUNDS[row["mode"].partition("=")[2]]
        assert row["mean"] == pytest.approx(-lost * 0.8, abs=0.07 * bool(lost))


def test_the_figure_draws_accuracy_above_spikes(with_bounds):
    figure = figures.draw("lower_bound", with_bounds)
    accuracy, spikes = figure.axes
    assert [label.get_text() for label in spikes.get_xticklabels()] == ["-1", "-4", "none"]
    assert spikes.get_ylabel() == "Spikes for one recording"
    for axes in (accuracy, spikes):
        kinds = Counter(str(line.get_label()).partition("/")[0] for line in axes.get_lines())
        assert (kinds["_seed"], kinds.total()) == (3, 6), "of each method its seeds and its mean"
    assert "Test accuracy" in accuracy.get_ylabel()


def test_one_event_a_step_stands_after_the_other_clock_driven_modes():
    modes = ["event-int8", "clock-events", "event-float", "clock"]
    assert sorted(modes, key=style.mode_order) == ["clock", "clock-events", "event-float", "event-int8"]
    assert style.mode_label("clock-events") == "Clock-driven, one event a step"


def test_networks_with_far_more_spikes_are_drawn_whole(tmp_path):
    many = results(tmp_path, networks=("3c1fc", "resnet8"), spikes={"3c1fc": 100.0, "resnet8": 5000.0})
    figure = figures.draw("lower_bound", many)
    accuracy, spikes = figure.axes[:2], figure.axes[2:]
    assert len({axes.get_ylim() for axes in accuracy}) == 1
    for axes, most in zip(spikes, (100.0, 5000.0), strict=True):
        assert axes.lines
        assert axes.get_ylim()[0] == 0
        assert most < axes.get_ylim()[1] < 1.2 * most


def test_the_other_tables_and_figures_are_as_without(with_bounds, tmp_path):
    (tmp_path / "plain").mkdir()
    plain = results(tmp_path / "plain", bounds={})
    for name in ("event_driven", "accuracy_change", "anytime"):
        one, other = (tables.make(name, r, TEMPLATES).view for r in (with_bounds, plain))
        assert one["Inference" if "Inference" in one else "Method"].tolist() == (
            other["Inference" if "Inference" in other else "Method"].tolist()
        )
    assert tables.make("deployment_settings", plain, TEMPLATES).view.empty
    assert figures.draw("lower_bound", plain) == "needs several bounds in deploy.lower_bounds"
