"""The blocks of the configuration as types, with their defaults; unknown keys are errors.

Cheap to import (no torch). Names of methods, networks and readers, and the keys inside their blocks, are checked by
`snn.benchmark.checks`, which knows the registries.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat, model_validator

from snn.neurons.spec import NeuronSpec

# Bounds that no experiment meets, so that a slip of the keyboard is refused before anything runs.
Name = Annotated[str, Field(min_length=1, max_length=100)]
Steps = Annotated[int, Field(le=10_000)]
Seed = Annotated[int, Field(le=2**63 - 1)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Pixels = Annotated[int, Field(ge=0, le=10_000)]


def _finite(value: Any) -> Any:
    """`value`, if no number in it is infinite: JSON, in which the jobs read it, has no such number."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no finite number")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        _finite(inner)
    return value


Values = Annotated[dict[str, Any], AfterValidator(_finite)]
"""Keys and values that a registry's entry checks: parameters of a method, network or reader."""


class Model(BaseModel):
    """Base of every block: unknown keys and infinite numbers are refused, values are not changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Block(Model):
    """A rectangle of cells: the product of the lists. A list left out is taken from `matrix`."""

    datasets: list[Name] | None = None
    networks: list[Name] | None = None
    methods: list[Name] | None = None
    t_train: list[Steps] | None = None
    seeds: list[Seed] | None = None


class Matrix(Model):
    """The cells of the benchmark: every data set x network x method x t_train x seed."""

    datasets: list[Name] = Field(min_length=1)
    networks: list[Name] = Field(min_length=1)
    methods: list[Name] = Field(min_length=1)
    t_train: list[Steps] = Field(default=[10], min_length=1, description="time steps T of the training")
    seeds: list[Seed] = Field(default=[0, 1, 2], min_length=1)
    extra: list[Block] = Field(default=[], description="further rectangles, e.g. SDT* (sdt trained at each T)")
    baselines: dict[str, Block] = Field(
        default={}, description="rectangles by name: an overlay adds one without repeating what is there"
    )
    exclude: list[dict[Literal["dataset", "network", "method", "t_train", "seed"], str | int]] = Field(
        default=[], description="cells to leave out: those that agree with all the keys of one entry"
    )


class Dataset(Model):
    """One data set: a reader of `snn/data/readers/` with its parameters, and how it is split."""

    reader: Name
    params: Values = {}
    split: Values = Field(default={}, description="see snn/data/store.py: SplitParams")


class Augment(Model):
    """Augmentation of the training split, drawn anew for each sample and the same at all time steps, in this order."""

    crop: Pixels = Field(default=0, description="largest random shift in pixels: pad with zeros, then crop")
    roll: Pixels = Field(default=0, description="largest random shift in pixels, cyclic: pixels re-enter opposite")
    flip: bool = Field(default=False, description="mirror left to right with probability one half")
    autoaugment: bool = Field(default=False, description="the AutoAugment policy for CIFAR-10; static images only")
    cutout: Pixels = Field(default=0, description="side in pixels of a square of zeros around a random pixel")


class Train(Model):
    """The recipe of a training, the same for every method under the `matched` protocol."""

    epochs: int = Field(default=10, ge=1, le=100_000)
    batch_size: int = Field(default=64, ge=1, le=10**6)
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float = Field(default=2e-3, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1, description="sgd only")
    weight_decay: float = Field(default=0.0, ge=0)
    schedule: Literal["cosine", "constant", "multistep"] = Field(
        default="cosine", description="of the learning rate: to zero, constant, or times gamma at each milestone"
    )
    milestones: list[Annotated[int, Field(ge=1)]] = Field(
        default=[], description="multistep only: epochs after which the rate is multiplied by gamma"
    )
    gamma: float = Field(default=0.1, gt=0, le=1, description="multistep only: factor on the learning rate")
    warmup: float = Field(default=0.0, ge=0, lt=1, description="fraction of all iterations with a linearly rising rate")
    clip_norm: float | None = Field(default=None, gt=0, description="largest norm of the whole gradient")
    logits: Literal["mean", "sum"] = Field(default="mean", description="how the readout is taken over time")
    logit_scale: float = Field(default=1.0, gt=0, description="factor on the logits inside the loss")
    augment: Augment = Augment()
    evaluate_every: int = Field(
        default=1,
        ge=1,
        le=100_000,
        description="epochs from one evaluation on the validation and test splits to the next; the last always is",
    )
    selection: Literal["last"] = Field(
        default="last", description="the result is the last epoch; others are recorded beside it"
    )

    @model_validator(mode="after")
    def _milestones_of_multistep(self) -> Train:
        if self.schedule == "multistep" and not self.milestones:
            raise ValueError("schedule: multistep needs milestones, e.g. milestones: [60, 120]")
        if self.milestones != sorted(set(self.milestones)):
            raise ValueError(f"milestones must rise from one to the next, unlike {self.milestones}")
        return self


class Sweep(Model):
    """Evaluation of each trained network at other numbers of time steps."""

    t_eval: list[Steps] = Field(default=[1, 2, 3, 4, 5, 6, 8, 10, 15, 20], min_length=1)
    recalibration_batches: Count = Field(default=10, description="training batches for the normalisation statistics")


class Deploy(Model):
    """Event-driven deployment."""

    modes: list[Literal["event-float", "event-int8", "event-dynapcnn", "event-float-depth", "event-int8-depth"]] = [
        "event-float", "event-int8", "event-float-depth", "event-int8-depth",
    ]  # fmt: skip
    lower_bounds: list[Literal["trained"] | Annotated[float, Field(le=0, ge=-1e6)] | None] = Field(
        default=[], description="further lower bounds of the membrane, each in every breadth-first mode; null: none"
    )
    resets: list[Literal["trained", "soft", "hard"]] = Field(
        default=[], description="further resets, each with every lower bound in every breadth-first mode"
    )
    t_clock: list[Steps] = Field(default=[], description="T of further clock-driven evaluations beside that at t_train")
    one_event_steps: bool = Field(
        default=False, description="evaluate clock-driven at one event a time step too (no leak; slow)"
    )
    recordings: Count | None = Field(
        default=None, description="maximum number of test recordings (stratified); null: all"
    )
    times_ms: list[PositiveFloat] = Field(
        default=[10, 20, 40, 60, 80, 100, 150, 200, 250, 300],
        description="elapsed times at which accuracy is read, in milliseconds",
    )
    fractions: list[Annotated[float, Field(gt=0, le=1)]] = Field(
        default=[0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0],
        description="fractions of the events consumed at which accuracy is read",
    )
    bias_free_epochs: int | None = Field(
        default=None,
        ge=1,
        description="networks with biases or BatchNorm: epochs of fine-tuning without them; null: refuse them",
    )
    energy_pj_per_synop: float = Field(
        default=0.9,
        gt=0,
        description="MODELLED energy of one accumulate (45 nm, 32-bit float add: Horowitz, ISSCC 2014)",
    )


class Probe(Model):
    """Mechanism probes: gradients, memory, firing rates and noise of the main cells (those at `matrix.t_train`)."""

    seeds: int | None = Field(
        default=1, ge=0, description="number of seeds of each cell, the first ones; null: all; 0: none"
    )
    iterations: Count = Field(
        default=10, description="first iterations of the training that are replayed for gradients"
    )
    t_memory: list[Annotated[int, Field(ge=1, le=10_000)]] = Field(
        default=[1, 2, 4, 8, 16], description="T at which the bytes kept for backward are measured"
    )
    recordings: Count = Field(default=200, description="maximum number of test recordings for firing rates and noise")
    draws: Count = Field(default=2, description="draws of the noise on weights; on input every recording is a draw")
    timed_steps: int = Field(default=0, ge=0, le=1000, description="training steps timed at each of t_memory; 0: none")
    landscape: list[PositiveFloat] = Field(
        default=[], description="distances from the trained weights at which the loss is evaluated; empty: nowhere"
    )
    epsilons: list[PositiveFloat] = Field(
        default=[], description="ε of finite differences that the surrogate gradient is compared with; empty: none"
    )
    weight_noise: list[PositiveFloat] = Field(default=[0.1, 0.2, 0.4], description="σ / rms of a layer's weights")
    frame_noise: list[PositiveFloat] = Field(default=[0.5, 1.0], description="σ / rms of the frames")
    events_dropped: list[Annotated[float, Field(gt=0, le=1)]] = Field(
        default=[0.25, 0.5], description="probability that an event is lost"
    )
    events_added: list[PositiveFloat] = Field(default=[0.5, 1.0], description="random events / own events")


class Robustness(Model):
    """The trained network under simulated hardware non-idealities (`snn/models/perturb.py`), and learning there."""

    seeds: int | None = Field(
        default=None, ge=0, description="number of seeds of each cell, the first ones; null: all; 0: the phase is off"
    )
    simulated_chips: Count = Field(default=10, description="each with its own mismatch, noise and dead neurons")
    recordings: Count | None = Field(
        default=None, description="maximum number of test recordings (stratified); null: all"
    )
    mismatch: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default=[0.05, 0.1, 0.2], description="standard deviation of weights, thresholds and decays, multiplicative"
    )
    bits: list[Annotated[int, Field(ge=2, le=16)]] = Field(
        default=[2, 3, 4, 5, 6, 8], description="bits of a weight, its normalisation folded in"
    )
    noise: list[PositiveFloat] = Field(
        default=[0.01, 0.05, 0.1], description="standard deviation on each membrane at each step, in thresholds"
    )
    dead_fraction: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default=[0.1, 0.2, 0.4], description="fraction of the neurons of each hidden layer that never spike"
    )
    recovery: list[Name] = Field(
        default=["ltl-offline", "ltl-online"], description="methods whose networks go on learning on the simulated chip"
    )
    recovery_epochs: Count = Field(default=5, description="epochs of on-chip learning")
    recovery_chips: Count = Field(default=10, description="maximum number of simulated chips used for on-chip learning")
    recovery_levels: Literal["all", "strongest"] = Field(
        default="all", description="levels with on-chip learning: all, or only the strongest of each kind"
    )
    recovery_recordings: Count | None = Field(
        default=None, description="maximum number of training recordings of an epoch (stratified); null: all"
    )
    recovery_lr: float = Field(default=0.1, gt=0, description="learning rate as a fraction of `train.lr`, constant")


class Resources(Model):
    """What a job asks for. Settings, never assumptions."""

    threads: int = Field(default=1, ge=1, le=1024, description="threads of a training, sweep or deployment job")
    device: str = Field(default="cpu", pattern=r"^(cpu|cuda(:\d+)?)$")
    precision: Literal["float32", "bf16"] = "float32"
    processes: int = Field(
        default=1,
        ge=1,
        le=64,
        description="processes that share the batches of one training, each with `threads` threads or a GPU of its own",
    )
    train_mem_mb: int = Field(default=4000, ge=100, le=10**8)
    train_runtime_min: int = Field(default=240, ge=1, le=10**6)
    warm_start: bool = Field(
        default=True, description="jobs on this machine start as forks of one process that has imported the libraries"
    )
    network_on_nodes: bool = Field(
        default=False,
        description="of a cluster: whether jobs that download, or write to an MLflow server, run on its nodes; if not, "
        "they run where Snakemake runs",
    )
    frame_cache_mb: int = Field(
        default=1500, ge=0, description="a split whose frames are larger is binned batch by batch"
    )

    @model_validator(mode="after")
    def _a_gpu_for_each_process(self) -> Resources:
        if self.processes > 1 and ":" in self.device:
            raise ValueError(f"processes: {self.processes} takes a GPU for each; set device: cuda, not {self.device}")
        return self


class Recipe(Model):
    """A method's own published recipe: replaces keys of `train` and `neuron` (protocol `published` only)."""

    train: Values = {}
    neuron: Values = {}


