"""Cells that ran on different models of hardware are named."""

from __future__ import annotations

from snn.report.devices import mixed

A = {"cpu": "a CPU", "cores": 2, "device": "cuda", "gpu": "A100"}


def test_one_model_is_no_caveat():
    assert mixed({"hardware": [A, A | {"cores": 64}]}) == []
    assert mixed({}) == []


def test_several_models_are_named():
    (sentence,) = mixed({"hardware": [A, A | {"gpu": "H200"}]})
    assert "2 models of GPU (A100, H200)" in sentence
    assert len(mixed({"hardware": [A, A | {"gpu": "H200", "cpu": "another CPU"}]})) == 2
