"""KD and TKD: their losses as written, the vectors of the specification, and what reaches no gradient."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, softmax

from snn.methods.shared.distillation import divergence

Z = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], dtype=torch.float64)[:, None]  # T = 3, N = 1


class Fixed(nn.Module):
    """A network, or a teacher, whose output does not depend on its input."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs = nn.Parameter(outputs.clone())

    def forward(self, x):
        return self.outputs


def test_the_divergence_is_the_formula():
    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 4, 5, dtype=torch.float64, generator=g)
    p, q = softmax(a / 3, 1), softmax(b / 3, 1)
    assert divergence(a, b, 3.0).isclose(9 * (p * (p / q).log()).sum(1).mean())
    assert divergence(a, a, 3.0).abs() < 1e-15


def test_kd_is_the_formula(method, network, batch):
    x, y = batch()
    teacher = network(relu=True).eval().requires_grad_(False)
    m = method("kd", teacher=teacher, alpha=0.3, temperature=2.0)
    loss, logits = m.loss(network(), x, y)
    z, z_a = network()(x).mean(0), teacher(x.sum(0, keepdim=True))[0]
    assert torch.equal(logits, z)
    assert loss.isclose(0.7 * cross_entropy(z, y) + 0.3 * divergence(z_a, z, 2.0))
    assert m.step(network(), x, y).time_steps == pytest.approx(4 + 1 / 3)


def test_the_teachers_see_a_static_image_once(method, network, batch):
    image, _ = batch(t=1)
    teacher = network(relu=True).eval().requires_grad_(False)
    m = method("kd", teacher=teacher, static=True)
    assert torch.equal(m.teachers_logits(image.expand(4, -1, -1, -1, -1)), teacher(image)[0])


def test_tkd_without_teachers_is_tet(method, network, batch):
    x, y = batch()
    teacher = network(relu=True).eval().requires_grad_(False)
    train = {"logit_scale": 2.0}
    tkd, logits = method("tkd", teacher=teacher, alpha=0.0, beta=0.0, train=train).loss(network(), x, y)
    tet, expected = method("tet", regularisation=0.0, train=train).loss(network(), x, y)
    assert torch.allclose(tkd, tet)
    assert torch.equal(logits, expected)


@pytest.mark.parametrize("self_teacher", ["right-steps", "mean"])
def test_with_equal_logits_everywhere_there_are_the_labels_alone(self_teacher, method):
    z = torch.tensor([[3.0, 0.0, -1.0]], dtype=torch.float64)  # class 0, right at every step
    m = method("tkd", teacher=Fixed(z[None]), self_teacher=self_teacher)
    loss, _ = m.loss(Fixed(z.expand(4, 1, 3)), torch.zeros(4, 1, 1), torch.tensor([0]))
    assert loss.isclose(cross_entropy(z, torch.tensor([0])))


def test_the_vectors_of_the_specification(method):
    m = method("tkd")
    right = m.own_output(Z, torch.tensor([0]))
    assert right.tolist() == [[1.5, 0.0, 0.0]]
    of_self = torch.stack([divergence(right, z, 3.0) for z in Z]).mean()
    assert of_self.item() == pytest.approx(0.20866467, abs=5e-9)
    none = m.own_output(Z, torch.tensor([2]))
    assert none.tolist() == [[0.0, 0.0, 0.0]], "no step is right"
    assert divergence(none, Z[0], 3.0).item() == pytest.approx(0.47076519, abs=5e-9)
    assert torch.equal(method("tkd", self_teacher="mean").own_output(Z, torch.tensor([2])), Z.mean(0))


def test_tkd_is_the_formula(method):
    g = torch.Generator().manual_seed(0)
    z, z_a = torch.randn(3, 5, 4, generator=g), torch.randn(5, 4, generator=g)
    y = torch.tensor([0, 1, 2, 3, 0])
    m = method("tkd", teacher=Fixed(z_a[None]), alpha=0.2, beta=0.5, temperature=3.0)
    loss, logits = m.loss(Fixed(z), torch.zeros(3, 5, 1), y)
    own = m.own_output(z, y)
    terms = [cross_entropy(s, y) + 0.2 * divergence(z_a, s, 3.0) + 0.5 * divergence(own, s, 3.0) for s in z]
    assert loss.isclose(sum(terms) / 3)
    assert torch.allclose(logits, z.mean(0))


@pytest.mark.parametrize("name", ["kd", "tkd"])
def test_no_gradient_reaches_the_teachers(name, method):
    g = torch.Generator().manual_seed(0)
    teacher, network = Fixed(torch.randn(1, 2, 3, generator=g)), Fixed(torch.randn(4, 2, 3, generator=g))
    y = torch.tensor([0, 1])
    m = method(name, teacher=teacher)
    m.step(network, torch.zeros(4, 2, 1), y)
    assert teacher.outputs.grad is None
    if name == "tkd":  # with the target held fixed the gradient is the same: none goes through z_E
        own = m.own_output(network.outputs, y).clone()
        m.own_output = lambda z, y: own
        again = Fixed(network.outputs.detach())
        m.step(again, torch.zeros(4, 2, 1), y)
        assert torch.equal(again.outputs.grad, network.outputs.grad)
