"""Shortcut back-propagation: λ, the identities with standard training, what a branch's gradient is, what remains."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from snn.errors import ConfigError

NAMES = ["shortcut", "shortcut-evolutionary", "shortcut-per-head"]
I = 8


def at(method, i):
    evolutionary = method("shortcut-evolutionary", iterations=I)
    evolutionary.load_state({"iteration": i})
    return evolutionary


def test_the_branches_fade_linearly_from_a_quarter_to_nothing(method):
    factors = [at(method, i).factor() for i in range(I + 1)]
    assert factors[0] == 0.25
    assert factors[I] == 0.0
    assert all(b - a == pytest.approx(-0.25 / I) for a, b in pairwise(factors))
    assert method("shortcut").factor() == 1.0


def test_lambda_moves_with_every_iteration_and_is_saved(method, network, batch):
    evolutionary = method("shortcut-evolutionary", iterations=I)
    model = evolutionary.prepare(network())
    for i in range(3):
        assert evolutionary.factor() == pytest.approx(0.25 * (1 - i / I))
        evolutionary.step(model, *batch())
    assert evolutionary.state() == {"iteration": 3}


def test_lambda_and_the_number_of_branches_are_parameters(method, network, batch):
    x, y = batch()
    one = method("shortcut", weight=0.5, branches=1)
    model = one.prepare(network("resnet8"))
    assert list(model.heads) == ["1"], "the earliest"
    main, (branch,) = model(x)
    loss, _ = one.loss(model, x, y)
    assert loss == cross_entropy(main.mean(0) + 0.5 * branch.mean(0), y)
    both = method("shortcut").prepare(network("resnet8"))
    assert torch.equal(both.heads["1"].weight, model.heads["1"].weight), "and drawn alike"


@pytest.mark.parametrize("name", NAMES)
def test_more_branches_than_ends_of_groups_are_refused(name, method, network):
    with pytest.raises(ConfigError, match="branches = 3, but this network has 2"):
        method(name, branches=3).prepare(network("resnet8"))


@pytest.mark.parametrize("norm", ["none", "scale"])
def test_without_branches_it_is_standard_training_to_the_bit(norm, method, network, batch):
    x, y = batch()
    plain = network("resnet8", {"norm": norm})
    sdt = method("sdt").step(plain, x, y)
    shortcut = at(method, I)
    model = shortcut.prepare(network("resnet8", {"norm": norm}))
    result = shortcut.step(model, x, y)
    assert torch.equal(result.logits, sdt.logits)
    assert result.loss == sdt.loss
    assert result.time_steps == sdt.time_steps
    for (name, p), q in zip(plain.named_parameters(), shortcut.strip(model).parameters(), strict=True):
        assert torch.equal(p.grad, q.grad), name
    assert all((p.grad == 0).all() for p in model.heads.parameters())


def test_past_a_cut_main_path_the_first_stage_sees_the_branch_times_lambda(method, network, batch):
    x, y = batch()
    shortcut = at(method, 2)
    model = shortcut.prepare(network())
    model.network.stages[1].register_forward_pre_hook(lambda m, args: (args[0].detach(),))
    shortcut.step(model, x, y)
    weight = model.network.stages[0].conv.weight

    collected = []
    outputs = model.network(x, collect=collected)
    branches = [head(collected[int(i)].mean((3, 4))).mean(0) for i, head in model.heads.items()]
    factor = 0.25 * (1 - 2 / I)
    o = (outputs.mean(0) + factor * sum(branches)).detach()
    error = (o.softmax(1) - nn.functional.one_hot(y, 4)) / len(y)  # dL/do
    (through_the_branch,) = torch.autograd.grad(branches[0], weight, error)
    assert through_the_branch.abs().max() > 0
    assert torch.allclose(weight.grad, factor * through_the_branch, atol=1e-7)


def test_shortcut_has_one_loss_on_the_sum_and_the_ablation_one_a_head(method, network, batch):
    x, y = batch()
    losses = {}
    for name in ("shortcut", "shortcut-per-head"):
        m = method(name)
        model = m.prepare(network())
        losses[name], logits = m.loss(model, x, y)
        main, branches = model(x)
        main, branches = main.mean(0), [b.mean(0) for b in branches]
        assert len(branches) == 2
        assert torch.equal(logits, main), "training accuracy is the main output's"
    assert torch.allclose(losses["shortcut"], cross_entropy(main + branches[0] + branches[1], y))
    assert torch.allclose(losses["shortcut-per-head"], sum(cross_entropy(b, y) for b in [main, *branches]))


@pytest.mark.parametrize("name", NAMES)
def test_what_remains_is_the_plain_network(name, method, network, batch):
    m, plain = method(name), network("resnet8", {})
    keys = list(plain.state_dict())
    model = m.prepare(plain)
    assert len(list(model.parameters())) == len(list(plain.parameters())) + 2
    m.step(model, *batch())
    assert m.strip(model) is plain
    assert list(plain.state_dict()) == keys


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("3c1fc", [0, 1]),
        ("resnet8", [1, 2]),
        ("resnet14", [2, 4]),
        ("resnet20-tiny", [3, 6]),
        ("resnet18", [1, 3, 5]),  # layer1 to layer3
        ("resnet34", [2, 6, 12]),
        ("resnet19", [2, 5]),  # layer1 and layer2
        ("resnet20mod", [1, 3]),
        ("vgg11", [1, 3, 5]),
    ],
)
def test_branches_hang_on_the_ends_of_groups(name, ends, method, network):
    large = name[-2:] in ("18", "34", "19", "11", "od")
    model = method("shortcut").prepare(network(name, {"width": 0.1} if large else {}))
    assert [int(i) for i in model.heads] == ends
    assert not any(m.num_batches_tracked for m in model.modules() if hasattr(m, "num_batches_tracked"))


def test_the_heads_come_from_the_methods_own_generator(method, network):
    weights = []
    for seed in (0, 1):
        plain = network()
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        weights.append(method("shortcut").prepare(plain).heads.state_dict())
        assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])
    assert all(0 < w.abs().max() <= w.shape[1] ** -0.5 for w in weights[0].values())


def test_a_network_without_groups_is_refused_with_the_reason(method, network):
    plain = network("resnet8", {"widths": (4, 4, 4)})
    plain.stages, plain.readout.pool = plain.stages[:2], 6
    with pytest.raises(ConfigError, match="no group end at which a branch"):
        method("shortcut").prepare(plain)
