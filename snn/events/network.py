"""What an event-driven network is: populations of neurons and the synapses between them.

A network is data only. It is checked once, when it is made; what an `EventNetwork` holds can be run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snn.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from snn.events.engine import Engine

INPUT = "input"
KINDS = ("conv", "linear", "identity")
RESETS = ("soft", "hard")


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons that share their constants. On each event that a neuron receives, in this order:

        v ← v · exp(−Δt / τ)          only with `tau_us`; Δt since the neuron's last event
        v ← v + w
        if v ≥ θ: one spike, v ← v − θ   (soft; hard: v ← 0)
        v ← max(v, v_min)

    name: unique; shape: (C, H, W), a flat layer is (K, 1, 1); threshold: θ > 0; v_min: ≤ 0, or None for no clip;
    tau_us: τ in microseconds, None for no leak; spiking=False: v only accumulates (no threshold, no clip: an output).
    """

    name: str
    shape: tuple[int, int, int]
    threshold: float = 1.0
    v_min: float | None = -1.0
    spiking: bool = True
    tau_us: float | None = None
    reset: str = "soft"

    def __post_init__(self) -> None:
        where = f"population {self.name!r}"
        object.__setattr__(self, "shape", _shape(self.shape, where))
        object.__setattr__(self, "threshold", float(self.threshold))
        if not self.spiking:
            object.__setattr__(self, "v_min", None)
        if not (isfinite(self.threshold) and np.float32(self.threshold) > 0):
            raise UserError(f"{where}: threshold must be a positive number, not {self.threshold}")
        if self.v_min is not None and not (isfinite(self.v_min) and self.v_min <= 0):
            raise UserError(f"{where}: v_min must be None or at most 0, the state at rest, not {self.v_min}")
        if self.tau_us is not None and not (isfinite(self.tau_us) and self.tau_us > 0):
            raise UserError(f"{where}: tau_us must be None or positive microseconds, not {self.tau_us}")
        if self.reset not in RESETS:
            raise UserError(f"{where}: reset {self.reset!r} is not one of {', '.join(RESETS)}")

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


@dataclass(frozen=True, eq=False)
class Synapse:
    """Weights from one population (or "input") to another.

    An event (c, y, x) of the source is pooled first: (c, y // pool, x // pool), dropped where pooling cuts it off.

    conv: weight [C_out, C_in / groups, k_y, k_x]; target (y', x') is met where y = y'·stride − padding + k_y.
    linear: weight [out, in]; both sides flattened in (C, H, W) order, the source after pooling.
    identity: weight `scale`, to the neuron at the same (pooled) place.
    """

    source: str
    target: str
    kind: str = "conv"
    weight: np.ndarray | None = None
    stride: int = 1
    padding: int = 0
    groups: int = 1
    pool: int = 1
    scale: float = 1.0

    def __post_init__(self) -> None:
        where = f"synapse {self.source} → {self.target}"
        if self.kind not in KINDS:
            raise UserError(f"{where}: unknown kind {self.kind!r}{did_you_mean(str(self.kind), KINDS)}")
        for key, least in (("stride", 1), ("padding", 0), ("groups", 1), ("pool", 1)):
            value = getattr(self, key)
            if int(value) != value or value < least:
                raise UserError(f"{where}: {key} must be a whole number, at least {least}, not {value!r}")
            object.__setattr__(self, key, int(value))
        object.__setattr__(self, "scale", float(self.scale))
        if self.kind == "identity":
            if self.weight is not None:
                raise UserError(f"{where}: an identity synapse takes scale=, not weight=")
            values = np.float32(self.scale)
        else:
            if self.weight is None:
                raise UserError(f"{where}: a {self.kind} synapse needs weight=")
            values = np.array(self.weight, np.float32, order="C")  # a copy: a network does not change any more
            rank = 4 if self.kind == "conv" else 2
            if values.ndim != rank or not values.size:
                raise UserError(f"{where}: a {self.kind} weight has {rank} dimensions, this one is {values.shape}")
            values.flags.writeable = False
            object.__setattr__(self, "weight", values)
        if not np.isfinite(values).all():
            raise UserError(f"{where}: the weights hold NaN or infinite numbers")

    @property
    def largest(self) -> float:
        """The largest |weight|; the scale of the integer mode follows from it."""
        return float(abs(np.float32(self.scale)) if self.weight is None else np.abs(self.weight).max())


