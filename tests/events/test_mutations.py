"""Damaged and hostile files are refused in one line, or run as the reference does. `mutations.py` makes thousands."""

from __future__ import annotations

from itertools import islice

from snn.events import _hdf5

from .mutations import network_content, network_files, nir_content, nir_files, verdict


def outcomes(mutations, path):
    results = []
    for i, mutation in enumerate(mutations):
        try:
            results.append(verdict(path, mutation))
        except Exception as error:
            raise AssertionError(f"mutation {i}, {mutation.name}") from error
    return results


def test_mutated_network_files(tmp_path):
    results = outcomes(islice(network_files(network_content(), seed=17), 250), tmp_path / "network.npz")
    assert 10 < results.count("accepted") < 100


def test_mutated_nir_files(tmp_path, monkeypatch):
    monkeypatch.setattr(_hdf5, "SECONDS", 3)  # some mutations send the HDF5 library into an endless loop
    results = outcomes(islice(nir_files(nir_content(), seed=18), 15), tmp_path / "network.nir")
    assert results.count("refused") > 4


def test_a_seed_gives_the_same_files():
    first, second = (list(islice(network_files(network_content(), seed=3), 5)) for _ in range(2))
    assert [m.name for m in first] == [m.name for m in second]
