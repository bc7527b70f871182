"""What a network may be, and the file that holds one."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from snn.errors import DataError, UserError
from snn.events import Engine, EventNetwork, Population, Synapse, load, save


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


def small(**changes):
    """A network of one layer, with one thing changed."""
    population = {"name": "a", "shape": (2, 3, 3)} | changes.pop("population", {})
    synapse = {"source": "input", "target": "a", "weight": np.ones((2, 1, 3, 3)), "padding": 1}
    synapse |= changes.pop("synapse", {})
    network = {"input_shape": (1, 3, 3), "populations": [Population(**population)], "synapses": [Synapse(**synapse)]}
    return EventNetwork(**network | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"population": {"threshold": 0}}, "'a': threshold"),
        ({"population": {"threshold": float("nan")}}, "'a': threshold"),
        ({"population": {"v_min": 0.5}}, "'a': v_min"),
        ({"population": {"tau_us": 0}}, "'a': tau_us"),
        ({"population": {"reset": "zero"}}, "'a': reset"),
        ({"population": {"shape": (2, 3)}}, "'a': shape"),
        ({"population": {"name": "input"}}, "unique"),
        ({"synapse": {"kind": "convolution"}}, "did you mean 'conv'"),
        ({"synapse": {"weight": None}}, "needs weight"),
        ({"synapse": {"weight": np.full((2, 1, 3, 3), np.nan)}}, "NaN"),
        ({"synapse": {"weight": np.ones((2, 1, 3))}}, "4 dimensions"),
        ({"synapse": {"weight": np.ones((2, 2, 3, 3))}}, "input → a: weight"),
        ({"synapse": {"padding": 0}}, r"makes \(2, 1, 1\)"),
        ({"synapse": {"stride": 0}}, "stride"),
        ({"synapse": {"groups": 2}}, "groups"),
        ({"synapse": {"pool": 4}}, "leaves nothing"),
        ({"synapse": {"source": "imput"}}, "did you mean 'input'"),
        ({"synapse": {"source": "a"}}, "recurrent"),
        ({"synapse": {"kind": "identity"}}, "scale="),
        ({"output": "b"}, "no population 'b'"),
        ({"classes": ["one"]}, "1 classes"),
        ({"populations": []}, "at least one"),
        ({"synapses": []}, "no synapse leads"),
        ({"input_shape": (1, 3)}, "input: shape"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changes, message):
    with pytest.raises(UserError, match=message):
        small(**changes)


def test_nothing_follows_a_population_that_does_not_spike():
    with pytest.raises(UserError, match="does not spike"):
        EventNetwork(
            (1, 1, 1),
            [Population("a", (1, 1, 1), spiking=False), Population("b", (1, 1, 1))],
            [Synapse("input", "a", "identity"), Synapse("a", "b", "identity")],
        )


def test_weights_do_not_change_with_the_array_they_came_from():
    weight = np.ones((2, 1, 3, 3), np.float32)
    network = small(synapse={"weight": weight})
    weight[:] = 7
    assert network.synapses[0].weight.max() == 1


def test_importing_is_cheap_and_reading_needs_no_compiler(residual, tmp_path):
    save(residual, tmp_path / "network.npz")
    code = (
        "import sys, snn.events; snn.events.load(sys.argv[1]);"
        "print([m for m in ('numba', 'torch', 'nir', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "network.npz")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_library_stands_alone():
    """snn.events imports nothing of the project but snn.errors."""
    code = (
        "import sys, snn.events, snn.events.engine, snn.events._kernel, snn.events.nir;"
        "print(sorted(m for m in sys.modules if m.startswith('snn') and not m.startswith('snn.events')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['snn', 'snn.errors']"
