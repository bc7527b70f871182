"""The data of the page's explorer: every collected metric of every cell, and what is known of each cell."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from snn.report.results import NO_STEPS, SETTING, Results
from snn.report.style import look, method_label, mode_label, network_label

DIGITS = 6  # of a value in the page; the CSV file has all of them
SHAPES = {"o": "circle", "s": "square", "D": "diamond", "d": "diamond", "^": "triangle-up", "v": "triangle-down"}
SHAPES |= {"<": "triangle-left", ">": "triangle-right", "P": "cross", "X": "cross", "x": "cross"}


def data(results: Results) -> dict[str, Any]:
    """For JSON.

    metrics: {key, label, phase} each; cells: {dataset, network, method, t_train, seed, values} with a value a metric
    (null: none), and `jobs` (log, commit, token, ...); common, own: the configuration that all trainings share and, of
    each cell, what of it is its own; looks: method -> colour and shape.
    """
    rows = results.metrics.sort_values(["phase", "metric", "mode", "t_eval"], kind="stable")
    names = rows[["phase", "metric", "mode", "t_eval"]].drop_duplicates()
    metrics = [_metric(*name) for name in names.itertuples(index=False)]
    position = {tuple(name): i for i, name in enumerate(names.itertuples(index=False, name=None))}
    jobs = _jobs(results)
    flat = {key: _flat(job.get("config", {})) for key, of_cell in jobs.items() for job in of_cell if "config" in job}
    shared = _shared(list(flat.values()))
    cells = []
    for key, of_cell in rows.groupby([*SETTING, "seed"], sort=False):
        values: list[float | None] = [None] * len(metrics)
        for row in of_cell.itertuples(index=False):
            value = float(row.value)
            values[position[row.phase, row.metric, row.mode, row.t_eval]] = _rounded(value)
        dataset, network, method, t_train, seed = key
        cells.append({
            "dataset": dataset, "network": network_label(network), "method": method_label(method),
            "t_train": int(t_train), "seed": int(seed), "values": values,
            "jobs": [{k: v for k, v in job.items() if k in _TOLD} for job in jobs.get(tuple(key), [])],
            "own": {k: v for k, v in flat.get(tuple(key), {}).items() if k not in shared},
        })  # fmt: skip
    looks = {method_label(m): look(m, results.methods) for m in results.methods}
    return {
        "metrics": metrics,
        "cells": cells,
        "common": shared,
        "looks": {name: {"colour": of.colour, "shape": SHAPES.get(of.marker, "circle")} for name, of in looks.items()},
    }


def as_json(results: Results) -> str:
    """`data`, safe inside a `<script>` element."""
    return json.dumps(data(results), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


_TOLD = ("phase", "status", "log", "commit", "token", "started", "seconds")


def _metric(phase: str, metric: str, mode: str, t: int) -> dict[str, str]:
    steps = "" if t == NO_STEPS else f"{t}"
    label = f"{metric.replace('_', ' ')}, {mode_label(mode)}" + (f", T = {steps}" if steps else "")
    return {"key": "/".join((phase, metric, mode, steps)), "label": label, "phase": phase}


def _rounded(value: float) -> float | None:
    return float(f"{value:.{DIGITS}g}") if pd.notna(value) and abs(value) != float("inf") else None


def _jobs(results: Results) -> dict[tuple, list[dict[str, Any]]]:
    """Cell -> its jobs; older collected files have none."""
    jobs: dict[tuple, list[dict[str, Any]]] = {}
    for job in results.provenance.get("jobs", []):
        jobs.setdefault((*(job[name] for name in SETTING), job["seed"]), []).append(job)
    return jobs


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in config.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _shared(configs: list[dict[str, Any]]) -> dict[str, Any]:
    """The entries that all configurations have in common."""
    if not configs:
        return {}
    first, *others = configs
    return {name: value for name, value in first.items() if all(o.get(name, ...) == value for o in others)}
