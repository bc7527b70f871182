"""What each job depends on: a part of the configuration, and the code that it imports."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snn import methods, models
from snn.benchmark import sources
from snn.benchmark.cell import Cell
from snn.config.blocks import Foreign, Robustness
from snn.data import readers
from snn.runtime import files
from snn.runtime.seeds import Purpose, derive

if TYPE_CHECKING:
    from snn.benchmark.plan import Plan

FOREIGN = "snn.phases.foreign"
"""The module that makes a cell of what the script of another framework leaves."""
FOREIGN_DEPLOY = "snn.phases.foreign_deploy"
"""The module that deploys the network that it leaves."""

_code = cache(sources.digest)  # a plan is made once a process, and files do not change under it


def token(plan: Plan, cell: Cell, phase: str) -> str:
    """Digest of configuration and code: when it changes, and only then, the job runs again."""
    return digest(spec(plan, cell, phase)) + "-" + _code(*modules(plan, cell, phase))


def spec(plan: Plan, cell: Cell, phase: str) -> dict[str, Any]:
    """All of the configuration that the job (cell, phase) depends on, and nothing else."""
    c = plan.config
    result: dict[str, Any] = {
        "cell": cell.asdict(),
        "train": plan.recipe(cell.method, cell.network).model_dump(),
        "threads": c.resources.threads,
        "device": c.resources.device,
        "precision": c.resources.precision,
    }
    if foreign := c.foreign.get(cell.method):
        purposes: tuple[Purpose, ...] = ("initialisation", "order", "augmentation", "method")
        seeds = {purpose: derive(cell.seed, purpose) for purpose in purposes}
        code = files.sha256(script(foreign))
        result["foreign"] = {"script": foreign.script, "code": code, "params": foreign.params, "seeds": seeds}
    else:
        result["network"] = dict(zip(("name", "values"), plan.network(cell.network), strict=True))
        result["method"] = plan.hyper_parameters(cell.method, cell.network)
        result["neuron"] = plan.neuron(cell.method, cell.network).model_dump()
        if phase == "train" and plan.processes(cell) > 1:
            result["processes"] = plan.processes(cell)
        if start := plan.start(cell):
            remove_biases = c.variants[cell.network].remove_biases
            result["start"] = {"cell": start.asdict(), "remove_biases": remove_biases}
    match phase:
        case "sweep":
            result["sweep"] = c.sweep.model_dump()
        case "deploy":
            result["deploy"] = c.deploy.model_dump()
        case "probe":
            # What is off is left out, so that cells keep their token when there are more probes to choose from.
            off = {key for key in ("timed_steps", "landscape", "epsilons") if not getattr(c.probe, key)}
            result["probe"] = c.probe.model_dump(exclude={"seeds"} | off)
        case "robustness":
            learns = cell.method in c.robustness.recovery
            recovery = {key for key in Robustness.model_fields if key.startswith("recovery")}
            block = c.robustness.model_dump(exclude={"seeds"} | (set() if learns else recovery))
            result["robustness"] = block | {"recovery": [cell.method] if learns else []}
    return result


def modules(plan: Plan, cell: Cell, phase: str) -> list[str]:
    """The roots of the job's import closure."""
    if plan.is_foreign(cell):
        return [FOREIGN_DEPLOY, "snn.phases.run"] if phase == "deploy" else [FOREIGN]
    family = models.family(plan.network(cell.network)[0]).__name__
    roots = [f"snn.phases.{phase}", "snn.phases.run", methods.module_name(cell.method), family]
    if phase in ("train", "probe", "robustness") and (teacher := plan.teacher(cell)):
        roots.append(methods.module_name(teacher.method))
    if phase in ("train", "probe") and (start := plan.start(cell)):
        roots.append(methods.module_name(start.method))
    return roots


def script(foreign: Foreign) -> Path:
    """The script of a method of another framework: a path from the working folder, or from the project's folder where
    the working folder has no such file."""
    return next((p for p in (Path(foreign.script), sources.ROOT / foreign.script) if p.is_file()), Path(foreign.script))


def dataset_token(plan: Plan, name: str) -> str:
    """Digest of what the store of a data set depends on."""
    dataset = plan.config.datasets[name]
    code = sources.digest("snn.phases.convert", readers.module_name(dataset.reader))
    return digest(dataset.model_dump()) + "-" + code


def raw_inputs(plan: Plan, name: str) -> list[str]:
    """The raw files or folders that a data set is read from, where it has any (a download has none beforehand)."""
    dataset = plan.config.datasets[name]
    reader = readers.find(dataset.reader)
    return [str(path) for path in reader.inputs(reader.Params(**dataset.params))]


def digest(value: Any) -> str:
    """Twelve hex digits of a plain value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
