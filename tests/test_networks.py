"""Networks, their evaluation, and their event-driven form."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from snn import models
from snn.errors import ConfigError
from snn.evaluate import NO_OUTPUT, decide, recalibrate
from snn.export import export, has_biases, without_biases
from snn.models._scale_norm import ScaleNorm
from snn.models._stages import weight_count
from snn.neurons import NeuronSpec, make_neuron
from snn.pooling import avg_pool2d

IAF = NeuronSpec(v_min=-1.0)
SHAPE = (2, 34, 34)


def build(name, params=None, spec=IAF, shape=SHAPE, relu=False):
    torch.manual_seed(0)
    return models.build(name, params or {}, shape, 10, nn.ReLU if relu else lambda: make_neuron(spec))


def test_the_reference_network_has_exactly_the_papers_weights():
    network = build("3c1fc")
    assert weight_count(network) == 144 + 1152 + 2304 + 2560 == 6160
    assert sum(p.numel() for p in network.parameters()) == 6160, "no bias, no normalisation"
    assert weight_count(build("3c1fc", {"norm": "scale"})) == 6160


@pytest.mark.parametrize("name", sorted(models.FAMILIES))
@pytest.mark.parametrize("shape", [(2, 34, 34), (3, 32, 32), (2, 48, 48)])
def test_every_network_runs_and_learns_at_every_input(name, shape):
    network = build(name, shape=shape)
    out = network(torch.rand(3, 2, *shape) * 3)
    assert out.shape == (3, 2, 10)
    out.sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_unknown_networks_and_parameters_name_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'resnet8'"):
        build("resnet7")
    with pytest.raises(ConfigError, match=r"networks\.resnet8\.wdths"):
        build("resnet8", {"wdths": [1, 2, 3]})


def test_every_call_starts_from_rest():
    network = build("resnet8").eval()
    x = torch.rand(4, 2, *SHAPE)
    assert torch.equal(network(x), network(x))


def test_stages_run_at_their_own_time_steps():
    network, collect = build("resnet8"), []
    network(torch.rand(6, 2, *SHAPE), steps=[6, 2, 5, 1], collect=collect)
    assert [s.shape[0] for s in collect] == [6, 2, 5, 1]


def test_scale_norm_normalises_power_and_folds():
    norm = ScaleNorm(3, gain=0.5).train()
    x = torch.randn(64, 3, 8, 8) * torch.tensor([0.1, 1.0, 5.0]).view(1, 3, 1, 1)
    y = norm(x)
    assert torch.allclose(y.square().mean((0, 2, 3)), torch.full((3,), 0.25), rtol=1e-2)
    assert torch.allclose(norm.running_power, x.square().mean((0, 2, 3))), "the first batch counts in full"
    norm.eval()
    assert torch.allclose(norm(x), x * norm.scale().view(1, -1, 1, 1))


@pytest.mark.parametrize("shape", [(6, 8, 5, 4), (3, 16, 7, 4), (2, 32, 17, 17), (4, 64, 1, 1)])
def test_scale_norms_kernels_equal_autograd(shape, monkeypatch):
    results = []
    for fast in (True, False):
        if not fast:
            monkeypatch.setattr("snn.models._scale_norm.fused", lambda x: False)
        torch.manual_seed(0)
        norm = ScaleNorm(shape[1], 0.7).train()
        x = torch.randn(shape).contiguous(memory_format=torch.channels_last).requires_grad_()
        y = norm(x)
        (y * torch.randn(shape)).sum().backward()
        results.append((y, x.grad, norm.weight.grad, norm.running_power))
    for a, b in zip(*results, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-5)


def test_recalibration_is_the_cumulative_mean_and_touches_nothing_else():
    network = build("resnet8", {"norm": "batch"}).eval()
    before = copy.deepcopy(network.state_dict())
    batches = [torch.rand(2, 4, *SHAPE) for _ in range(3)]
    recalibrate(network, iter(batches))
    conv, norm = network.stages[0].conv, network.stages[0].norm
    means = torch.stack([conv(b.flatten(0, 1)).mean((0, 2, 3)) for b in batches]).mean(0)
    assert torch.allclose(norm.running_mean, means, atol=1e-5)
    assert norm.momentum == 0.1
    assert not network.training
    after = network.state_dict()
    weights = {n for n, _ in network.named_parameters()}
    assert all(torch.equal(before[k], after[k]) for k in weights)


@pytest.mark.parametrize(
    ("spikes", "expected"),
    [
        ([[1, 0], [0, 1], [1, 0]], 0),  # most spikes
        ([[0, 1], [1, 0], [0, 0]], 1),  # a tie: class 1 reached its count first
        ([[0, 0], [1, 1], [0, 0]], 0),  # a tie at the same step: the lower index
        ([[0, 0], [0, 0], [0, 0]], NO_OUTPUT),
        ([[0, 2], [1, 0], [1, 0]], 1),
    ],
)
def test_ties_go_to_the_class_that_was_there_first(spikes, expected):
    assert decide(torch.tensor(spikes, dtype=torch.float32).unsqueeze(1), spiking=True).item() == expected


def test_a_membrane_readout_takes_the_largest_sum():
    outputs = torch.tensor([[[-1.0, -3.0]], [[-1.0, 0.5]]])
    assert decide(outputs, spiking=False).item() == 0


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

    for i, stage in enumerate(network.stages):
        name = f"stages.{i}"
        if hasattr(stage, "conv"):
            made[name] = [(source, through(pool, stage.conv, stage.norm))]
            source, pool = name, stage.pool
        else:
            inner, outer = name + ".neuron1", name + ".neuron2"
            made[inner] = [(source, through(pool, stage.conv1, stage.norm1))]
            short = through(pool) if stage.shortcut is None else through(pool, stage.shortcut, stage.shortcut_norm)
            made[outer] = [(inner, through(1, stage.conv2, stage.norm2)), (source, short)]
            source, pool = outer, 1
    k = pool * network.readout.pool
    made["readout"] = [(source, lambda x: network.readout.linear(avg_pool2d(x, k).flatten(1))[..., None, None])]
    return made


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("3c1fc", {}),
        ("3c1fc", {"norm": "scale"}),
        ("3c1fc", {"readout": "membrane"}),
        ("resnet8", {}),
        ("resnet14", {}),
    ],
)
def test_one_event_a_step_gives_the_same_spikes_with_and_without_a_clock(name, params):
    """Each population, driven with a clock by the trained modules one event a step (normalisation not folded, pooling
    and flattening by torch, branches added up by SpikingJelly's neuron), fires as it does on the engine."""
    network = exact(build(name, params))
    rng = np.random.default_rng(1)
    n = 400
    t, x, y, p = np.arange(n) * 10, rng.integers(8, 26, n), rng.integers(8, 26, n), rng.integers(0, 2, n)
    deployable = export(network, IAF, SHAPE, [str(i) for i in range(10)])
    result = deployable.engine("float", "breadth").run(t, x, y, p, trace=True)
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
        (NeuronSpec(strict=True), "neuron.strict"),
    ):
        with pytest.raises(ConfigError, match=key):
            export(build("3c1fc", spec=spec), spec, SHAPE, [str(i) for i in range(10)])
    network = build("3c1fc")
    network.stages[1].conv.bias = nn.Parameter(torch.zeros(16))
    with pytest.raises(ConfigError, match=r"stages\.1.*bias"):
        export(network, IAF, SHAPE, [str(i) for i in range(10)])


