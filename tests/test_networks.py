"""Networks, their evaluation, and their event-driven form."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from snn import models
from snn.errors import ConfigError
from snn.events import Engine
from snn.kernels.pooling import avg_pool2d
from snn.models.export import export, has_biases, without_biases
from snn.models.norm import ScaleNorm
from snn.models.params import LargeParams
from snn.models.stages import (
    ConvStage,
    DenseStage,
    Network,
    PointwiseConv,
    Readout,
    ResidualStage,
    Stage,
    blocks,
    channels_last,
    fire,
    output_shape,
    over_time,
    weight_count,
)
from snn.neurons import NeuronSpec, make_neuron
from snn.training.evaluate import NO_OUTPUT, decide, recalibrate

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


# Synaptic weights of each layer by hand, for 3x32x32 inputs and 10 classes: c(i, o) a 3x3 convolution i -> o.
def c(i, o):
    return 9 * i * o


def block(i, o):
    """A residual block, with the 1x1 convolution of its shortcut where the width changes."""
    return c(i, o) + c(o, o) + (i * o if i != o else 0)


def resnet(widths, counts):
    return sum(
        block(a, b) + (n - 1) * block(b, b) for a, b, n in zip([widths[0], *widths], widths, counts, strict=False)
    )


BY_HAND = {
    # Stem 1,728; layers 147,456, 524,288, 2,097,152, 8,388,608; 5,120. With BatchNorm's 9,600 and
    # 10 biases the known 11.17 M.
    "resnet18": (c(3, 64) + resnet([64, 128, 256, 512], [2, 2, 2, 2]) + 512 * 10, 11_164_352, 11_173_962),
    # The known 21.28 M.
    "resnet34": (c(3, 64) + resnet([64, 128, 256, 512], [3, 4, 6, 3]) + 512 * 10, 21_265_088, 21_282_122),
    # Stem 3,456; layer1 884,736; layer2 3,276,800; layer3 8,388,608; 5,120. Tables of the field say 12.63 M, counting
    # with another readout that they do not describe: this one has 12.57 M with 10 and 12.62 M with 100 classes.
    "resnet19": (c(3, 128) + resnet([128, 256, 512], [3, 3, 2]) + 512 * 10, 12_558_720, 12_569_226),
    # ResNet-18 and two more convolutions of the stem, 2 * 36,864.
    "resnet20mod": (
        c(3, 64) + 2 * c(64, 64) + resnet([64, 128, 256, 512], [2, 2, 2, 2]) + 512 * 10, 11_238_080, 11_247_946,
    ),
    # The known VGG16 for CIFAR with one linear layer: 14,724,042 with BatchNorm and no biases of convolutions.
    "vgg14": (
        c(3, 64) + c(64, 64) + c(64, 128) + c(128, 128) + c(128, 256) + 2 * c(256, 256) + c(256, 512) + 5 * c(512, 512)
        + 512 * 10, 14_715_584, 14_724_042,
    ),
    # Convolutions 9,217,728, then 2048-512-512-10 with 1,048,576 + 262,144 + 5,120; 7,552 of BatchNorm, 10 biases.
    "vgg11": (
        c(3, 64) + c(64, 128) + c(128, 256) + c(256, 256) + c(256, 512) + 3 * c(512, 512)
        + 2048 * 512 + 512 * 512 + 512 * 10, 10_533_568, 10_541_130,
    ),
    "vgg16": (
        c(3, 64) + c(64, 64) + c(64, 128) + c(128, 128) + c(128, 256) + 2 * c(256, 256) + c(256, 512) + 5 * c(512, 512)
        + 2048 * 512 + 512 * 512 + 512 * 10, 16_026_304, 16_036_810,
    ),
}  # fmt: skip
LARGE = [*BY_HAND, "vggsnn"]


@pytest.mark.parametrize("name", BY_HAND)
def test_the_networks_of_the_literature_have_their_weights(name):
    by_hand, weights, parameters = BY_HAND[name]
    with torch.device("meta"):
        bare = build(name, {"norm": "none"}, shape=(3, 32, 32))
        full = build(name, {"bias": True}, shape=(3, 32, 32))
    assert by_hand == weights == weight_count(bare) == sum(p.numel() for p in bare.parameters())
    assert sum(p.numel() for p in full.parameters()) == parameters, "with BatchNorm and the readout's bias"


def test_vggsnn_without_biases_has_the_published_weights():
    """1,152 + 73,728 + 294,912 + 589,824 + 1,179,648 + 3 * 2,359,296 and 2048 x 10 behind a field of 2x2. That is the
    event-driven form, whose 128x128 pixels are pooled to 32x32; the clock-driven one has 48x48 and 4608 x 10."""
    count = c(2, 64) + c(64, 128) + c(128, 256) + c(256, 256) + c(256, 512) + 3 * c(512, 512)
    with torch.device("meta"):
        small, large = (build("vggsnn", {"norm": "none"}, shape=(2, n, n)) for n in (32, 48))
    assert weight_count(small) == sum(p.numel() for p in small.parameters()) == count + 2048 * 10 == 9_237_632
    assert weight_count(large) == count + 4608 * 10 == 9_263_232


STAGES = {"vgg11": 8 + 2, "vgg14": 13, "vgg16": 13 + 2, "vggsnn": 4, "resnet18": 8, "resnet19": 8, "resnet20mod": 8,
          "resnet34": 16}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_stages_are_divided_as_published(name):
    with torch.device("meta"):
        network = build(name, shape=(3, 32, 32), relu=True)
    assert len(network.stages) == STAGES[name]
    stems = {"vggsnn": 2, "resnet18": 2, "resnet19": 2, "resnet34": 2, "resnet20mod": 4}
    inside = [b for b, _ in blocks(network) if b.startswith("stages.0")]
    assert len(inside) == stems.get(name, 1), "the stem is part of the first stage"


def narrow(name, **params):
    """Parameters of the network at a sixteenth of its width."""
    large = issubclass(models.family(name).Params, LargeParams)
    return params | ({"width": 1 / 16} if large else {})


@pytest.mark.parametrize("name", sorted(models.FAMILIES))
@pytest.mark.parametrize("shape", [(2, 34, 34), (3, 32, 32), (2, 48, 48), (3, 64, 64)])
def test_every_network_runs_and_learns_at_every_input(name, shape):
    network = build(name, narrow(name), shape=shape)
    out = network(torch.rand(3, 2, *shape) * 3)
    assert out.shape == (3, 2, 10)
    out.sum().backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("name", ["vgg11", "vgg16", "resnet18", "resnet34"])
def test_signals_reach_the_end_without_normalisation(name):
    """Initial weights keep the size of signals through depth: an LTL student has no normalisation to do it."""
    network = build(name, narrow(name, norm="none", width=0.25), shape=(3, 32, 32), relu=True)
    sizes = []
    for _, b in blocks(network):
        b.register_forward_hook(lambda _m, _i, o: sizes.append(o.square().mean().sqrt().item()))
    with torch.no_grad():
        network(torch.rand(1, 2, 3, 32, 32))
    assert 0.05 < sizes[-1] / sizes[0] < 200


def test_every_way_of_halving_the_field_gives_the_same_shapes():
    x = torch.rand(2, 1, 2, 32, 32)
    shapes = set()
    for how in ("avg", "max", "stride"):
        network, collected = build("vggsnn", narrow("vggsnn", pooling=how), shape=(2, 32, 32)), []
        network(x, collect=collected)
        shapes.add(tuple(s.shape for s in collected))
        pools = {b.pool for _, b in blocks(network)}
        assert pools == ({1} if how == "stride" else {1, 2})
    assert len(shapes) == 1


@pytest.mark.parametrize("size", [17, 33, 64])
def test_a_strided_pointwise_convolution_has_its_gradient(size):
    """On large channels-last maps of few channels torch's own crashes (oneDNN issue 6035)."""
    conv = PointwiseConv(8, 16, 1, 2, bias=False)
    x = torch.rand(4, 8, size, size).contiguous(memory_format=torch.channels_last).requires_grad_()
    y = conv(x)
    g = torch.randn(y.shape)
    y.backward(g)
    half = x.detach()[..., ::2, ::2]
    assert torch.allclose(y, torch.einsum("nchw,oc->nohw", half, conv.weight[..., 0, 0]), atol=1e-5)
    assert torch.allclose(conv.weight.grad[..., 0, 0], torch.einsum("nchw,nohw->oc", half, g), atol=1e-3)
    assert torch.allclose(x.grad[..., ::2, ::2], torch.einsum("nohw,oc->nchw", g, conv.weight[..., 0, 0]), atol=1e-5)


