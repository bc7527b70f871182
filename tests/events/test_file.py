"""The network file: what is saved is loaded, what is damaged is refused."""

from __future__ import annotations

import os
import stat
import zipfile

import numpy as np
import pytest

from snn.errors import DataError
from snn.events import Engine, load, save

from .mutations import Parts, network_content


def test_save_and_load(residual, stream, tmp_path):
    save(residual, tmp_path / "new" / "network.npz")
    again = load(tmp_path / "new" / "network.npz")
    assert again.populations[0].__dict__ == residual.populations[0].__dict__
    assert (again.input_shape, again.classes, again.output, again.meta) == (
        residual.input_shape,
        residual.classes,
        residual.output,
        residual.meta,
    )
    events = stream(300, residual.input_shape)
    for mode in ("float", "int8"):
        one, other = (Engine(n, mode).run(*events) for n in (residual, again))
        np.testing.assert_array_equal(one.spikes, other.spikes)
    save(again, tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "new" / "network.npz").read_bytes()
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["network.npz"]


def test_the_initial_potential_is_kept_and_written_only_where_it_is_used(one_neuron, tmp_path):
    """Files from before `v0` load, and networks without it give the same bytes as then."""
    save(one_neuron(0.5, v0=0.25), tmp_path / "v0.npz")
    assert load(tmp_path / "v0.npz").populations[0].v0 == 0.25
    save(one_neuron(0.5), tmp_path / "without.npz")
    assert b'"v0"' not in (tmp_path / "without.npz").read_bytes()
    assert load(tmp_path / "without.npz").populations[0].v0 == 0


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644)])
def test_a_file_has_the_rights_that_the_umask_leaves(one_neuron, tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        save(one_neuron(0.5), tmp_path / "network.npz")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "network.npz").stat().st_mode) == mode


def test_a_damaged_file_names_itself(residual, tmp_path):
    path = tmp_path / "network.npz"
    save(residual, path)
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[whole.index(b"weight/0.npy") + 400] ^= 1
    for content in (b"", b"hello", whole[: len(whole) // 2], bytes(damaged)):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"network\.npz"):
            load(path)
    with pytest.raises(DataError, match=r"no such file"):
        load(tmp_path / "none.npz")


def test_files_of_other_kinds_and_versions_are_refused(residual, tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(DataError, match=r"other\.npz: not a network file"):
        load(tmp_path / "other.npz")
    save(residual, tmp_path / "network.npz")
    with np.load(tmp_path / "network.npz") as stored:
        arrays = dict(stored)
    header = arrays["header"].tobytes()
    arrays["header"] = np.frombuffer(header.replace(b'"version": 1', b'"version": 9'), np.uint8)
    np.savez(tmp_path / "newer.npz", **arrays)
    with pytest.raises(DataError, match=r"newer\.npz: version 9"):
        load(tmp_path / "newer.npz")
    arrays["header"] = np.frombuffer(header.replace(b'"v_min": -0.5', b'"v_min": -0.6'), np.uint8)
    np.savez(tmp_path / "changed.npz", **arrays)
    with pytest.raises(DataError, match=r"changed\.npz: the checksum"):
        load(tmp_path / "changed.npz")


def changed(path, change, **how):
    """Write a valid network file with one thing changed, the checksum refitted."""
    parts = Parts(network_content())
    change(parts)
    path.write_bytes(parts.pack(**how))
    return path


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("threshold", 10**400, "'stem': threshold must be a number within"),
        ("threshold", 1e39, "'stem': threshold must be a number within"),
        ("threshold", 1e-60, "'stem': threshold must be positive in float32"),
        ("threshold", "1.0", "'stem': threshold must be a number"),
        ("threshold", True, "'stem': threshold must be a number"),
        ("spiking", "no", "'stem': spiking must be true or false, not 'no'"),
        ("spiking", 2, "'stem': spiking must be true or false, not 2"),
        ("shape", [2**20, 2**20, 2**20], "more than 268435456 neurons"),
        ("shape", [4, 3], "'stem': shape must be three whole numbers"),
        ("reset", ["soft"], "'stem': reset"),
        ("name", "a\nb", "printable characters"),
        ("v_rest", 0.0, "a population must have the keys"),
    ],
)
def test_a_header_with_impossible_values_is_refused(tmp_path, key, value, message):
    path = changed(tmp_path / "network.npz", lambda parts: parts.header["populations"][0].update({key: value}))
    with pytest.raises(DataError, match=rf"network\.npz: .*{message}"):
        load(path)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (lambda w: w.astype("c8"), "weight/0' holds complex64"),
        (lambda w: w.astype("U8"), "weight/0' holds <U8"),
        (lambda w: w.astype("f8"), "weight/0' holds float64"),
        (lambda w: w * np.float32(3e38), "the weights must lie within"),
        (lambda w: w[:3], r"weight \(3, 2, 3, 3\), but the populations need \(4, 2, 3, 3\)"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(tmp_path, weight, message):
    path = changed(tmp_path / "network.npz", lambda p: p.weights.update({"weight/0": weight(p.weights["weight/0"])}))
    with pytest.raises(DataError, match=rf"network\.npz: .*{message}"):
        load(path)


def test_members_are_compared_with_the_file_before_anything_is_allocated(tmp_path):
    """An array of 1 TiB in a file of 5 kB; members that are compressed, encrypted, left over."""

    def promised(members):
        members["weight/0.npy"] = members["weight/0.npy"].replace(b"(4, 2, 3, 3), }", b"(274877906944,),}")

    path = tmp_path / "network.npz"
    path.write_bytes(Parts(network_content()).pack(promised))
    with pytest.raises(DataError, match=r"network\.npz: .*weight/0' does not hold the \(274877906944,\) numbers"):
        load(path)
    path.write_bytes(Parts(network_content()).pack(compression=zipfile.ZIP_DEFLATED))
    with pytest.raises(DataError, match="encrypted or compressed"):
        load(path)
    changed(path, lambda parts: parts.weights.update({"weight/9": parts.weights["weight/0"]}))
    with pytest.raises(DataError, match="'weight/9' belongs to no synapse"):
        load(path)
    with pytest.raises(DataError, match="cannot be read"):
        load(tmp_path)