class Variant(Model):
    """A network of the registry under a name of its own: with other neurons, another recipe, other hyper-parameters of
    methods, or fine-tuned from the trained network of another method. A factor that every table shows."""

    base: Name = Field(description="the network that it is, e.g. 3c1fc; its parameters are those of `networks`")
    params: Values = Field(default={}, description="parameters of the network that replace those")
    neuron: Values = Field(default={}, description="keys that replace those of the block `neuron`")
    train: Values = Field(default={}, description="keys that replace those of the block `train`")
    methods: dict[Name, Values] = Field(
        default={}, description="hyper-parameters of methods, by name, that replace those of the block `methods`"
    )
    start_from: Name | None = Field(
        default=None,
        description="method whose trained network of `base` its trainings start from; null: random weights",
    )
    remove_biases: bool = Field(
        default=False, description="with start_from: BatchNorm becomes its factor, folded into the weights; no biases"
    )

    @model_validator(mode="after")
    def _biases_of_a_trained_network(self) -> Variant:
        if self.remove_biases and self.start_from is None:
            raise ValueError("remove_biases needs start_from: the factor of BatchNorm is that of a trained network")
        return self


class Foreign(Model):
    """A method that another framework's script trains, in an environment of its own (docs/foreign.md)."""

    script: str = Field(description="its file, run by a rule in workflow/rules/baselines/")
    networks: list[str] | None = Field(default=None, description="the networks that it can build; null: not restricted")
    params: Values = Field(default={}, description="handed to the script as they are")
    nir: bool = Field(
        default=False, description="whether the script leaves its network as a NIR file, to be deployed event-driven"
    )


class Config(Model):
    """One benchmark."""

    benchmark: str = Field(pattern=r"^[a-z0-9][a-z0-9_\-]*$", max_length=100)
    protocol: Literal["matched", "published"] = "matched"
    question: str = Field(
        default="Which training rule keeps its accuracy at other numbers of time steps, and event-driven?",
        max_length=1000,
    )
    matrix: Matrix
    datasets: dict[Name, Dataset]
    networks: dict[Name, Values] = Field(default={}, description="parameters of networks, by name")
    variants: dict[Name, Variant] = Field(
        default={}, description="networks with other neurons or recipes, by own names"
    )
    methods: dict[Name, Values] = Field(default={}, description="hyper-parameters of methods, by name")
    foreign: dict[Name, Foreign] = Field(default={}, description="methods of other frameworks, by name")
    neuron: NeuronSpec = NeuronSpec()
    train: Train = Train()
    recipes: dict[str, Recipe] = {}
    sweep: Sweep = Sweep()
    deploy: Deploy = Deploy()
    probe: Probe = Probe()
    robustness: Robustness = Robustness()
    resources: Resources = Resources()
