"""The event-driven form of networks: the same spikes as the trained modules, or a refusal by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_networks import IAF, SHAPE, build, narrow
from torch import nn

from snn.errors import ConfigError
from snn.events import Engine
from snn.kernels.pooling import avg_pool2d
from snn.models.export import export
from snn.models.norm import ScaleNorm
from snn.models.normalisation import Normalisation
from snn.models.stages import ConvStage, DenseStage, Network, Readout, ResidualStage, Stage, blocks, output_shape
from snn.neurons import NeuronSpec, make_neuron


def exact(network):
    """Weights in multiples of 1/64: exact in float32 whatever the order of the sum, and dead nowhere."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.weight.copy_((module.weight * 192).round().clamp(-60, 60) / 64)
            if isinstance(module, ScaleNorm):
                module.eps = 0.0
                module.weight.fill_(2.0)
                module.running_power.fill_(4.0)
    return network.eval()


def branches(network):
    """population -> [(source, what the trained modules make of a frame of the source)], in the order of export."""
    made, source, pool = {}, "input", 1

    def through(k, *modules):
        def f(x):
            x = avg_pool2d(x, k)
            for m in modules:
                x = m(x)
            return x

        return f

    for name, block in blocks(network):
        if hasattr(block, "conv"):
            made[name] = [(source, through(pool, block.conv, block.norm))]
            source, pool = name, block.pool
        elif hasattr(block, "linear"):

            def dense(x, k=pool, block=block):
                return block.norm(block.linear(avg_pool2d(x, k).flatten(1))[..., None, None])

            made[name] = [(source, dense)]
            source, pool = name, 1
        else:
            inner, outer = name + ".neuron1", name + ".neuron2"
            made[inner] = [(source, through(pool, block.conv1, block.norm1))]
            short = through(pool) if block.shortcut is None else through(pool, block.shortcut, block.shortcut_norm)
            made[outer] = [(inner, through(1, block.conv2, block.norm2)), (source, short)]
            source, pool = outer, 1
    k = pool * network.readout.pool
    made["readout"] = [(source, lambda x: network.readout.linear(avg_pool2d(x, k).flatten(1))[..., None, None])]
    return made


def composed():
    """A network of every kind of block, small enough to stay between silence and an avalanche."""

    def conv(i, o, stride, pool):
        return ConvStage(nn.Conv2d(i, o, 3, stride, 1, bias=False), ScaleNorm(o), lambda: make_neuron(IAF), pool)

    torch.manual_seed(0)
    block = ResidualStage(8, 8, 1, Normalisation("scale", 1.0, nn.ReLU), lambda: make_neuron(IAF))
    dense = DenseStage(nn.Linear(8 * 4 * 4, 24, bias=False), ScaleNorm(24), lambda: make_neuron(IAF))
    stages = [Stage(conv(2, 8, 1, 2), conv(8, 8, 2, 2), block), dense]
    assert output_shape(stages[:1], SHAPE) == (8, 4, 4)
    return Network(stages, Readout(24, 10, make_neuron(IAF)))


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("3c1fc", {}),
        ("3c1fc", {"norm": "scale"}),
        ("3c1fc", {"readout": "membrane"}),
        ("resnet8", {}),
        ("resnet14", {}),
        ("composed", {}),
    ],
)
def test_one_event_a_step_gives_the_same_spikes_clock_driven_and_event_driven(name, params):
    """Each population fires as it does on the engine when the trained modules drive it, one event at each time step
    (normalisation not folded, pooling and flattening by torch)."""
    network = exact(composed() if name == "composed" else build(name, params))
    rng = np.random.default_rng(1)
    n = 400
    t, x, y, p = np.arange(n) * 10, rng.integers(8, 26, n), rng.integers(8, 26, n), rng.integers(0, 2, n)
    deployable = export(network, IAF, SHAPE, [str(i) for i in range(10)])
    result = Engine(deployable, "float", "breadth").run(t, x, y, p, trace=True)
    shapes = {"input": SHAPE} | {q.name: q.shape for q in deployable.populations}
    events = {"input": np.stack([np.arange(n), t, p, y, x], 1)}
    events |= {q.name: trace for q, trace in zip(deployable.populations, result.trace, strict=True)}
    alive = 0
    for target, incoming in branches(network).items():
        order, currents = [], []
        for rank, (source, f) in enumerate(incoming):
            e = events[source]
            frames = torch.zeros(len(e), *shapes[source])
            frames[np.arange(len(e)), e[:, 2], e[:, 3], e[:, 4]] = 1
            with torch.no_grad():
                currents.append(f(frames))
            order += [(root, rank, i) for i, root in enumerate(e[:, 0])]
        # Deliveries are merged by the input event that caused them; ties: order of the synapse groups, then emission.
        steps = torch.cat(currents)[torch.from_numpy(np.lexsort(np.array(order).T[::-1]))]
        population = deployable.population(target)
        if not population.spiking:
            # Each of n additions in float32 rounds by at most half a unit of the running sum.
            sums = steps.double().cumsum(0).flatten(1)
            bound = len(steps) * 2.0**-24 * sums.abs().max().item()
            assert np.abs(result.counts - sums[-1].numpy()).max() <= bound
            continue
        spikes = make_neuron(IAF)(steps.unsqueeze(1)).squeeze(1)
        step, c, h, w = torch.nonzero(spikes, as_tuple=True)
        root = np.array(sorted(order))[step.numpy(), 0]
        ours = np.stack([root, c.numpy(), h.numpy(), w.numpy()], 1)
        engines = events[target][:, [0, 2, 3, 4]]
        assert sorted(map(tuple, ours)) == sorted(map(tuple, engines)), target
        alive += len(engines)
    assert alive > 300, "the network is alive"


