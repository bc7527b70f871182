"""NIR, the exchange format of neuromorphic tools, in and out (https://neuroir.org, package `nir`).

What the two have in common is written as NIR means it: convolutions, linear layers, sum pooling, IF and LIF neurons,
I and LI for populations that only accumulate. A weight w is a jump of the membrane: R = 1 in IF, R = τ in LIF.
NIR's neurons are reset to a potential ("hard") and have no lower clip; the soft reset and v_min are *extensions*,
written as metadata that only this library reads, and only where the caller asks for them.
NIR fires above the threshold, this library at it: they differ where a membrane meets it exactly.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snn.errors import DataError, UserError
from snn.events.network import INPUT, EventNetwork, Population, Synapse

if TYPE_CHECKING:
    import nir

KEY = "snn_events"  # of the graph's metadata


def to_nir(network: EventNetwork, path: str | Path | None = None, extensions: bool = False) -> nir.NIRGraph:
    """The network as a NIR graph, also written to `path` if one is given.

    extensions: write v_min, the soft reset, classes and meta as metadata. Without, a network that has a lower clip or
    a soft reset is refused: another tool would run something else.
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
        "populations": {p.name: {"v_min": p.v_min, "reset": p.reset} for p in network.populations},
        "classes": network.classes,
        "meta": network.meta,
    }
    graph = nir.NIRGraph(nodes, edges, metadata={KEY: json.dumps(extra)} if extensions else {})
    if path is not None:
        nir.write(path, graph)
    return graph


def from_nir(source: nir.NIRGraph | str | Path, reset: str = "hard", v_min: float | None = None) -> EventNetwork:
    """A network from a NIR graph or file, ours or another tool's.

    reset, v_min: for graphs without our metadata; NIR itself means "hard" and no clip, but tools whose neurons
    subtract the threshold write the same nodes: say reset="soft" for theirs.
    Average pooling is folded into the weights that follow it. Raises `DataError`, naming the node that cannot be
    run event by event (biases, dilation, currents with a time constant, recurrence, thresholds that differ).
    """
    import nir

    where = "the NIR graph"
    if not isinstance(source, nir.NIRGraph):
        where = str(source)
        try:
            source = nir.read(source)
        except FileNotFoundError:
            raise DataError(f"{where}: no such file") from None
        except (OSError, KeyError, ValueError, AssertionError) as error:
            raise DataError(f"{where}: not a NIR graph that package nir can read: {error}") from None
    try:
        return _Reader(nir, source, reset, v_min).network()
    except UserError as error:
        raise DataError(f"{where}: {error}") from None


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
    if population.spiking and not extensions:
        for what, differs in (("soft reset", population.reset == "soft"), ("lower clip", population.v_min is not None)):
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
    if synapse.weight.shape[2] != synapse.weight.shape[3]:
        raise UserError(f"{where}: package nir does not read kernels back that are not square")
    bias = np.zeros(len(synapse.weight), np.float32)
    padding = (synapse.padding, synapse.padding)
    return [*steps, nir.Conv2d((h, w), synapse.weight, synapse.stride, padding, 1, 1, bias)]


