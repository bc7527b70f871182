"""What an event-driven network is: populations of neurons and the synapses between them.

A network is data only. It is checked once, when it is made; what an `EventNetwork` holds can be run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from snn.errors import UserError, did_you_mean

INPUT = "input"
KINDS = ("conv", "linear", "identity")
RESETS = ("soft", "hard")

Shape = tuple[int, int, int]

# Limits far beyond any real network. They bound what a damaged or hostile file can ask for.
LARGEST = 1e20  # of weights, thresholds, clips and time constants: 10^18 additions stay within float32
MAX_AXIS = 2**20  # of a shape; also of strides, paddings, groups and pools
MAX_NEURONS = 2**28
MAX_PARTS = 4096  # populations, and synapses
MAX_NAME = 200  # characters


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons that share their constants. On each event that a neuron receives, in this order:

        v ← v · exp(−Δt / τ)          only with `tau_us`; Δt since the neuron's last event
        v ← v + w
        if v ≥ θ: one spike, v ← v − θ   (soft; hard: v ← 0)
        v ← max(v, v_min)

    name: unique; shape: (C, H, W), a flat layer is (K, 1, 1); threshold: θ > 0; v_min: ≤ 0, or None for no clip;
    tau_us: τ in microseconds, None for no leak; spiking=False: v only accumulates (no threshold, no clip: an output);
    v0: v of every neuron at the start of a recording, ≥ v_min; it leaks from the recording's first event on.
    Raises `UserError`, naming the population and the value that cannot be used.
    """

    name: str
    shape: Shape
    threshold: float = 1.0
    v_min: float | None = -1.0
    spiking: bool = True
    tau_us: float | None = None
    reset: str = "soft"
    v0: float = 0.0

    def __post_init__(self) -> None:
        _check_name(self.name, "a population's name")
        where, store = f"population {self.name!r}", object.__setattr__
        store(self, "shape", _shape(self.shape, where))
        store(self, "threshold", real_number(self.threshold, f"{where}: threshold"))
        if not isinstance(self.spiking, bool | np.bool_):
            raise UserError(f"{where}: spiking must be true or false, not {short(self.spiking)}")
        store(self, "spiking", bool(self.spiking))
        if not self.spiking:
            store(self, "v_min", None)
        if not np.float32(self.threshold) > 0:
            raise UserError(f"{where}: threshold must be positive in float32, not {self.threshold}")
        if self.v_min is not None:
            store(self, "v_min", real_number(self.v_min, f"{where}: v_min (or None)"))
            if self.v_min > 0:
                raise UserError(f"{where}: v_min must be None or at most 0, the state at rest, not {self.v_min}")
        if self.tau_us is not None:
            store(self, "tau_us", real_number(self.tau_us, f"{where}: tau_us (or None)"))
            if self.tau_us <= 0:
                raise UserError(f"{where}: tau_us must be None or positive microseconds, not {self.tau_us}")
        if not isinstance(self.reset, str) or self.reset not in RESETS:
            raise UserError(f"{where}: reset {short(self.reset)} is not one of {', '.join(RESETS)}")
        store(self, "v0", real_number(self.v0, f"{where}: v0"))
        if self.v_min is not None and self.v0 < self.v_min:
            raise UserError(f"{where}: v0 must be at least v_min, {self.v_min}, not {self.v0}")

    @property
    def size(self) -> int:
        """Number of neurons."""
        return prod(self.shape)


