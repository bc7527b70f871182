"""NIR, the exchange format of neuromorphic tools, in and out (https://neuroir.org, package `nir`).

What both have is written as NIR defines it: convolutions, linear layers, sum pooling, IF and LIF neurons, I and LI
for populations that only accumulate. A weight w is a jump of the membrane: R = 1 in IF, R = τ in LIF.
NIR's neurons are reset to a potential ("hard"), have no lower clip and start at 0; the soft reset, v_min and v0 are
*extensions*, written as metadata that only this library reads, and only where the caller asks for them.
NIR fires above the threshold, this library at it: they differ where a membrane meets it exactly.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping
from heapq import heappop, heappush
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snn.errors import DataError, UserError
from snn.events import _hdf5
from snn.events.network import (
    INPUT,
    MAX_PARTS,
    EventNetwork,
    Population,
    Shape,
    Synapse,
    real_number,
    short,
    whole_number,
)

if TYPE_CHECKING:
    import nir

KEY = "snn_events"  # of the graph's metadata


def to_nir(network: EventNetwork, path: str | Path | None = None, extensions: bool = False) -> nir.NIRGraph:
    """The network as a NIR graph, also written to `path` if one is given.

    extensions: write v_min, v0, the soft reset, classes and meta as metadata. Without, a network that has a lower clip,
    an initial potential or a soft reset is refused: another tool would run something else.
    Raises `UserError`, naming the population or synapse that NIR cannot express.
    """
    import nir

    nodes: dict[str, Any] = {INPUT: nir.Input({"input": np.array(network.input_shape)})}
    edges: list[tuple[str, str]] = []
    flat = {p.name: _is_flat(network, p) for p in network.populations}
    for population in network.populations:
        _refuse_population(population, extensions)
        shape = (population.size,) if flat[population.name] else population.shape
        nodes[population.name] = _neurons(nir, population, shape)
    for i, synapse in enumerate(network.synapses):
        steps = _steps(nir, network, synapse, flat)
        names = [f"{synapse.target}.{i}.{type(step).__name__.lower()}" for step in steps]
        nodes |= dict(zip(names, steps, strict=True))
        edges += pairwise([synapse.source, *names, synapse.target])
    end = "output"
    while end in nodes:
        end += "_"
    output = network.population(network.output)
    nodes[end] = nir.Output({"output": np.array((output.size,) if flat[output.name] else output.shape)})
    edges.append((network.output, end))
    extra = {
        "populations": {p.name: {"v_min": p.v_min, "reset": p.reset, "v0": p.v0} for p in network.populations},
        "classes": network.classes,
        "meta": network.meta,
    }
    graph = nir.NIRGraph(nodes, edges, metadata={KEY: json.dumps(extra)} if extensions else {})
    if path is not None:
        nir.write(path, graph)
    return graph


def from_nir(
    source: nir.NIRGraph | str | Path,
    reset: str = "hard",
    v_min: float | None = None,
    dt: float | None = None,
    step_us: float | None = None,
) -> EventNetwork:
    """A network from a NIR graph or file, ours or another tool's.

    reset, v_min: for graphs without our metadata; NIR itself means "hard" and no clip, but tools whose neurons
    subtract the threshold write the same nodes: pass reset="soft" for those.
    dt, step_us: for leaky neurons of tools that compute in time steps: the seconds that the tool took a step for when
    it wrote the file (snnTorch: 1e-4), and what a step of the training is in the recordings, in microseconds (default:
    dt). An input then is a current that lasts one step, and a membrane is multiplied by 1 − dt/τ in each. Without dt,
    as NIR defines it, an input is an impulse and a membrane decays by exp(−t/τ).
    Average pooling is folded into the weights that follow it. Raises `DataError`, naming the file and the node that
    cannot be run event by event (biases, dilation, currents with a time constant, recurrence, thresholds that differ).
    """
    import nir

    where = "the NIR graph"
    if not isinstance(source, nir.NIRGraph):
        where = str(source)
        source = _read(nir, Path(source))
    try:
        return _Reader(nir, source, reset, v_min, dt, step_us).network()
    except UserError as error:
        raise DataError(f"{where}: {error}") from None


def _read(nir: Any, path: Path) -> nir.NIRGraph:
    """The graph of a file, which may be damaged or hostile."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    reason = _hdf5.fault(path)
    if reason is None:
        try:
            with warnings.catch_warnings(action="ignore"):
                return nir.read(path)
        except Exception as error:  # nir does not check what it reads: any exception means that it cannot
            reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    raise DataError(f"{path}: not a NIR graph, or a damaged one ({reason}); export it again")


