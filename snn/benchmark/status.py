"""The matrix of a benchmark as text: what there is to do (`plan`), and how far it is (`status`)."""

from __future__ import annotations

from collections import defaultdict

from snn.benchmark.cell import Cell
from snn.benchmark.layout import PHASES
from snn.benchmark.plan import Plan
from snn.errors import DataError

MARKS = {"done": "●", "running": "◐", "missing": "·", "diverged": "✗", "refused": "⊘", "failed": "!", "stale": "○"}


def plan_text(plan: Plan) -> str:
    """One row a (data set, network, method, T): how many seeds, and the jobs in all."""
    c = plan.config
    rows: dict[tuple[str, str, str, int], list[Cell]] = defaultdict(list)
    for cell in plan.all_cells:
        rows[cell.dataset, cell.network, cell.method, cell.t_train].append(cell)
    lines = [f"benchmark {c.benchmark!r}, protocol {c.protocol}: {len(plan.all_cells)} cells"]
    lines.append(f"{'data set':<16} {'network':<14} {'method':<24} {'T':>4}  {'seeds':<14} phases")
    for (dataset, network, method, t), cells in rows.items():
        seeds = ",".join(str(cell.seed) for cell in cells)
        extra = "" if set(cells) & set(plan.cells) else "  (teacher)"
        lines.append(
            f"{dataset:<16} {network:<14} {method:<24} {t:>4}  {seeds:<14} {' '.join(plan.phases(cells[0]))}{extra}"
        )
    jobs = len(plan.datasets) + sum(len(plan.phases(cell)) for cell in plan.all_cells)
    lines.append(f"{jobs} jobs, then collect, report and MLflow. Nothing has been run.")
    return "\n".join(lines)


def state(plan: Plan, cell: Cell, phase: str) -> str:
    """What has become of the job (cell, phase): one of `MARKS`."""
    folder = plan.layout.cell(cell)
    if folder.is_complete(phase):
        try:
            record = folder.record(phase)
        except DataError:
            return "failed"
        if record.get("token") != plan.token(cell, phase):
            return "stale"  # of an earlier configuration or code: the next run makes it anew
        return {"ok": "done"}.get(record["status"], record["status"])
    if phase == "train" and folder.checkpoint.exists():
        return "running"  # or interrupted: either way it goes on from there
    return "failed" if plan.layout.failure(cell, phase).exists() else "missing"


def status_text(plan: Plan) -> str:
    """A grid: rows are (data set, network, method, T), columns seeds; one mark a phase."""
    seeds = sorted({cell.seed for cell in plan.all_cells})
    rows: dict[tuple[str, str, str, int], dict[int, str]] = defaultdict(dict)
    count: dict[str, int] = defaultdict(int)
    for cell in plan.all_cells:
        states = [state(plan, cell, phase) for phase in plan.phases(cell)]
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
