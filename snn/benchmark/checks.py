"""What can be known to be wrong before anything runs: unknown names, unknown keys inside the blocks of methods,
networks and readers, and methods that make no sense in a cell."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from snn import methods, models
from snn.benchmark.cell import Cell
from snn.benchmark.dependencies import raw_inputs, script
from snn.config.blocks import Train
from snn.config.validation import unknown, validate
from snn.data import readers
from snn.data.params import SplitParams
from snn.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    from snn.benchmark.plan import Plan

NAME = r"[A-Za-z0-9][\w\-]*"


def check_names(plan: Plan) -> None:
    """Raise ConfigError for names that are not there and keys that their blocks do not have."""
    c, m = plan.config, plan.config.matrix
    blocks = [m, *m.extra, *m.baselines.values()]
    _check_datasets(plan, {name for b in blocks for name in b.datasets or []})
    _check_networks(plan, {name for b in blocks for name in b.networks or []})
    _check_methods(plan, {name for b in blocks for name in b.methods or []})
    for t in [*(t for b in blocks for t in b.t_train or []), *c.sweep.t_eval, *c.deploy.t_clock]:
        if t < 1:
            raise ConfigError(
                f"time steps T = {t}: T must be at least 1 (matrix.t_train, sweep.t_eval, deploy.t_clock)"
            )
    for seed in (s for b in blocks for s in b.seeds or []):
        if seed < 0:
            raise ConfigError(f"matrix.seeds: {seed} is negative; use 0, 1, 2, ...")


def _check_datasets(plan: Plan, used: set[str]) -> None:
    c = plan.config
    for name in sorted(used):
        if name not in c.datasets:
            raise ConfigError(
                f"matrix.datasets: unknown data set {name!r}{did_you_mean(name, c.datasets)}; "
                "a data set is defined under `datasets:`"
            )
    for name, d in c.datasets.items():
        if not re.fullmatch(NAME, name):
            raise ConfigError(f"datasets.{name}: the name becomes a folder; letters, digits, - and _ only")
        validate(readers.find(d.reader).Params, d.params, f"datasets.{name}.params")
        validate(SplitParams, d.split, f"datasets.{name}.split")


def _check_networks(plan: Plan, used: set[str]) -> None:
    c = plan.config
    for name in sorted({*c.networks} & {*c.variants}):
        raise ConfigError(f"networks.{name}: a variant's parameters are set in variants.{name}.params")
    # The networks first: a variant inherits their parameters, and a wrong one is to be named where it stands.
    for name in sorted({*c.networks, *used} - {*c.variants}):
        models.parameters(name, c.networks.get(name, {}), f"networks.{name}")
    for name in c.variants:
        if name in models.FAMILIES or not re.fullmatch(NAME, name):
            raise ConfigError(f"variants.{name}: taken by a network, or not of letters, digits, - and _; rename it")
        models.parameters(*plan.network(name), f"variants.{name}.params")
        _check_start(plan, name)
        plan.neuron("", name)
        plan.recipe("", name)


def _check_start(plan: Plan, variant: str) -> None:
    start = plan.config.variants[variant].start_from
    if start is None:
        return
    key = f"variants.{variant}.start_from"
    if start in plan.config.foreign:
        raise ConfigError(f"{key}: {start} is a foreign method, whose network is not one of this project")
    method = methods.find(start)
    if not method.trains and method.teacher(plan.params(start)) is None:
        raise ConfigError(f"{key}: {start} has no trained network that a training could start from")


def _check_methods(plan: Plan, used: set[str]) -> None:
    c = plan.config
    for name, foreign in c.foreign.items():
        if name in methods.names() or not re.fullmatch(NAME, name):
            raise ConfigError(f"foreign.{name}: taken by a method, or not of letters, digits, - and _; rename it")
        if not script(foreign).is_file():
            raise ConfigError(f"foreign.{name}.script: {foreign.script}: no such file; mend the path")
    for name in sorted({*c.methods, *used} - {*c.foreign}):
        plan.params(name)
    for variant, name in ((v, name) for v, value in c.variants.items() for name in value.methods):
        if name in c.foreign:
            raise ConfigError(
                f"variants.{variant}.methods.{name}: a foreign script knows nothing of this project's variants; "
                f"set its parameters in foreign.{name}.params"
            )
        plan.params(name, variant)
    for name in sorted({*c.methods} & {*c.foreign}):
        raise ConfigError(f"methods.{name}: a foreign method's parameters are set in foreign.{name}.params")
    for name in c.robustness.recovery:
        if methods.find(name).timeless or not methods.find(name).trains:
            raise ConfigError(f"robustness.recovery: {name} does not train a spiking network; leave it out")
    if c.recipes and c.protocol != "published":
        raise ConfigError("recipes: only for `protocol: published`; under `matched` every method gets the same recipe")
    for name, recipe in c.recipes.items():
        if name not in c.foreign:
            methods.find(name)
        for key in recipe.train:
            if key not in Train.model_fields:
                raise ConfigError(unknown(f"recipes.{name}.train.{key}", Train.model_fields))


def check_cells(plan: Plan) -> None:
    """Raise ConfigError, with the reason, for cells that make no sense."""
    ours = sorted({cell.method for cell in plan.all_cells} - {*plan.config.foreign})
    for name, network in sorted({(cell.method, cell.network) for cell in plan.all_cells if cell.method in ours}):
        beside = {other: plan.params(other, network) for other in ours}
        try:
            methods.find(name).check_beside(beside[name], beside)
        except ConfigError as error:
            raise ConfigError(f"network {network}: {error}") from None
    for cell in plan.all_cells:
        if plan.is_foreign(cell):
            _check_foreign(plan, cell)
            continue
        recipe = plan.recipe(cell.method, cell.network)
        neuron = plan.neuron(cell.method, cell.network)
        params = plan.params(cell.method, cell.network)
        methods.find(cell.method).check(params, cell.t_train, recipe, neuron)
        if plan.processes(cell) > 1:
            _check_processes(plan, cell, recipe)
        if recipe.augment.autoaugment and plan.kind(cell.dataset) != "images":
            raise ConfigError(
                f"train.augment.autoaugment: made for images of 8 bits, but {cell.dataset!r} holds events; "
                "set it to false, or take this data set out"
            )


def _check_processes(plan: Plan, cell: Cell, recipe: Train) -> None:
    n, reason = plan.processes(cell), methods.find(cell.method).indivisible
    if reason:
        raise ConfigError(
            f"resources.processes: {n}, but {cell.method} trains in one process: {reason}; set it to 1, or leave "
            "the method out"
        )
    if recipe.batch_size < n:
        raise ConfigError(
            f"resources.processes: {n} processes cannot share a batch of train.batch_size = {recipe.batch_size}"
        )


def _check_foreign(plan: Plan, cell: Cell) -> None:
    foreign = plan.config.foreign[cell.method]
    remedy = f"leave it out with matrix.exclude: [{{network: {cell.network}, method: {cell.method}}}]"
    if foreign.networks is not None and cell.network not in foreign.networks:
        raise ConfigError(f"{cell.key}: {cell.method!r} builds {', '.join(foreign.networks)} only; {remedy}")
    if plan.kind(cell.dataset) != "events":
        raise ConfigError(f"{cell.key}: foreign methods are given frames of events, not static images")
    if cell.network in plan.config.variants:
        raise ConfigError(f"{cell.key}: a foreign script knows nothing of this project's variants; {remedy}")


def check_inputs(plan: Plan) -> None:
    """Raise DataError, naming the folder and the key, where a data set that is used is not there."""
    for name in plan.datasets:
        for path in raw_inputs(plan, name):
            if not Path(path).exists():
                raise DataError(
                    f"{path}: no such file or folder, but the data set {name!r} is read from there; "
                    f"mend datasets.{name}.params = {plan.config.datasets[name].params}"
                )