def test_a_leak_per_frame_becomes_a_time_constant():
    spec = NeuronSpec(decay=0.5, reset="hard", v_min=-1.0)
    populations = export(
        build("3c1fc", spec=spec), spec, SHAPE, [str(i) for i in range(10)], frame_us=30_000
    ).populations
    assert all(p.tau_us == pytest.approx(30_000 / np.log(2)) for p in populations)
    assert all(p.reset == "hard" for p in populations)


def test_the_bias_free_route_drops_shifts_and_keeps_scales():
    network = build("resnet8", {"norm": "batch"}).train()
    network(torch.rand(2, 4, *SHAPE))
    network.eval()
    plain = without_biases(network)
    assert has_biases(network)
    assert not has_biases(plain)
    stage, bare = network.stages[1], plain.stages[1]
    x = torch.rand(3, 8, 17, 17)
    with torch.no_grad():
        shift = stage.norm1(torch.zeros(1, 8, 1, 1))
        assert torch.allclose(bare.conv1(x), stage.norm1(stage.conv1(x)) - shift, atol=1e-4)
    export(plain, IAF, SHAPE, [str(i) for i in range(10)])


def test_a_relu_network_reads_out_the_current():
    assert build("3c1fc", relu=True).readout.neuron is None
    assert build("3c1fc").readout.spiking