def _is_flat(network: EventNetwork, population: Population) -> bool:
    """Whether linear synapses lead here: NIR then has the shape (K,)."""
    linear = {s.kind == "linear" for s in network.synapses if s.target == population.name}
    if linear == {True, False} or (True in linear and population.shape[1:] != (1, 1)):
        raise UserError(f"population {population.name!r}: NIR cannot give a linear layer the shape {population.shape}")
    return linear == {True}


def _refuse_population(population: Population, extensions: bool) -> None:
    name = population.name
    if "/" in name:
        raise UserError(f"population {name!r}: NIR node names hold no '/'")
    if not extensions:
        for what, differs in (
            ("soft reset", population.spiking and population.reset == "soft"),
            ("lower clip", population.v_min is not None),
            ("initial potential", population.v0 != 0),
        ):
            if differs:
                raise UserError(
                    f"population {name!r}: NIR has no {what}; extensions=True writes it as metadata, which only "
                    "snn.events reads"
                )


def _neurons(nir: Any, population: Population, shape: tuple[int, ...]) -> nir.NIRNode:
    one, zero = np.ones(shape, np.float32), np.zeros(shape, np.float32)
    threshold = one * np.float32(population.threshold)
    if population.tau_us is None:
        return nir.IF(r=one, v_threshold=threshold, v_reset=zero) if population.spiking else nir.I(r=one)
    tau = np.ones(shape) * population.tau_us * 1e-6  # seconds; R = τ makes w a jump of w
    if population.spiking:
        return nir.LIF(tau=tau, r=tau, v_leak=zero, v_threshold=threshold, v_reset=zero)
    return nir.LI(tau=tau, r=tau, v_leak=zero)


def _steps(nir: Any, network: EventNetwork, synapse: Synapse, flat: dict[str, bool]) -> list:
    where = f"synapse {synapse.source} → {synapse.target}"
    c, h, w = network.shape_of(synapse.source)
    h, w = h // synapse.pool, w // synapse.pool
    from_flat = flat.get(synapse.source, False)
    steps = []
    if synapse.pool > 1:
        pool = np.array([synapse.pool, synapse.pool])
        steps.append(nir.SumPool2d(kernel_size=pool, stride=pool, padding=np.zeros(2, np.int64)))
    if synapse.kind == "linear":
        if not from_flat:
            steps.append(nir.Flatten({"input": np.array([c, h, w])}, start_dim=0, end_dim=-1))
        return [*steps, nir.Linear(synapse.weight)]
    if from_flat != flat[synapse.target]:
        raise UserError(f"{where}: NIR cannot turn the flat layer {synapse.source!r} into a map")
    if synapse.kind == "identity":
        shape = (c,) if from_flat else (c, h, w)
        return [*steps, nir.Scale(np.full(shape, synapse.scale, np.float32))]
    if synapse.groups > 1:
        raise UserError(f"{where}: package nir does not read grouped convolutions back")
    if synapse.values.shape[2] != synapse.values.shape[3]:
        raise UserError(f"{where}: package nir does not read kernels back that are not square")
    bias = np.zeros(len(synapse.values), np.float32)
    padding = (synapse.padding, synapse.padding)
    return [*steps, nir.Conv2d((h, w), synapse.values, synapse.stride, padding, 1, 1, bias)]


