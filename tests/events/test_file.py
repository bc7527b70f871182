"""The network file: what is saved is loaded, what is damaged is refused."""

from __future__ import annotations

import numpy as np
import pytest

from snn.errors import DataError
from snn.events import Engine, load, save


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
