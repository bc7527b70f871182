"""Networks of all families: weights, stages, shapes, gradients."""

from __future__ import annotations

import pytest
import torch
from small_networks import SHAPE, build, narrow
from torch import nn

from snn import models
from snn.errors import ConfigError
from snn.models.stages import PointwiseConv, blocks, weight_count


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
    # 10 biases the usual 11.17 M.
    "resnet18": (c(3, 64) + resnet([64, 128, 256, 512], [2, 2, 2, 2]) + 512 * 10, 11_164_352, 11_173_962),
    # The usual 21.28 M.
    "resnet34": (c(3, 64) + resnet([64, 128, 256, 512], [3, 4, 6, 3]) + 512 * 10, 21_265_088, 21_282_122),
    # Stem 3,456; layer1 884,736; layer2 3,276,800; layer3 8,388,608; 5,120. Tables of the field say 12.63 M, counting
    # with another readout that they do not describe: this one has 12.57 M with 10 and 12.62 M with 100 classes.
    "resnet19": (c(3, 128) + resnet([128, 256, 512], [3, 3, 2]) + 512 * 10, 12_558_720, 12_569_226),
    # ResNet-18 and two more convolutions of the stem, 2 * 36,864.
    "resnet20mod": (
        c(3, 64) + 2 * c(64, 64) + resnet([64, 128, 256, 512], [2, 2, 2, 2]) + 512 * 10, 11_238_080, 11_247_946,
    ),
    # The usual VGG16 for CIFAR with one linear layer: 14,724,042 with BatchNorm and no biases of convolutions.
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


@pytest.mark.parametrize("name", sorted({*models.FAMILIES} - {"nir"}))  # which needs a file: test_nir.py
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


def test_a_relu_network_reads_out_the_current():
    assert build("3c1fc", relu=True).readout.neuron is None
    assert build("3c1fc").readout.spiking