@dataclass(frozen=True, eq=False)
class Synapse:
    """Weights from one population (or "input") to another.

    An event (c, y, x) of the source is pooled first: (c, y // pool, x // pool), dropped where pooling cuts it off.

    conv: weight [C_out, C_in / groups, k_y, k_x]; target (y', x') is met where y = y'·stride − padding + k_y.
    linear: weight [out, in]; both sides flattened in (C, H, W) order, the source after pooling.
    identity: weight `scale`, to the neuron at the same (pooled) place.
    Raises `UserError`, naming the synapse and the value that cannot be used.
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
        _check_name(self.source, "a synapse's source")
        _check_name(self.target, "a synapse's target")
        where, store = f"synapse {self.source} → {self.target}", object.__setattr__
        if not isinstance(self.kind, str) or self.kind not in KINDS:
            raise UserError(f"{where}: unknown kind {short(self.kind)}{_nearest(self.kind, KINDS)}")
        for key, least in (("stride", 1), ("padding", 0), ("groups", 1), ("pool", 1)):
            store(self, key, whole_number(getattr(self, key), f"{where}: {key}", least))
        store(self, "scale", real_number(self.scale, f"{where}: scale"))
        if self.kind == "identity" and self.weight is not None:
            raise UserError(f"{where}: an identity synapse takes scale=, not weight=")
        if self.kind != "conv" and (self.stride, self.padding, self.groups) != (1, 0, 1):
            raise UserError(f"{where}: stride, padding and groups belong to kind 'conv', not {self.kind!r}")
        if self.kind == "identity":
            return
        if self.scale != 1:
            raise UserError(f"{where}: scale belongs to kind 'identity'; multiply the weight by it")
        if self.weight is None:
            raise UserError(f"{where}: a {self.kind} synapse needs weight=")
        store(self, "weight", _weight(self.weight, 4 if self.kind == "conv" else 2, where))

    @property
    def values(self) -> np.ndarray:
        """float32, the weight; of an identity synapse its scale, [1, 1, 1, 1]."""
        return np.full((1, 1, 1, 1), self.scale, np.float32) if self.weight is None else self.weight

    @property
    def largest(self) -> float:
        """The largest |weight|; the scale of the integer mode follows from it."""
        return float(np.abs(self.values).max())


@dataclass(frozen=True, eq=False)
class EventNetwork:
    """A feed-forward network of populations; `populations` stand in an order in which sources precede targets.

    input_shape: (C, H, W) of the events, C polarities; output: name of the population that decides (if empty: the
    last one), whose neurons in (C, H, W) order are the classes; meta: anything that JSON holds.
    Raises `UserError`, naming the population or synapse that does not fit.
    """

    input_shape: Shape
    populations: Sequence[Population]
    synapses: Sequence[Synapse]
    classes: Sequence[str] | None = None
    output: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        store = object.__setattr__
        store(self, "input_shape", _shape(self.input_shape, "the network's input"))
        store(self, "populations", _parts(self.populations, Population, "populations"))
        store(self, "synapses", _parts(self.synapses, Synapse, "synapses"))
        if not self.populations:
            raise UserError("a network needs at least one population")
        if not isinstance(self.output, str):
            raise UserError(f"the network's output must be the name of a population, not {short(self.output)}")
        store(self, "output", self.output or self.populations[-1].name)
        if self.classes is not None:
            if isinstance(self.classes, str) or not isinstance(self.classes, Sequence):
                raise UserError(f"the network's classes must be a list of names, not {short(self.classes)}")
            store(self, "classes", tuple(str(c) for c in self.classes))
        if not isinstance(self.meta, Mapping):
            raise UserError(f"the network's meta must be a mapping, not {short(self.meta)}")
        store(self, "meta", dict(self.meta))
        self._check()

    def __repr__(self) -> str:
        names = " → ".join([INPUT, *(p.name for p in self.populations)])
        weights = sum(s.weight.size for s in self.synapses if s.weight is not None)
        return f"EventNetwork({names}; {weights:,} weights, {self.n_classes} classes)"

    def population(self, name: str) -> Population:
        """The population of that name; raises `UserError` if there is none."""
        for population in self.populations:
            if population.name == name:
                return population
        raise UserError(f"no population {short(name)}{_nearest(name, [p.name for p in self.populations])}")

    def shape_of(self, name: str) -> Shape:
        """(C, H, W) of a population, or of "input"."""
        return self.input_shape if name == INPUT else self.population(name).shape

    @property
    def n_classes(self) -> int:
        return self.population(self.output).size

    def with_neurons(self, **constants: Any) -> EventNetwork:
        """This network with other constants in all populations that spike, e.g. `with_neurons(v_min=-4.0)`.

        constants: of `Population` (threshold, v_min, reset, tau_us). Raises `UserError` as that does.
        """
        return replace(self, populations=[replace(p, **constants) if p.spiking else p for p in self.populations])

    def _check(self) -> None:
        position = {INPUT: -1}
        for i, population in enumerate(self.populations):
            if population.name in position:
                raise UserError(f"population {population.name!r}: names must be unique and not {INPUT!r}")
            position[population.name] = i
        self.population(self.output)
        for synapse in self.synapses:
            where = f"synapse {synapse.source} → {synapse.target}"
            for end in (synapse.source, synapse.target):
                if end not in position:
                    raise UserError(f"{where}: no population {end!r}{_nearest(end, position)}")
            if position[synapse.source] >= position[synapse.target]:
                raise UserError(f"{where}: a source must stand before its target (nothing recurrent)")
            if synapse.source != INPUT and not self.population(synapse.source).spiking:
                raise UserError(f"{where}: {synapse.source!r} does not spike, nothing can follow it")
            self._check_shapes(synapse, where)
        targets = {s.target for s in self.synapses}
        for population in self.populations:
            if population.name not in targets:
                raise UserError(f"population {population.name!r}: no synapse leads to it")
        if self.classes is not None and len(self.classes) != self.n_classes:
            raise UserError(f"{len(self.classes)} classes, but output {self.output!r} has {self.n_classes} neurons")

    def _check_shapes(self, synapse: Synapse, where: str) -> None:
        c, h, w = self.shape_of(synapse.source)
        c_out, h_out, w_out = target = self.shape_of(synapse.target)
        h, w = h // synapse.pool, w // synapse.pool
        if not (h and w):
            raise UserError(f"{where}: pool {synapse.pool} leaves nothing of {self.shape_of(synapse.source)}")
        if synapse.kind == "identity":
            if (c, h, w) != target:
                raise UserError(f"{where}: identity from {(c, h, w)} (after pooling) to {target}")
            return
        shape: tuple[int, ...] = synapse.values.shape
        needed: tuple[int, ...] = (c_out * h_out * w_out, c * h * w)
        if synapse.kind == "conv":
            if c % synapse.groups or c_out % synapse.groups:
                raise UserError(f"{where}: {synapse.groups} groups do not divide {c} and {c_out} channels")
            needed = (c_out, c // synapse.groups, *shape[2:])
        if shape != needed:
            raise UserError(f"{where}: weight {shape}, but the populations need {needed}")
        if synapse.kind == "conv":
            p, s = 2 * synapse.padding, synapse.stride
            made = (c_out, (h + p - shape[2]) // s + 1, (w + p - shape[3]) // s + 1)
            if made != target:
                raise UserError(f"{where}: the convolution makes {made}, but {synapse.target!r} has {target}")


def short(value: Any) -> str:
    """`repr`, of at most 80 characters: an error message stays one line whatever it quotes."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # whole numbers of more than 4300 digits
        text = f"a huge {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:79]}…"


