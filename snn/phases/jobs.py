"""From a plan to the experiment of one of its jobs: what the command line and the workflow ask for by a cell's key."""

from __future__ import annotations

from snn.benchmark.cell import Cell
from snn.benchmark.plan import Plan
from snn.errors import UserError, did_you_mean
from snn.phases.experiment import Experiment


def planned_cell(plan: Plan, key: str, phase: str, token: str | None = None, *, foreign: bool = False) -> Cell:
    """The cell of this key, if the plan has this phase for it.

    token: what the workflow planned; UserError where configuration or code are other ones by now. foreign: whether the
    job is one of another framework's cell; deploy is a job of both kinds.
    """
    cell = Cell.parse(key)
    if cell not in plan.all_cells:
        keys = [c.key for c in plan.all_cells]
        raise UserError(f"{cell.key}: no cell of this benchmark{did_you_mean(cell.key, keys)}")
    if phase not in plan.phases(cell):
        raise UserError(
            f"{cell.key}: the plan has no {phase} for it: methods without time are only trained, static images have no "
            "events, and probe.seeds and robustness.seeds say which seeds have these phases"
        )
    if phase != "deploy" and plan.is_foreign(cell) != foreign:
        raise UserError(f"{cell.key}: a foreign method's cell is made by its own rule and `snn adopt`, and no other is")
    if token not in (None, plan.token(cell, phase)):
        raise UserError(
            f"the configuration or the code changed after this run was planned; run snakemake again "
            f"(planned {token}, now {plan.token(cell, phase)})"
        )
    return cell


def experiment(plan: Plan, cell: Cell, phase: str) -> Experiment:
    """What the job (cell, phase) works on."""
    layout, teacher, start = plan.layout, plan.teacher(cell), plan.start(cell)
    return Experiment(
        spec=plan.spec(cell, phase),
        token=plan.token(cell, phase),
        store_path=layout.store(cell.dataset),
        folder=layout.cell(cell),
        teacher=None if teacher is None else layout.cell(teacher),
        start=None if start is None else layout.cell(start),
        frame_cache_mb=plan.config.resources.frame_cache_mb,
    )
