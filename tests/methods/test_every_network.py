"""Every method on every kind of large network: it trains a step, and leaves the plain network behind."""

from __future__ import annotations

import pytest
import torch

from snn import methods
from snn.neurons import NeuronSpec

NEURON = NeuronSpec(surrogate={"name": "triangle"})
SMALL = {"dspike": {"weights": 2}, "dspike-frequent": {"weights": 2}}


# With and without dense stages, a stem of one and of three convolutions; the others differ in depth and width only.
LARGE = ["vgg11", "vggsnn", "resnet18", "resnet20mod"]


def params(name):
    halving = {"pooling": "stride"} if name.startswith("vgg") else {}  # 12x12 inputs are too small for poolings
    return {"width": 1 / 32, "norm": "scale", **halving}


@pytest.mark.parametrize("name", LARGE)
def test_every_method_trains_it(name, method, network, blueprint, batch):
    x, y = batch(t=3, n=3)
    quantised = methods.find("ann-qcfs").build(
        methods.parameters("ann-qcfs", {}), blueprint(name, params(name), NEURON)
    )
    plain_ann = network(name, params(name), relu=True)
    for teacher in (quantised, plain_ann):
        teacher.train()(x.sum(0, keepdim=True))
        teacher.eval().requires_grad_(False)
    for m in sorted({*methods.names()} - {"chance"}):  # which has no network
        kind = methods.find(m)
        torch.manual_seed(0)
        hyper = methods.parameters(m, SMALL.get(m, {}))
        plain = kind.build(hyper, blueprint(name, params(name), NEURON)).train()
        keys = list(plain.state_dict())
        of = kind.teacher(hyper)
        teacher = (quantised if of == "ann-qcfs" else plain_ann) if of else None
        trainer = method(m, t_train=3, teacher=teacher, **SMALL.get(m, {}))
        model = trainer.prepare(plain)
        if kind.trains:
            trainer.start_epoch(model, 1, (x, y))
            result = trainer.step(model, x, y)
            trainer.end_epoch(model)
            assert torch.isfinite(torch.tensor(result.loss)), m
            assert result.logits.shape == (3, 4), m
            assert all(p.grad is not None for p in model.parameters()), m
        trainer.before_evaluation(model, iter([x]))
        assert list(trainer.strip(model).state_dict()) == keys, m