@dataclass(frozen=True, eq=False)
class EventNetwork:
    """A feed-forward network of populations; `populations` stand in an order in which sources precede targets.

    input_shape: (C, H, W) of the events, C polarities; output: name of the population that decides (the last one if
    not given), whose neurons in (C, H, W) order are the classes; meta: anything that JSON holds.
    Raises `UserError`, naming the population or synapse that does not fit.
    """

    input_shape: tuple[int, int, int]
    populations: tuple[Population, ...]
    synapses: tuple[Synapse, ...]
    classes: tuple[str, ...] | None = None
    output: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        keep = object.__setattr__
        keep(self, "input_shape", _shape(self.input_shape, "the network's input"))
        keep(self, "populations", tuple(self.populations))
        keep(self, "synapses", tuple(self.synapses))
        if not self.populations:
            raise UserError("a network needs at least one population")
        keep(self, "output", self.output if self.output is not None else self.populations[-1].name)
        keep(self, "classes", None if self.classes is None else tuple(str(c) for c in self.classes))
        keep(self, "meta", dict(self.meta or {}))
        self._check()

    def __repr__(self) -> str:
        names = " → ".join([INPUT, *(p.name for p in self.populations)])
        weights = sum(s.weight.size for s in self.synapses if s.weight is not None)
        return f"EventNetwork({names}; {weights:,} weights, {self.n_classes} classes)"

    def population(self, name: str) -> Population:
        for population in self.populations:
            if population.name == name:
                return population
        raise UserError(f"no population {name!r}{did_you_mean(name, [p.name for p in self.populations])}")

    def shape_of(self, name: str) -> tuple[int, int, int]:
        return self.input_shape if name == INPUT else self.population(name).shape

    @property
    def n_classes(self) -> int:
        return self.population(self.output).size

    def engine(self, mode: str = "float", order: str = "breadth") -> Engine:
        """Make this network ready to run. mode: "float" or "int8"; order: "breadth" or "depth"."""
        from snn.events.engine import Engine

        return Engine(self, mode, order)

    def save(self, path: str | Path) -> None:
        """Write the network as one self-describing file; see `snn/events/_file.py` for its layout."""
        from snn.events import _file

        _file.save(self, path)

    def _check(self) -> None:
        names = [p.name for p in self.populations]
        for i, name in enumerate(names):
            if not isinstance(name, str) or not name or name == INPUT or name in names[:i]:
                raise UserError(f"population {name!r}: names must be unique, not empty and not {INPUT!r}")
        self.population(self.output)
        position = {INPUT: -1} | {name: i for i, name in enumerate(names)}
        for synapse in self.synapses:
            where = f"synapse {synapse.source} → {synapse.target}"
            for end in (synapse.source, synapse.target):
                if end not in position:
                    raise UserError(f"{where}: no population {end!r}{did_you_mean(str(end), position)}")
            if position[synapse.source] >= position[synapse.target]:
                raise UserError(f"{where}: a source must stand before its target (nothing recurrent)")
            if synapse.source != INPUT and not self.population(synapse.source).spiking:
                raise UserError(f"{where}: {synapse.source!r} does not spike, nothing can follow it")
            self._check_shapes(synapse, where)
        for name in names:
            if all(s.target != name for s in self.synapses):
                raise UserError(f"population {name!r}: no synapse leads to it")
        if self.classes is not None and len(self.classes) != self.n_classes:
            raise UserError(f"{len(self.classes)} classes, but output {self.output!r} has {self.n_classes} neurons")

    def _check_shapes(self, synapse: Synapse, where: str) -> None:
        c, h, w = self.shape_of(synapse.source)
        c_out, h_out, w_out = target = self.shape_of(synapse.target)
        h, w = h // synapse.pool, w // synapse.pool
        if not (h and w):
            raise UserError(f"{where}: pool {synapse.pool} leaves nothing of {self.shape_of(synapse.source)}")
        if synapse.kind == "linear":
            wanted = (c_out * h_out * w_out, c * h * w)
            if synapse.weight.shape != wanted:
                raise UserError(f"{where}: weight {synapse.weight.shape}, but the populations need {wanted}")
            return
        if synapse.kind == "identity":
            if (c, h, w) != target:
                raise UserError(f"{where}: identity from {(c, h, w)} (after pooling) to {target}")
            return
        k_y, k_x = synapse.weight.shape[2:]
        if c % synapse.groups or c_out % synapse.groups:
            raise UserError(f"{where}: groups {synapse.groups} divide neither {c} nor {c_out} channels")
        wanted = (c_out, c // synapse.groups, k_y, k_x)
        if synapse.weight.shape != wanted:
            raise UserError(f"{where}: weight {synapse.weight.shape}, but the populations need {wanted}")
        p, s = 2 * synapse.padding, synapse.stride
        made = (c_out, (h + p - k_y) // s + 1, (w + p - k_x) // s + 1)
        if made != target:
            raise UserError(f"{where}: the convolution makes {made}, but {synapse.target!r} has {target}")


def load(path: str | Path) -> EventNetwork:
    """Read a network file. Raises `DataError`, naming the file, where it cannot be used."""
    from snn.events import _file

    return _file.load(path)


def _shape(value: Any, where: str) -> tuple[int, int, int]:
    try:
        shape = tuple(int(n) for n in value)
    except (TypeError, ValueError):
        shape = ()
    if len(shape) != 3 or min(shape) < 1 or shape != tuple(value):
        raise UserError(f"{where}: shape must be three positive whole numbers (C, H, W), not {value!r}")
    return shape
