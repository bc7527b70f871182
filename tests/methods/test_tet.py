"""TET's loss against SpikingJelly's function and against the formula written out."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy


def test_the_loss_is_the_published_formula(method, network, batch):
    from spikingjelly.activation_based import functional

    tet, model, (x, y) = method("tet", train={"logit_scale": 2.0}), network(), batch()
    loss, logits = tet.loss(model, x, y)
    z = 2.0 * model(x)
    per_step = sum(cross_entropy(z[t], y) for t in range(4)) / 4
    assert torch.allclose(per_step, functional.temporal_efficient_training_cross_entropy(z, y))
    assert torch.allclose(loss, 0.999 * per_step + 0.001 * ((z - 1) ** 2).mean())
    assert torch.equal(logits, 2.0 * model(x).mean(0)), "inference decodes over time"


def test_without_regularisation_it_is_spikingjellys_loss(method, network, batch):
    from spikingjelly.activation_based import functional

    model, (x, y) = network(), batch()
    loss, _ = method("tet", regularisation=0.0).loss(model, x, y)
    assert torch.equal(loss, functional.temporal_efficient_training_cross_entropy(model(x), y))


@pytest.mark.parametrize("logits", ["mean", "sum"])
def test_at_one_time_step_it_is_standard_training(method, network, batch, logits):
    x, y = batch(t=1)
    train = {"logits": logits}
    tet, _ = method("tet", regularisation=0.0, train=train).loss(network(), x, y)
    sdt, _ = method("sdt", train=train).loss(network(), x, y)
    assert torch.allclose(tet, sdt)
