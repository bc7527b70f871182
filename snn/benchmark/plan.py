"""From a configuration to the cells and what each of their jobs depends on. Runs nothing.

Everything that can be known to be wrong before anything runs is found here: unknown names, unknown keys inside the
blocks of methods, networks and readers, and methods that make no sense in a cell.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from dataclasses import replace
from functools import cache, cached_property
from itertools import product
from pathlib import Path
from typing import Any

from snn import methods, models
from snn.benchmark import sources
from snn.benchmark.cell import Cell
from snn.config.blocks import Config, Disturb, Train, Variant
from snn.config.validation import merge, unknown, validate
from snn.data import readers
from snn.data.params import SplitParams
from snn.errors import ConfigError, DataError, did_you_mean
from snn.neurons.spec import NeuronSpec
from snn.runtime import files
from snn.runtime.seeds import derive

# The phases of a cell, and the module that computes each: its import closure decides what reruns.
PHASES = {phase: f"snn.phases.{phase}" for phase in ("train", "sweep", "deploy", "probe", "disturb")}
FOREIGN = {"train": "snn.phases.foreign", "sweep": "snn.phases.foreign"}  # of a cell that a foreign script trains


class Plan:
    """The cells of one configuration. Raises ConfigError where it cannot be carried out."""

    def __init__(self, config: Config):
        # As the jobs will read it back from JSON: a default 10 and a read 10.0 must give the same token.
        self.config = validate(Config, config.model_dump(mode="json"))
        self._check_names()
        self.cells = self._expand()
        self._check_cells()

    @classmethod
    def load(cls, value: dict) -> Plan:
        return cls(validate(Config, value))

    # --- cells

    def _expand(self) -> list[Cell]:
        m = self.config.matrix
        cells: dict[Cell, None] = {}
        everything: set[Cell] = set()
        for block in [m, *m.also, *m.baselines.values()]:
            axes = [getattr(block, a) or getattr(m, a) for a in ("datasets", "networks", "methods", "t_train", "seeds")]
            for dataset, network, method, t, seed in product(*axes):
                cell = Cell(dataset, network, method, 1 if self._timeless(method) else t, seed)
                everything.add(cell)
                if not any(agrees(cell, entry) for entry in m.exclude):
                    cells[cell] = None
        for entry in m.exclude:
            if not any(agrees(cell, entry) for cell in everything):
                raise ConfigError(f"matrix.exclude: {entry} fits no cell of the matrix; mend or remove it")
        if not cells:
            raise ConfigError("matrix.exclude leaves no cell: nothing to do")
        return sorted(cells)

    @cached_property
    def trained(self) -> list[Cell]:
        """All cells that are trained: those asked for and the teachers that they need."""
        return sorted({*self.cells, *filter(None, map(self.teacher, self.cells))})

    def teacher(self, cell: Cell) -> Cell | None:
        """The cell whose trained network this one learns from, if its method has a teacher."""
        name = None if cell.method in self.config.foreign else methods.find(cell.method).teacher
        if name is None:
            return None
        return Cell(cell.dataset, cell.network, name, 1 if methods.find(name).timeless else cell.t_train, cell.seed)

    def phases(self, cell: Cell) -> list[str]:
        """Methods without time have nothing to sweep, static images no events to be deployed on, and only some seeds
        are probed and disturbed."""
        if cell.method in self.config.foreign:
            return list(FOREIGN)
        if self._timeless(cell.method):
            return ["train"]
        left_out = {
            "deploy": self.kind(cell.dataset) != "events",
            "probe": cell not in self._probed,
            "disturb": cell not in self._disturbed,
        }
        return [phase for phase in PHASES if not left_out.get(phase)]

    @cached_property
    def _probed(self) -> set[Cell]:
        return {cell for seeds in self._main_cells for cell in seeds[: self.config.probe.seeds]}

    @cached_property
    def _disturbed(self) -> set[Cell]:
        """Methods that go on learning on the disturbed network do so at every seed: their recovery is to be judged."""
        d = self.config.disturb
        first = {cell for seeds in self._main_cells for cell in seeds[: d.seeds]}
        learning = {cell for seeds in self._main_cells for cell in seeds if cell.method in d.recovery}
        return first | learning if d.seeds != 0 else set()

    @cached_property
    def _main_cells(self) -> list[list[Cell]]:
        """Every method's cells at its main T, the seeds of one together: those at a T of `matrix.t_train`, or, of a
        method that has none, those at its largest T. SDT* and the like are not among them."""
        steps = defaultdict(set)
        for cell in self.trained:
            steps[replace(cell, t_train=0, seed=0)].add(cell.t_train)
        main = {key: (found & set(self.config.matrix.t_train)) or {max(found)} for key, found in steps.items()}
        seeds = defaultdict(list)
        for cell in self.trained:
            if cell.t_train in main[replace(cell, t_train=0, seed=0)]:
                seeds[replace(cell, seed=0)].append(cell)
        return list(seeds.values())

    def kind(self, dataset: str) -> str:
        """Whether a data set holds `events` or `images`."""
        return readers.kind(self.config.datasets[dataset].reader)

    def _timeless(self, method: str) -> bool:
        return method not in self.config.foreign and methods.find(method).timeless

    # --- what a job depends on

    def train_recipe(self, method: str, network: str) -> Train:
        return self._block("train", Train, method, network)

    def neuron(self, method: str, network: str) -> NeuronSpec:
        return self._block("neuron", NeuronSpec, method, network)

    def _block(self, key: str, kind: type, method: str, network: str) -> Any:
        """The block `train` or `neuron`, with what the network's variant and the method's recipe have of it on top."""
        value = getattr(self.config, key).model_dump()
        for where, of, name in (("variants", self.config.variants, network), ("recipes", self.config.recipes, method)):
            if name in of:
                value = merge(value, getattr(of[name], key))
                validate(kind, value, f"{where}.{name}.{key}")
        return validate(kind, value, key)

    def network(self, name: str) -> tuple[str, dict[str, Any]]:
        """(name in the registry, parameters) of a network or a variant of one."""
        variant = self.config.variants.get(name, Variant(of=name))
        params = self.config.networks.get(variant.of, {})
        return variant.of, merge(params, variant.params)

    def spec(self, cell: Cell, phase: str) -> dict[str, Any]:
        """All of the configuration that the job (cell, phase) depends on, and nothing else."""
        c = self.config
        spec: dict[str, Any] = {
            "cell": cell.asdict(),
            "train": self.train_recipe(cell.method, cell.network).model_dump(),
            "threads": c.resources.threads,
            "device": c.resources.device,
            "precision": c.resources.precision,
        }
        if foreign := c.foreign.get(cell.method):
            purposes = ("initialisation", "order", "augmentation", "method")
            seeds = {purpose: derive(cell.seed, purpose) for purpose in purposes}
            code = files.sha256(foreign.script)
            spec["foreign"] = {"script": foreign.script, "code": code, "params": foreign.params, "seeds": seeds}
        else:
            spec["network"] = dict(zip(("name", "values"), self.network(cell.network), strict=True))
            spec["method"] = c.methods.get(cell.method, {})
            spec["neuron"] = self.neuron(cell.method, cell.network).model_dump()
        if phase == "sweep":
            spec["sweep"] = c.sweep.model_dump()
        if phase == "deploy":
            spec["deploy"] = c.deploy.model_dump()
        if phase == "probe":
            spec["probe"] = c.probe.model_dump(exclude={"seeds"})
        if phase == "disturb":
            learns = cell.method in c.disturb.recovery
            leave_out = {"seeds"} | (set() if learns else {k for k in Disturb.model_fields if k.startswith("recovery")})
            own = {"recovery": [cell.method] if learns else []}
            spec["disturb"] = c.disturb.model_dump(exclude=leave_out) | own
        return spec

    def modules(self, cell: Cell, phase: str) -> list[str]:
        """The roots of the job's import closure."""
        if cell.method in self.config.foreign:
            return [FOREIGN[phase]]
        roots = [PHASES[phase], methods.module_name(cell.method), models.family(self.network(cell.network)[0]).__name__]
        if phase in ("train", "probe", "disturb") and (teacher := self.teacher(cell)):
            roots.append(methods.module_name(teacher.method))
        return roots

    def token(self, cell: Cell, phase: str) -> str:
        """Digest of configuration and code: when it changes, and only then, the job runs again."""
        return digest(self.spec(cell, phase)) + "-" + _code(*self.modules(cell, phase))

    def check_inputs(self) -> None:
        """Raise DataError, naming the folder and the key, where a data set that is used is not there."""
        for name in sorted({cell.dataset for cell in self.trained}):
            for path in self.raw_inputs(name):
                if not Path(path).exists():
                    d = self.config.datasets[name]
                    raise DataError(
                        f"{path}: no such file or folder, but the data set {name!r} is read from there; "
                        f"mend datasets.{name}.params = {d.params}"
                    )

    def raw_inputs(self, name: str) -> list[str]:
        """The raw files or folders that a data set is read from, where it has any (a download has none beforehand)."""
        d = self.config.datasets[name]
        reader = readers.find(d.reader)
        return [str(p) for p in reader.inputs(reader.Params(**d.params))]

    def dataset_token(self, name: str) -> str:
        d = self.config.datasets[name]
        return digest(d.model_dump()) + "-" + sources.digest("snn.phases.convert", readers.module_name(d.reader))

    # --- checks

    def _check_names(self) -> None:
        c, m = self.config, self.config.matrix
        blocks = [m, *m.also, *m.baselines.values()]
        for name in {d for b in blocks for d in b.datasets or []}:
            if name not in c.datasets:
                raise ConfigError(
                    f"matrix.datasets: unknown data set {name!r}{did_you_mean(name, c.datasets)}; "
                    "a data set is defined under `datasets:`"
                )
        for name, d in c.datasets.items():
            if not re.fullmatch(r"[A-Za-z0-9][\w\-]*", name):
                raise ConfigError(f"datasets.{name}: the name becomes a folder; letters, digits, - and _ only")
            validate(readers.find(d.reader).Params, d.params, f"datasets.{name}.params")
            validate(SplitParams, d.split, f"datasets.{name}.split")
        for name in c.variants:
            if name in models.FAMILIES or not re.fullmatch(r"[A-Za-z0-9][\w\-]*", name):
                raise ConfigError(f"variants.{name}: taken by a network, or not of letters, digits, - and _; rename it")
            models.parameters(*self.network(name), f"variants.{name}.params")
            self.neuron("", name)
            self.train_recipe("", name)
        for name in {*c.networks} & {*c.variants}:
            raise ConfigError(f"networks.{name}: a variant's parameters are set in variants.{name}.params")
        for name in {*c.networks, *(n for b in blocks for n in b.networks or [])} - {*c.variants}:
            models.parameters(name, c.networks.get(name, {}), f"networks.{name}")
        for name, foreign in c.foreign.items():
            if name in methods.names() or not re.fullmatch(r"[A-Za-z0-9][\w\-]*", name):
                raise ConfigError(f"foreign.{name}: taken by a method, or not of letters, digits, - and _; rename it")
            if not Path(foreign.script).is_file():
                raise ConfigError(f"foreign.{name}.script: {foreign.script}: no such file; mend the path")
        for name in {*c.methods, *(n for b in blocks for n in b.methods or [])} - {*c.foreign}:
            methods.parameters(name, c.methods.get(name, {}))
        for name in {*c.methods} & {*c.foreign}:
            raise ConfigError(f"methods.{name}: a foreign method's parameters are set in foreign.{name}.params")
        for t in [*(t for b in blocks for t in b.t_train or []), *c.sweep.t_eval, *c.deploy.t_clock]:
            if t < 1:
                raise ConfigError(
                    f"time steps T = {t}: T must be at least 1 (matrix.t_train, sweep.t_eval, deploy.t_clock)"
                )
        for seed in (s for b in blocks for s in b.seeds or []):
            if seed < 0:
                raise ConfigError(f"matrix.seeds: {seed} is negative; use 0, 1, 2, ...")
        for name in c.disturb.recovery:
            if methods.find(name).timeless or not methods.find(name).trains:
                raise ConfigError(f"disturb.recovery: {name} does not train a spiking network; leave it out")
        if c.recipes and c.protocol != "published":
            raise ConfigError(
                "recipes: only for `protocol: published`; under `matched` every method gets the same recipe"
            )
        for name, recipe in c.recipes.items():
            if name not in c.foreign:
                methods.find(name)
            for key in recipe.train:
                if key not in Train.model_fields:
                    raise ConfigError(unknown(f"recipes.{name}.train.{key}", Train.model_fields))

    def _check_cells(self) -> None:
        used = {cell.method for cell in self.trained}
        if {"mtt", "sdt-matched"} <= used:
            given = {m: methods.parameters(m, self.config.methods.get(m, {})) for m in ("mtt", "sdt-matched")}
            for key in ("draws", "t_min"):
                a, b = (getattr(p, key) for p in given.values())
                if a != b:
                    raise ConfigError(
                        f"methods.sdt-matched.{key} = {b}, but methods.mtt.{key} = {a}: it would not have MTT's "
                        "compute; give both the same"
                    )
        for cell in self.trained:
            if foreign := self.config.foreign.get(cell.method):
                if cell.network not in (foreign.networks or [cell.network]):
                    raise ConfigError(
                        f"{cell.key}: {cell.method!r} builds {', '.join(foreign.networks)} only; leave it out with "
                        f"matrix.exclude: [{{network: {cell.network}, method: {cell.method}}}]"
                    )
                if self.kind(cell.dataset) != "events":
                    raise ConfigError(f"{cell.key}: foreign methods are given frames of events, not static images")
                if cell.network in self.config.variants:
                    raise ConfigError(
                        f"{cell.key}: a foreign script knows nothing of this project's variants; leave it out with "
                        f"matrix.exclude: [{{network: {cell.network}, method: {cell.method}}}]"
                    )
                continue
            method = methods.find(cell.method)
            params = methods.parameters(cell.method, self.config.methods.get(cell.method, {}))
            recipe = self.train_recipe(cell.method, cell.network)
            method.check(params, cell.t_train, recipe, self.neuron(cell.method, cell.network))
            if recipe.augment.autoaugment and self.kind(cell.dataset) != "images":
                raise ConfigError(
                    f"train.augment.autoaugment: made for images of 8 bits, but {cell.dataset!r} holds events; "
                    "set it to false, or take this data set out"
                )


def agrees(cell: Cell, entry: dict[str, Any]) -> bool:
    """Whether a cell has all the values of an entry of `matrix.exclude`."""
    return all(getattr(cell, key) == value for key, value in entry.items())


_code = cache(sources.digest)  # a plan is made once a process, and files do not change under it


def digest(value: Any) -> str:
    """Twelve hex digits of a plain value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