class _Reader:
    """Walks back from each neuron node to the neurons (or input) before it.

    A graph may come from anywhere: its attributes are taken through `_uniform`, `_whole` and `_weight`, which check.
    """

    def __init__(
        self,
        nir: Any,
        graph: nir.NIRGraph,
        reset: str,
        v_min: float | None,
        dt: float | None = None,
        step_us: float | None = None,
    ) -> None:
        self.nir, self.nodes, self.edges = nir, graph.nodes, list(graph.edges)
        if len(self.nodes) > MAX_PARTS or len(self.edges) > MAX_PARTS:
            raise UserError(f"more than {MAX_PARTS} nodes or edges")
        self.neurons = (nir.IF, nir.LIF, nir.I, nir.LI)
        self.sources: dict[str, list[str]] = {name: [] for name in self.nodes}
        for a, b in self.edges:
            if a not in self.nodes or b not in self.nodes:
                raise UserError(f"an edge leads from {short(a)} to {short(b)}; there is no such node")
            self.sources[b].append(a)
        self.extra = _metadata(graph)
        self.reset, self.v_min = reset, v_min
        self.dt = None if dt is None else real_number(dt, "dt")
        self.step_us = real_number(step_us, "step_us") if step_us is not None else (self.dt or 0.0) * 1e6
        if self.dt is not None and not (self.dt > 0 and self.step_us > 0):
            raise UserError(f"dt and step_us must be positive, not {dt} s and {step_us} µs")

    def network(self) -> EventNetwork:
        nir = self.nir
        start, end = (self._only(kind) for kind in (nir.Input, nir.Output))
        before_end = self._before(end)
        accumulates = not isinstance(self.nodes[before_end], self.neurons)  # weights, then the output: a readout
        output = end if accumulates else before_end
        shapes: dict[str, Shape] = {start: self._map(self.nodes[start].input_type["input"], start)}
        populations: list[Population] = []
        synapses: dict[int, Synapse] = {}  # by the number of the edge that leads to the population
        for name, chains in self._in_order(start, [end] * accumulates):
            constants, gain = self._constants(name)
            made = [self._synapse(chain, name, shapes, start, gain) for chain in chains]
            if len({shape for _, shape in made}) != 1:
                raise UserError(f"node {name!r}: its inputs have different shapes")
            shapes[name] = made[0][1]
            populations.append(Population(name=name, shape=shapes[name], **constants))
            for chain, (synapse, _) in zip(chains, made, strict=True):
                synapses[self.edges.index((chain[-1], name))] = synapse
        return EventNetwork(
            input_shape=shapes[start],
            populations=populations,
            synapses=[synapses[edge] for edge in sorted(synapses)],
            classes=self.extra["classes"],
            output=output,
            meta=self.extra["meta"] or {},
        )

    def _in_order(self, start: str, readout: list[str]) -> Iterator[tuple[str, list[list[str]]]]:
        """The populations and the chains that lead to each, every one after its sources; where several are possible,
        in the order of the metadata, then by name."""
        names = [n for n in self.nodes if isinstance(self.nodes[n], self.neurons)] + readout
        order = {name: i for i, name in enumerate(self.extra["populations"])}
        rank = {n: i for i, n in enumerate(sorted(names, key=lambda n: (order.get(n, len(order)), n)))}
        chains = {name: self._chains(name) for name in names}
        waits_for = {name: {chain[0] for chain in chains[name]} - {start} for name in names}
        followers: dict[str, list[str]] = {name: [] for name in names}
        ready: list[tuple[int, str]] = []
        for name in names:
            for source in waits_for[name]:
                followers[source].append(name)
            if not waits_for[name]:
                heappush(ready, (rank[name], name))
        done = 0
        while ready:
            _, name = heappop(ready)
            done += 1
            yield name, chains[name]
            for follower in followers[name]:
                waits_for[follower].discard(name)
                if not waits_for[follower]:
                    heappush(ready, (rank[follower], follower))
        if done < len(names):
            name = min((n for n in names if waits_for[n]), key=rank.__getitem__)
            raise UserError(f"node {name!r}: recurrent, or cut off from the input; it cannot be run")

    def _only(self, kind: type) -> str:
        names = [n for n, node in self.nodes.items() if isinstance(node, kind)]
        if len(names) != 1:
            raise UserError(f"{len(names)} {kind.__name__} nodes; exactly one is needed")
        return names[0]

    def _before(self, name: str) -> str:
        if len(self.sources[name]) != 1:
            raise UserError(f"node {name!r}: {len(self.sources[name])} inputs, where only neurons may have several")
        return self.sources[name][0]

    def _chains(self, name: str) -> list[list[str]]:
        """One list of nodes for each edge into `name`: the source first, then what lies between."""
        chains = []
        for source in self.sources[name]:
            chain = [source]
            while not isinstance(self.nodes[chain[-1]], (*self.neurons, self.nir.Input)):
                chain.append(self._before(chain[-1]))
                if len(chain) > len(self.nodes):
                    raise UserError(f"node {name!r}: its inputs run in a circle without a neuron")
            chains.append(chain[::-1])
        if not chains:
            raise UserError(f"node {name!r}: nothing leads to it")
        return chains

    def _constants(self, name: str) -> tuple[dict[str, Any], float]:
        """Constants of a population, and R as a factor on its weights."""
        nir, node = self.nir, self.nodes[name]
        extra = self.extra["populations"].get(name, {})
        if isinstance(node, nir.Output):
            return {"spiking": False}, 1.0
        if isinstance(node, nir.LIF) and np.isinf(node.tau).all() and np.isinf(node.r).all():
            node = nir.IF(np.ones_like(node.r), node.v_threshold, node.v_reset)  # snnTorch's neurons without a leak
        gain = self._uniform(node.r, name, "r")
        constants: dict[str, Any] = {"spiking": isinstance(node, (nir.IF, nir.LIF)), "v0": extra.get("v0", 0.0)}
        if isinstance(node, (nir.LIF, nir.LI)):
            tau = self._uniform(node.tau, name, "tau")
            if tau <= 0:
                raise UserError(f"node {name!r}: tau must be positive, not {tau}")
            if self._uniform(node.v_leak, name, "v_leak") != 0:
                raise UserError(f"node {name!r}: v_leak is not 0, the state at rest")
            gain, constants["tau_us"] = self._leak(gain, tau, name)
        if constants["spiking"]:
            if self._uniform(node.v_reset, name, "v_reset") != 0:
                raise UserError(f"node {name!r}: v_reset is not 0, the state at rest")
            constants["threshold"] = self._uniform(node.v_threshold, name, "v_threshold")
            constants["v_min"] = extra.get("v_min", self.v_min)
            constants["reset"] = extra.get("reset", self.reset)
        return constants, gain

    def _leak(self, gain: float, tau: float, name: str) -> tuple[float, float]:
        """(jump of the membrane for a weight of 1, time constant in µs) of a leaky node with R = gain."""
        if self.dt is None:
            return gain / tau, round(tau * 1e6, 6)
        if self.dt >= tau:
            raise UserError(f"node {name!r}: tau is {tau} s, not longer than a time step of {self.dt} s")
        return gain * self.dt / tau, -self.step_us / math.log1p(-self.dt / tau)

    def _synapse(
        self, chain: list[str], target: str, shapes: dict[str, Shape], start: str, gain: float
    ) -> tuple[Synapse, Shape]:
        """What lies between two populations, as one synapse, and the shape that it makes."""
        nir, shape = self.nir, shapes[chain[0]]
        pool, scale, weight = 1, gain, None
        kind, how = "identity", {}
        for name in chain[1:]:
            node = self.nodes[name]
            what = type(node).__name__
            if weight is not None and not isinstance(node, nir.Scale):
                raise UserError(f"node {name!r}: {what} after weights, with no neurons between")
            if isinstance(node, (nir.SumPool2d, nir.AvgPool2d)):
                k = self._whole(node.kernel_size, name, "kernel_size", 1)
                if self._uniform(node.stride, name, "stride") != k or self._uniform(node.padding, name, "padding"):
                    raise UserError(f"node {name!r}: pooling windows must lie side by side, without padding")
                pool, shape = pool * k, (shape[0], shape[1] // k, shape[2] // k)
                scale = scale / k**2 if isinstance(node, nir.AvgPool2d) else scale
            elif isinstance(node, nir.Scale):
                scale *= self._uniform(node.scale, name, "scale")
            elif isinstance(node, nir.Flatten):
                ends = (self._uniform(n, name, "dimensions") for n in (node.start_dim, node.end_dim))
                if next(ends) not in (0, 1) or next(ends) not in (-1, 2, 3):
                    raise UserError(f"node {name!r}: only a flattening of everything can be run")
            elif isinstance(node, (nir.Linear, nir.Affine)):
                kind, weight = "linear", self._weight(node, name, 2)
                shape = (weight.shape[0], 1, 1)
            elif isinstance(node, nir.Conv2d):
                kind, weight, how = "conv", self._weight(node, name, 4), self._conv(node, name)
                height, width = (
                    (n + 2 * how["padding"] - k) // how["stride"] + 1
                    for n, k in zip(shape[1:], weight.shape[2:], strict=True)
                )
                shape = (weight.shape[0], height, width)
            else:
                raise UserError(f"node {name!r}: {what} cannot be run event by event")
        source = INPUT if chain[0] == start else chain[0]
        if weight is None:
            return Synapse(source, target, kind, pool=pool, scale=scale), shape
        if scale != 1:
            weight = weight * np.float32(scale)
        return Synapse(source, target, kind, weight, pool=pool, **how), shape

    def _conv(self, node: Any, name: str) -> dict[str, int]:
        if self._uniform(node.dilation, name, "dilation") != 1:
            raise UserError(f"node {name!r}: dilation is not 1")
        padding = node.padding
        if isinstance(padding, str | bytes):
            k = self._uniform(node.weight.shape[2:], name, "kernel")
            padding = 0.0 if padding in ("valid", b"valid") else (k - 1) / 2
            if not padding.is_integer():
                raise UserError(f"node {name!r}: padding 'same' of an even kernel is not symmetric")
        return {
            "stride": self._whole(node.stride, name, "stride", 1),
            "padding": self._whole(padding, name, "padding", 0),
            "groups": self._whole(node.groups, name, "groups", 1),
        }

    def _weight(self, node: Any, name: str, rank: int) -> np.ndarray:
        """float32; also refuses a bias."""
        bias, weight = np.asarray(getattr(node, "bias", 0)), np.asarray(node.weight)
        if bias.dtype.kind not in "biuf" or bias.any():
            raise UserError(f"node {name!r}: has a bias; an event-driven network has no time step that could add it")
        if weight.dtype.kind not in "biuf" or weight.ndim != rank or not weight.size:
            raise UserError(f"node {name!r}: its weight must be {rank}-dimensional numbers")
        with np.errstate(over="ignore"):
            return weight.astype(np.float32)

    def _whole(self, values: Any, name: str, what: str, least: int) -> int:
        return whole_number(self._uniform(values, name, what), f"node {name!r}: {what}", least)

    @staticmethod
    def _uniform(values: Any, name: str, what: str) -> float:
        """The one number that all of them are."""
        array = np.asarray(values)
        if array.dtype.kind not in "iuf" or not array.size:
            raise UserError(f"node {name!r}: {what} must be numbers, not {short(values)}")
        if (array != array.flat[0]).any():
            raise UserError(f"node {name!r}: {what} differs between neurons or axes; one value is needed")
        return real_number(array.flat[0], f"node {name!r}: {what}")

    @staticmethod
    def _map(shape: Any, name: str) -> Shape:
        sizes = np.ravel(shape).tolist()
        if len(sizes) not in (1, 3):
            raise UserError(f"node {name!r}: shape {short(sizes)}; (C, H, W) or (K,) is needed")
        c, h, w = (whole_number(n, f"node {name!r}: shape (C, H, W): each", 1) for n in (*sizes, 1, 1)[:3])
        return c, h, w


def _metadata(graph: nir.NIRGraph) -> dict[str, Any]:
    """What `to_nir` wrote with extensions=True, its types checked; its values are by `EventNetwork`."""
    extra: Any = {}
    stored = graph.metadata.get(KEY) if isinstance(graph.metadata, Mapping) else None
    if stored is not None:
        try:
            extra = json.loads(stored)
        except (TypeError, ValueError, RecursionError):
            raise UserError(f"its metadata {KEY!r} is not JSON") from None
    if not isinstance(extra, dict):
        raise UserError(f"its metadata {KEY!r} is not a mapping")
    extra = {"populations": {}, "classes": None, "meta": None} | extra
    populations = extra["populations"]
    if not isinstance(populations, dict) or not all(isinstance(p, dict) for p in populations.values()):
        raise UserError(f"its metadata {KEY!r} holds no mapping of populations")
    return extra
