"""The matrix of a benchmark as text: what there is to do (`plan`), and how far it is (`status`)."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from snn.benchmark.cell import Cell
from snn.benchmark.plan import PHASES, Plan
from snn.runtime import files

MARKS = {"done": "●", "running": "◐", "missing": "·", "diverged": "✗", "refused": "⊘", "failed": "!", "stale": "○"}


def plan_text(plan: Plan) -> str:
    """One row a (data set, network, method, T): how many seeds, and the jobs in all."""
    c = plan.config
    rows = defaultdict(list)
    for cell in plan.trained:
        rows[cell.dataset, cell.network, cell.method, cell.t_train].append(cell)
    lines = [f"benchmark {c.benchmark!r}, protocol {c.protocol}: {len(plan.trained)} cells"]
    lines.append(f"{'data set':<16} {'network':<14} {'method':<24} {'T':>4}  {'seeds':<14} phases")
    for (dataset, network, method, t), cells in rows.items():
        seeds = ",".join(str(cell.seed) for cell in cells)
        extra = "" if set(cells) & set(plan.cells) else "  (teacher)"
        lines.append(
            f"{dataset:<16} {network:<14} {method:<24} {t:>4}  {seeds:<14} {' '.join(plan.phases(cells[0]))}{extra}"
        )
    jobs = len({cell.dataset for cell in plan.trained}) + sum(len(plan.phases(cell)) for cell in plan.trained)
    lines.append(f"{jobs} jobs, then collect, report and MLflow. Nothing has been run.")
    return "\n".join(lines)


def state(plan: Plan, cell: Cell, phase: str, root: Path) -> str:
    folder = root / "cells" / cell.key
    record = folder / phase / "record.json"
    if record.exists():
        try:
            record = files.read_json(record)
            status, token = record["status"], record["token"]
        except (ValueError, KeyError):
            return "failed"
        if token != plan.token(cell, phase):
            return "stale"  # of an earlier configuration or code: the next run makes it anew
        return {"ok": "done"}.get(status, status)
    if phase == "train" and (folder / "checkpoint.pt").exists():
        return "running"  # or interrupted: either way it goes on from there
    return "failed" if (root / "logs" / cell.key / f"{phase}.failed").exists() else "missing"


def status_text(plan: Plan, root: Path) -> str:
    """A grid: rows are (data set, network, method, T), columns seeds; one mark a phase."""
    seeds = sorted({cell.seed for cell in plan.trained})
    rows: dict[tuple, dict[int, str]] = defaultdict(dict)
    count: dict[str, int] = defaultdict(int)
    for cell in plan.trained:
        states = [state(plan, cell, phase, root) for phase in plan.phases(cell)]
        for s in states:
            count[s] += 1
        rows[cell.dataset, cell.network, cell.method, cell.t_train][cell.seed] = "".join(MARKS[s] for s in states)
    lines = [f"{'data set':<16} {'network':<14} {'method':<24} {'T':>4}  " + " ".join(f"seed{s:<3}" for s in seeds)]
    for (dataset, network, method, t), marks in rows.items():
        lines.append(
            f"{dataset:<16} {network:<14} {method:<24} {t:>4}  " + " ".join(f"{marks.get(s, ''):<7}" for s in seeds)
        )
    lines.append("   ".join(f"{MARKS[s]} {s}: {n}" for s, n in count.items()) + f"   (marks: {', '.join(PHASES)})")
    return "\n".join(lines)