class _Reader:
    """Walks back from each neuron node to the neurons (or input) before it."""

    def __init__(self, nir: Any, graph: nir.NIRGraph, reset: str, v_min: float | None) -> None:
        self.nir, self.nodes, self.edges = nir, graph.nodes, graph.edges
        self.neurons = (nir.IF, nir.LIF, nir.I, nir.LI)
        extra = graph.metadata.get(KEY)
        self.extra = json.loads(extra.decode() if isinstance(extra, bytes) else extra) if extra is not None else {}
        self.reset, self.v_min = reset, v_min

    def network(self) -> EventNetwork:
        nir = self.nir
        start, end = (self._only(kind) for kind in (nir.Input, nir.Output))
        before_end = self._before(end)
        accumulates = not isinstance(self.nodes[before_end], self.neurons)  # weights, then the output: a readout
        output = end if accumulates else before_end
        shapes = {start: self._map(np.ravel(self.nodes[start].input_type["input"]), start)}
        waiting = [n for n in self.nodes if isinstance(self.nodes[n], self.neurons)] + [end] * accumulates
        known = list(self.extra.get("populations", {}))
        waiting.sort(key=lambda n: (known.index(n) if n in known else len(known), n))
        populations, synapses = [], []
        while waiting:
            ready = [n for n in waiting if all(chain[0] in shapes for chain in self._chains(n))]
            if not ready:
                raise UserError(f"node {waiting[0]!r}: recurrent, or cut off from the input; it cannot be run")
            name = ready[0]
            waiting.remove(name)
            node = self.nodes[name]
            population, gain = self._population(name, node)
            chains = self._chains(name)
            made = [self._synapse(chain, name, shapes, start, gain) for chain in chains]
            if len({shape for _, shape in made}) != 1:
                raise UserError(f"node {name!r}: its inputs have different shapes")
            shapes[name] = made[0][1]
            populations.append(Population(name=name, shape=shapes[name], **population))
            synapses += [
                (self._edge(chain, name), synapse) for chain, (synapse, _) in zip(self._chains(name), made, strict=True)
            ]
        synapses = [s for _, s in sorted(synapses, key=lambda pair: pair[0])]
        return EventNetwork(
            shapes[start], populations, synapses, self.extra.get("classes"), output, self.extra.get("meta")
        )

    def _only(self, kind: type) -> str:
        found = [n for n, node in self.nodes.items() if isinstance(node, kind)]
        if len(found) != 1:
            raise UserError(f"{len(found)} {kind.__name__} nodes; exactly one is needed")
        return found[0]

    def _before(self, name: str) -> str:
        found = [a for a, b in self.edges if b == name]
        if len(found) != 1:
            raise UserError(f"node {name!r}: {len(found)} inputs, where only neurons may have more than one")
        return found[0]

    def _chains(self, name: str) -> list[list[str]]:
        """One list of nodes for each edge into `name`: the source first, then what lies between."""
        chains = []
        for a, b in self.edges:
            if b == name:
                chain = [a]
                while not isinstance(self.nodes[chain[0]], (*self.neurons, self.nir.Input)):
                    chain.insert(0, self._before(chain[0]))
                    if len(chain) > len(self.nodes):
                        raise UserError(f"node {name!r}: its inputs run in a circle without a neuron")
                chains.append(chain)
        if not chains:
            raise UserError(f"node {name!r}: nothing leads to it")
        return chains

    def _edge(self, chain: list[str], name: str) -> int:
        return list(self.edges).index((chain[-1], name))

    def _population(self, name: str, node: Any) -> tuple[dict[str, Any], float]:
        """Constants of the neurons, and R as a factor on their weights."""
        nir, extra = self.nir, self.extra.get("populations", {}).get(name, {})
        if isinstance(node, nir.Output):
            return {"spiking": False}, 1.0
        gain = self._uniform(node.r, name, "r")
        constants: dict[str, Any] = {"spiking": isinstance(node, (nir.IF, nir.LIF))}
        if isinstance(node, (nir.LIF, nir.LI)):
            tau = self._uniform(node.tau, name, "tau")
            if self._uniform(node.v_leak, name, "v_leak") != 0:
                raise UserError(f"node {name!r}: v_leak is not 0, the state at rest")
            gain /= tau
            constants["tau_us"] = round(tau * 1e6, 6)
        if constants["spiking"]:
            if self._uniform(node.v_reset, name, "v_reset") != 0:
                raise UserError(f"node {name!r}: v_reset is not 0, the state at rest")
            constants["threshold"] = self._uniform(node.v_threshold, name, "v_threshold")
            constants["v_min"] = extra.get("v_min", self.v_min)
            constants["reset"] = extra.get("reset", self.reset)
        return constants, gain

    def _synapse(
        self, chain: list[str], target: str, shapes: dict, start: str, gain: float
    ) -> tuple[Synapse, tuple[int, int, int]]:
        """What lies between two populations, as one synapse, and the shape that it makes."""
        nir, shape = self.nir, shapes[chain[0]]
        pool, scale, weight, how = 1, gain, None, {}
        for name in chain[1:]:
            node = self.nodes[name]
            kind = type(node).__name__
            if weight is not None and not isinstance(node, nir.Scale):
                raise UserError(f"node {name!r}: {kind} after weights, with no neurons between")
            if isinstance(node, (nir.SumPool2d, nir.AvgPool2d)):
                k = self._uniform(node.kernel_size, name, "kernel_size")
                if self._uniform(node.stride, name, "stride") != k or self._uniform(node.padding, name, "padding"):
                    raise UserError(f"node {name!r}: pooling windows must lie side by side, without padding")
                pool, shape = pool * int(k), (shape[0], shape[1] // int(k), shape[2] // int(k))
                scale = scale / k**2 if isinstance(node, nir.AvgPool2d) else scale
            elif isinstance(node, nir.Scale):
                scale *= self._uniform(node.scale, name, "scale")
            elif isinstance(node, nir.Flatten):
                if node.start_dim not in (0, 1) or node.end_dim not in (-1, 2, 3):
                    raise UserError(f"node {name!r}: only a flattening of everything can be run")
            elif isinstance(node, (nir.Linear, nir.Affine)):
                weight, how = np.asarray(node.weight, np.float32), {"kind": "linear"}
                self._no_bias(node, name)
                shape = (weight.shape[0], 1, 1)
            elif isinstance(node, nir.Conv2d):
                weight, how = np.asarray(node.weight, np.float32), self._conv(node, name)
                sizes = [
                    (n + 2 * how["padding"] - k) // how["stride"] + 1
                    for n, k in zip(shape[1:], weight.shape[2:], strict=True)
                ]
                shape = (weight.shape[0], *sizes)
            else:
                raise UserError(f"node {name!r}: {kind} cannot be run event by event")
        source = INPUT if chain[0] == start else chain[0]
        if weight is None:
            return Synapse(source, target, "identity", pool=pool, scale=scale), shape
        if scale != 1:
            weight = weight * np.float32(scale)
        return Synapse(source, target, weight=weight, pool=pool, **how), shape

    def _conv(self, node: Any, name: str) -> dict[str, Any]:
        self._no_bias(node, name)
        if self._uniform(node.dilation, name, "dilation") != 1:
            raise UserError(f"node {name!r}: dilation is not 1")
        stride, padding = self._uniform(node.stride, name, "stride"), node.padding
        if isinstance(padding, (str, bytes)):
            k = self._uniform(node.weight.shape[2:], name, "kernel")
            padding = 0 if padding in ("valid", b"valid") else (k - 1) / 2
            if padding != int(padding):
                raise UserError(f"node {name!r}: padding 'same' of an even kernel is not symmetric")
        padding = self._uniform(padding, name, "padding")
        return {"kind": "conv", "stride": int(stride), "padding": int(padding), "groups": int(node.groups)}

    def _no_bias(self, node: Any, name: str) -> None:
        if np.any(getattr(node, "bias", 0)):
            raise UserError(f"node {name!r}: has a bias; an event-driven network has no clock that could add it")

    @staticmethod
    def _uniform(values: Any, name: str, what: str) -> float:
        values = np.unique(np.asarray(values))
        if len(values) != 1:
            raise UserError(f"node {name!r}: {what} differs between neurons or axes; one value is needed")
        return float(values[0])

    @staticmethod
    def _map(shape: np.ndarray, name: str) -> tuple[int, int, int]:
        if len(shape) not in (1, 3):
            raise UserError(f"node {name!r}: shape {tuple(shape)}; (C, H, W) or (K,) is needed")
        return tuple(int(n) for n in (*shape, 1, 1)[:3])
