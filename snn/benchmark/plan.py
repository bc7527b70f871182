"""From a configuration to the cells of a benchmark and their phases. Runs nothing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import cached_property
from itertools import product
from typing import Any

from snn import methods
from snn.benchmark import checks, dependencies
from snn.benchmark.cell import Cell
from snn.benchmark.layout import PHASES, Layout
from snn.config.blocks import Config, Train, Variant
from snn.config.validation import merge, validate
from snn.data import readers
from snn.errors import ConfigError
from snn.neurons.spec import NeuronSpec


class Plan:
    """The cells of one configuration. Raises ConfigError where it cannot be carried out.

    layout: where the files are, if not in the working folder.
    """

    def __init__(self, config: Config, layout: Layout | None = None):
        self._blocks: dict[tuple[str, str, str], Any] = {}
        self._params: dict[tuple[str, str], Any] = {}
        # As the jobs will read it back from JSON: a default 10 and a read 10.0 must give the same token.
        self.config = validate(Config, config.model_dump(mode="json"))
        self.layout = layout or Layout(self.config.benchmark)
        checks.check_names(self)
        self.cells = self._expand()
        checks.check_cells(self)

    @classmethod
    def load(cls, value: dict[str, Any]) -> Plan:
        """The plan of plain values, e.g. of Snakemake's configuration."""
        return cls(validate(Config, value))

    # --- cells

    def _expand(self) -> list[Cell]:
        m = self.config.matrix
        cells: dict[Cell, None] = {}
        everything: set[Cell] = set()
        for block in [m, *m.extra, *m.baselines.values()]:
            axes = [getattr(block, a) or getattr(m, a) for a in ("datasets", "networks", "methods", "t_train", "seeds")]
            for dataset, network, method, t, seed in product(*axes):
                cell = Cell(dataset, network, method, 1 if self.is_timeless(method) else t, seed)
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
    def all_cells(self) -> list[Cell]:
        """All cells that are trained: those of the matrix, and those whose trained networks they need."""
        cells: set[Cell] = set()
        new = set(self.cells)
        while new:
            cells |= new
            new = {needed for cell in new for needed in (self.teacher(cell), self.start(cell)) if needed} - cells
        return sorted(cells)

    @cached_property
    def datasets(self) -> list[str]:
        """The data sets that are used."""
        return sorted({cell.dataset for cell in self.all_cells})

    def teacher(self, cell: Cell) -> Cell | None:
        """The cell whose trained network this one learns from, if its method has a teacher."""
        if self.is_foreign(cell):
            return None
        name = methods.find(cell.method).teacher(self.params(cell.method, cell.network))
        if name is None:
            return None
        return Cell(cell.dataset, cell.network, name, 1 if methods.find(name).timeless else cell.t_train, cell.seed)

    def start(self, cell: Cell) -> Cell | None:
        """The cell whose trained network this one's training starts from, if its network is a variant that says so."""
        variant = self.config.variants.get(cell.network)
        if variant is None or variant.start_from is None or self.is_foreign(cell):
            return None
        t = 1 if self.is_timeless(variant.start_from) else cell.t_train
        return Cell(cell.dataset, variant.base, variant.start_from, t, cell.seed)

    def is_foreign(self, cell: Cell) -> bool:
        """Whether the script of another framework trains it."""
        return cell.method in self.config.foreign

    def is_timeless(self, method: str) -> bool:
        """Whether time has no meaning for a method (`ann`, `chance`)."""
        return method not in self.config.foreign and methods.find(method).timeless

    def processes(self, cell: Cell) -> int:
        """How many processes share the batches of its training."""
        trains = not self.is_foreign(cell) and methods.find(cell.method).trains
        return self.config.resources.processes if trains else 1

    def kind(self, dataset: str) -> str:
        """Whether a data set holds `events` or `images`."""
        return readers.kind(self.config.datasets[dataset].reader)

    # --- phases

    def phases(self, cell: Cell) -> list[str]:
        """Methods without time have nothing to sweep, static images no events to be deployed on, and only some seeds
        are probed and looked at for robustness."""
        if self.is_foreign(cell):
            return ["train", "sweep", "deploy"] if self.config.foreign[cell.method].nir else ["train", "sweep"]
        if self.is_timeless(cell.method):
            return ["train"]
        left_out = {
            "deploy": self.kind(cell.dataset) != "events",
            "probe": cell not in self._probed,
            "robustness": cell not in self._perturbed,
        }
        return [phase for phase in PHASES if not left_out.get(phase)]

    @cached_property
    def _probed(self) -> set[Cell]:
        return {cell for seeds in self._main_cells for cell in seeds[: self.config.probe.seeds]}

    @cached_property
    def _perturbed(self) -> set[Cell]:
        """Methods that go on learning on the perturbed network do so at every seed: their recovery is to be judged."""
        r = self.config.robustness
        first = {cell for seeds in self._main_cells for cell in seeds[: r.seeds]}
        learning = {cell for seeds in self._main_cells for cell in seeds if cell.method in r.recovery}
        return first | learning if r.seeds != 0 else set()

    @cached_property
    def _main_cells(self) -> list[list[Cell]]:
        """Every method's cells at its main T, the seeds of one together: those at a T of `matrix.t_train`, or, of a
        method that has none, those at its largest T. SDT* and the like are not among them."""
        steps = defaultdict(set)
        for cell in self.all_cells:
            steps[replace(cell, t_train=0, seed=0)].add(cell.t_train)
        main = {key: (ts & set(self.config.matrix.t_train)) or {max(ts)} for key, ts in steps.items()}
        seeds = defaultdict(list)
        for cell in self.all_cells:
            if cell.t_train in main[replace(cell, t_train=0, seed=0)]:
                seeds[replace(cell, seed=0)].append(cell)
        return list(seeds.values())

    # --- settings of a cell

    def recipe(self, method: str, network: str) -> Train:
        """The recipe of a method's trainings of a network."""
        return self._block("train", Train, method, network)

    def neuron(self, method: str, network: str) -> NeuronSpec:
        return self._block("neuron", NeuronSpec, method, network)

    def _block(self, key: str, kind: type, method: str, network: str) -> Any:
        """The block `train` or `neuron`, with what the network's variant and the method's recipe have of it on top."""
        if (key, method, network) in self._blocks:
            return self._blocks[key, method, network]
        c = self.config
        value = getattr(c, key).model_dump()
        if network in c.variants:
            value = merge(value, getattr(c.variants[network], key))
            validate(kind, value, f"variants.{network}.{key}")
        if method in c.recipes:
            value = merge(value, getattr(c.recipes[method], key))
            validate(kind, value, f"recipes.{method}.{key}")
        return self._blocks.setdefault((key, method, network), validate(kind, value, key))

    def network(self, name: str) -> tuple[str, dict[str, Any]]:
        """(name in the registry, parameters) of a network or a variant of one."""
        variant = self.config.variants.get(name, Variant(base=name))
        params = self.config.networks.get(variant.base, {})
        return variant.base, merge(params, variant.params)

    def hyper_parameters(self, method: str, network: str = "") -> dict[str, Any]:
        """The hyper-parameters that the configuration sets for a method; network: with what the variant of this name
        has of them on top."""
        values = self.config.methods.get(method, {})
        variant = self.config.variants.get(network)
        return values if variant is None else merge(values, variant.methods.get(method, {}))

    def params(self, method: str, network: str = "") -> Any:
        """The typed hyper-parameters of a method in trainings of a network."""
        if (method, network) not in self._params:
            variant = self.config.variants.get(network)
            where = f"variants.{network}.methods.{method}" if variant and method in variant.methods else ""
            values = self.hyper_parameters(method, network)
            self._params[method, network] = methods.parameters(method, values, where)
        return self._params[method, network]

    # --- what decides whether a job runs again

    def token(self, cell: Cell, phase: str) -> str:
        """Digest of the configuration and the code that a job depends on: when it changes, and only then, the job runs
        again."""
        return dependencies.token(self, cell, phase)

    def spec(self, cell: Cell, phase: str) -> dict[str, Any]:
        """All of the configuration that a job depends on, and nothing else."""
        return dependencies.spec(self, cell, phase)


def agrees(cell: Cell, entry: dict[str, Any]) -> bool:
    """Whether a cell has all the values of an entry of `matrix.exclude`."""
    return all(getattr(cell, key) == value for key, value in entry.items())
