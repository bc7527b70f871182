"""MTT and NMT: what they draw, and that gradients are summed."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from snn.config.blocks import Train
from snn.errors import ConfigError
from snn.methods import find, parameters
from snn.neurons import NeuronSpec


def grads(model):
    return [p.grad.clone() for p in model.parameters()]


@pytest.mark.parametrize("name", ["mtt", "nmt"])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_gradient_is_the_sum_of_those_of_the_draws(name, reduction, method, network, batch):
    x, y = batch()
    model = network()
    result = method(name, reduction=reduction).step(model, x, y)
    together = grads(model)

    again, total, loss, steps = method(name, reduction=reduction), None, 0.0, 0.0
    for _ in range(3):
        drawn = again.draw(3)
        model.zero_grad()
        one = cross_entropy(model(x, steps=drawn).mean(0), y)
        one.backward()
        total = grads(model) if total is None else [a + b for a, b in zip(total, grads(model), strict=True)]
        loss, steps = loss + one.item(), steps + sum(drawn) / 3
    weight = 1.0 if reduction == "sum" else 1 / 3
    assert all(torch.allclose(a, weight * b, atol=1e-7) for a, b in zip(together, total, strict=True))
    assert result.loss == pytest.approx(weight * loss)
    assert result.time_steps == steps


def test_mtt_draws_every_stage_by_itself_from_the_whole_range(method):
    mtt = method("mtt", t_train=4)
    draws = torch.tensor([mtt.draw(3) for _ in range(300)])
    assert [draws[:, i].unique().tolist() for i in range(3)] == [[1, 2, 3, 4]] * 3
    assert len({tuple(d) for d in draws.tolist()}) > 50, "of 64 combinations"


def test_nmt_draws_one_for_all(method):
    nmt = method("nmt", t_train=4, t_min=2)
    draws = torch.tensor([nmt.draw(5) for _ in range(100)])
    assert (draws == draws[:, :1]).all()
    assert draws.unique().tolist() == [2, 3, 4]


def test_stages_of_a_group_share_one_draw(method):
    mtt = method("mtt", t_train=4, group_size=2)
    draws = torch.tensor([mtt.draw(5) for _ in range(100)])
    assert torch.equal(draws[:, 0], draws[:, 1])
    assert torch.equal(draws[:, 2], draws[:, 3])
    assert len({tuple(d) for d in draws[:, ::2].tolist()}) > 30, "of 64 combinations of three groups"
    whole, naive = method("mtt", t_train=4, group_size=9), method("nmt", t_train=4)
    assert [whole.draw(5) for _ in range(9)] == [naive.draw(5) for _ in range(9)], "one group is NMT"


def test_the_transformation_is_that_between_stages_and_frames_are_summed(method, network, batch):
    x, _ = batch(t=4)
    model, inputs = network(), {}
    for i in (0, 1):
        model.stages[i].register_forward_pre_hook(lambda stage, args, i=i: inputs.update({i: args[0]}))
    model.stages[0].register_forward_hook(lambda stage, args, output: inputs.update(output=output))
    mean = method("mtt", transformation="mean")
    model(x, steps=[2, 1, 1], transform=mean.transform)
    assert torch.equal(inputs[0], x.unflatten(0, (2, 2)).sum(1))
    assert torch.allclose(inputs[1], inputs["output"].mean(0, keepdim=True))


@pytest.mark.parametrize("values", [{"group_size": 2}, {"transformation": "mean"}])
def test_what_changes_nothing_in_nmt_is_refused(values):
    with pytest.raises(ConfigError, match=r"methods\.nmt: .*set them in methods\.mtt"):
        find("nmt").check(parameters("nmt", values), 4, Train(), NeuronSpec())


@pytest.mark.parametrize("static", [False, True])
def test_events_are_summed_to_the_first_stages_steps_and_images_repeated(static, method, network, batch):
    x = batch(t=1)[0].expand(4, -1, -1, -1, -1)
    mtt, model, seen = method("mtt", t_train=4, draws=1), network(), []
    mtt.run.static = static
    mtt.draw = lambda stages: [2] * stages
    model.stages[0].register_forward_pre_hook(lambda _m, args: seen.append(args[0]))
    mtt.step(model, x, batch()[1])
    assert torch.equal(seen[0], x[:2] if static else 2 * x[:2])


@pytest.mark.parametrize("name", ["mtt", "nmt"])
def test_there_is_nothing_to_mix_at_one_time_step(name):
    with pytest.raises(ConfigError, match="t_train > t_min"):
        find(name).check(parameters(name, {}), 1, Train(), NeuronSpec())