def test_what_cannot_be_deployed_is_refused_by_name():
    network = build("resnet8", {"norm": "batch"})
    with pytest.raises(ConfigError, match=r"stages\.0.*BatchNorm2d.*bias"):
        export(network, IAF, SHAPE, [str(i) for i in range(10)])
    for spec, key in (
        (NeuronSpec(reset="hard", v_reset=-0.1), "neuron.v_reset"),
        (NeuronSpec(decay=0.5), "neuron.decay"),
        (NeuronSpec(strict_threshold=True), "neuron.strict_threshold"),
    ):
        with pytest.raises(ConfigError, match=key):
            export(build("3c1fc", spec=spec), spec, SHAPE, [str(i) for i in range(10)])
    for params, words in (
        ({"pooling": "max", "norm": "none"}, r"stages\.0\.1: maximum pooling"),
        ({"bias": True, "norm": "none"}, r"stages\.0\.0.*bias"),
        ({"norm": "batch"}, r"stages\.0\.0.*BatchNorm2d"),
    ):
        with pytest.raises(ConfigError, match=words):
            export(build("vggsnn", narrow("vggsnn", **params)), IAF, SHAPE, [str(i) for i in range(10)])
    network = build("3c1fc")
    network.stages[1].conv.bias = nn.Parameter(torch.zeros(16))
    with pytest.raises(ConfigError, match=r"stages\.1.*bias"):
        export(network, IAF, SHAPE, [str(i) for i in range(10)])


def test_each_layers_learned_decay_becomes_its_time_constant():
    spec = NeuronSpec(decay=0.5, learned_decay=True, v_min=-1.0)
    network, decays = build("3c1fc", spec=spec), [0.5, 0.8, 0.25, 0.9]
    neurons = [*(stage.neuron for stage in network.stages), network.readout.neuron]
    for neuron, decay in zip(neurons, decays, strict=True):
        with torch.no_grad():
            neuron.w.fill_(np.log((1 - decay) / decay))
    populations = export(network, spec, SHAPE, [str(i) for i in range(10)], frame_us=30_000).populations
    assert [p.tau_us for p in populations] == pytest.approx([-30_000 / np.log(decay) for decay in decays], rel=1e-5)
    with pytest.raises(ConfigError, match=r"neuron\.decay"):
        export(network, spec, SHAPE, [str(i) for i in range(10)])


def test_a_leak_per_frame_becomes_a_time_constant():
    spec = NeuronSpec(decay=0.5, reset="hard", v_min=-1.0)
    populations = export(
        build("3c1fc", spec=spec), spec, SHAPE, [str(i) for i in range(10)], frame_us=30_000
    ).populations
    assert all(p.tau_us == pytest.approx(30_000 / np.log(2)) for p in populations)
    assert all(p.reset == "hard" for p in populations)