def _nearest(name: Any, names: Collection[str]) -> str:
    return did_you_mean(name, names) if isinstance(name, str) and len(name) <= MAX_NAME and len(names) <= 50 else ""


def _check_name(name: Any, what: str) -> None:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise UserError(f"{what} must be 1 to {MAX_NAME} printable characters, not {short(name)}")


def real_number(value: Any, what: str) -> float:
    """A number within ±`LARGEST`; scalars of NumPy and torch count, truth values and texts do not.

    Raises `UserError`: `what` must be one, and is not.
    """
    number = _real(value)
    if number is None or not abs(number) <= LARGEST:
        raise UserError(f"{what} must be a number within ±{LARGEST:g}, not {short(value)}")
    return number


def whole_number(value: Any, what: str, least: int) -> int:
    """A whole number from `least` to `MAX_AXIS`; raises `UserError` as `real_number` does."""
    number = _real(value)
    if number is None or not least <= number <= MAX_AXIS or not number.is_integer():
        raise UserError(f"{what} must be a whole number from {least} to {MAX_AXIS}, not {short(value)}")
    return int(number)


def _real(value: Any) -> float | None:
    """None for what is not one number, or one that no machine number holds."""
    array = _array(value)
    return None if array is None or array.ndim or array.dtype.kind not in "iuf" else float(array)


def _array(value: Any) -> np.ndarray | None:
    try:
        return np.asarray(value)
    except (ValueError, TypeError, RuntimeError):  # lists of different lengths; tensors that require a gradient
        return None


def _shape(value: Any, where: str) -> Shape:
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray) or len(value) != 3:
        raise UserError(f"{where}: shape must be three whole numbers (C, H, W), not {short(value)}")
    c, h, w = (whole_number(n, f"{where}: shape (C, H, W): each", 1) for n in value)
    if c * h * w > MAX_NEURONS:
        raise UserError(f"{where}: shape {(c, h, w)} has more than {MAX_NEURONS} neurons")
    return c, h, w


def _weight(weight: Any, rank: int, where: str) -> np.ndarray:
    """A copy in float32 (a network does not change any more), read-only."""
    array = _array(weight)
    if array is None or array.dtype.kind not in "biuf":
        what = "something that NumPy makes no array of" if array is None else array.dtype
        raise UserError(f"{where}: the weights must be real numbers, not {what}")
    if array.ndim != rank or not array.size:
        raise UserError(f"{where}: its weight must have {rank} dimensions, none of them 0, not shape {array.shape}")
    with np.errstate(over="ignore"):
        values = np.array(array, np.float32, order="C")
    if not (np.abs(values) <= LARGEST).all():
        raise UserError(f"{where}: the weights must lie within ±{LARGEST:g}; NaN, infinite or larger ones are there")
    values.flags.writeable = False
    return values


def _parts(parts: Any, kind: type, what: str) -> tuple[Any, ...]:
    if not isinstance(parts, Sequence) or not all(isinstance(part, kind) for part in parts):
        raise UserError(f"the network's {what} must be a list of {kind.__name__}, not {short(parts)}")
    if len(parts) > MAX_PARTS:
        raise UserError(f"the network has {len(parts)} {what}, more than {MAX_PARTS}")
    return tuple(parts)