def test_maximum_pooling_takes_the_largest():
    network, collected = build("vgg14", narrow("vgg14", pooling="max"), shape=(2, 32, 32)), []
    spikes = {}
    network.stages[1].neuron.register_forward_hook(lambda _m, _i, o: spikes.setdefault("before", o))
    network(torch.rand(2, 1, 2, 32, 32) * 3, collect=collected)
    windows = spikes["before"].unfold(3, 2, 2).unfold(4, 2, 2).flatten(5)
    assert torch.equal(collected[1], windows.max(5).values)


def test_an_input_that_leaves_nothing_is_refused():
    with pytest.raises(ConfigError, match="16x16 pixels are too small"):
        build("vgg14", shape=(2, 16, 16))


def test_biases_are_where_no_batch_norm_is():
    def biased(params):
        network = build("vgg11", params, shape=(3, 32, 32))
        layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        return [m.bias is not None for m in layers]

    assert not any(biased({"width": 0.1}))
    assert biased({"width": 0.1, "bias": True}) == [False] * 10 + [True]
    assert all(biased({"width": 0.1, "bias": True, "norm": "none"}))


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
            monkeypatch.setattr("snn.kernels.channels.supports", lambda x: False)
        torch.manual_seed(0)
        norm = ScaleNorm(shape[1], 0.7).train()
        x = torch.randn(shape).contiguous(memory_format=torch.channels_last).requires_grad_()
        y = norm(x)
        assert (type(y.grad_fn).__name__ == "_ScaleByPowerBackward") == fast
        (y * torch.randn(shape)).sum().backward()
        results.append((y, x.grad, norm.weight.grad, norm.running_power))
    for a, b in zip(*results, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("summed", [True, False])
@pytest.mark.parametrize("implementation", ["auto", "spikingjelly"])
def test_fire_is_the_neuron_of_the_normalised_input(training, summed, implementation):
    """In float64 the neuron has no kernels and the normalisation none either: what the three ways are measured by."""
    torch.manual_seed(0)
    shape = (4, 2, 8, 5, 5)
    x, plus = (channels_last(torch.randn(shape)) for _ in range(2))
    found = []
    for dtype in (torch.float32, torch.float64):
        neuron = make_neuron(NeuronSpec(implementation=implementation, surrogate={"name": "arctan"}))
        norm = ScaleNorm(8, 0.9).train(training).to(dtype)
        given = [each.detach().to(dtype).requires_grad_() for each in (x, plus)]
        if dtype == torch.float32:
            assert neuron.takes_norm(given[0]) == (implementation == "auto")
            spikes = fire(neuron, norm, given[0], given[1] if summed else None)
        else:
            y = over_time(norm, given[0])
            spikes = neuron(y + given[1] if summed else y)
        (spikes * torch.linspace(-1, 1, spikes.numel(), dtype=dtype).view(shape)).sum().backward()
        found.append([spikes, given[0].grad, given[1].grad if summed else x, norm.weight.grad, norm.running_power])
    for ours, reference in zip(*found, strict=True):
        torch.testing.assert_close(ours.double(), reference.double(), rtol=1e-4, atol=1e-5)


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
    block = ResidualStage(8, 8, 1, ScaleNorm, lambda: make_neuron(IAF))
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
def test_one_event_a_step_gives_the_same_spikes_with_and_without_a_clock(name, params):
    """Each population, driven with a clock by the trained modules one event a step (normalisation not folded, pooling
    and flattening by torch, branches added up by SpikingJelly's neuron), fires as it does on the engine."""
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
        (NeuronSpec(strict=True), "neuron.strict"),
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


@pytest.mark.parametrize("name", ["vgg11", "vggsnn", "resnet18"])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_the_bias_free_route_makes_every_network_deployable(name, norm):
    network = build(name, narrow(name, norm=norm, bias=True)).train()
    network(torch.rand(2, 4, *SHAPE))
    plain = without_biases(network.eval())
    assert has_biases(network)
    assert not has_biases(plain)
    assert len(export(plain, IAF, SHAPE, [str(i) for i in range(10)]).populations) > 5


def test_a_relu_network_reads_out_the_current():
    assert build("3c1fc", relu=True).readout.neuron is None
    assert build("3c1fc").readout.spiking
