"""SDT with MTT's compute."""

from __future__ import annotations

from snn import methods


def test_epochs_are_multiplied_by_mtts_cost():
    matched = methods.find("sdt-matched")
    assert matched.epochs(matched.Params(), 10, 10) == round(10 * 3 * 11 / 20) == 16
    assert matched.epochs(matched.Params(draws=2), 10, 1) == 20
