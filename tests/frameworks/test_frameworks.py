"""NIR files written by other frameworks in their own environments, and those frameworks as oracles.

`make nir-frameworks` makes the environments (in .frameworks/, or where SNN_FRAMEWORKS says); without them the tests are
skipped by name. Each script (`write_<framework>.py`) writes a network and what the framework itself computes
clock-driven with one event a time step. In the first two layers one spike at most arrives at a neuron in a step: there
the engine must give the same spikes in the same steps. In the last layer several spikes of a step arrive: at once in a
time step, one after another here. That is the difference between the two, and its size is looked at, not its absence.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from snn.deployment import Recordings, deploy
from snn.errors import DataError
from snn.events import Engine, EventNetwork, Population, Synapse, from_nir, to_nir

from . import networks

HERE = Path(__file__).parent
ENVIRONMENTS = Path(os.environ.get("SNN_FRAMEWORKS", HERE.parents[1] / ".frameworks")).absolute()
STEP_US = 100
CASES = {
    # framework, arguments of its script, how its file is read, layers that must agree
    "snntorch": ("snntorch", ["1.0"], {"reset": "soft"}, 2),
    "snntorch-leak": ("snntorch", ["0.99"], {"reset": "soft", "dt": 1e-4, "step_us": STEP_US}, 2),
    "norse": ("norse", [], {"reset": "hard"}, 2),
    "sinabs": ("sinabs", [], {"reset": "soft", "v_min": -1.0}, 2),
}


def python(framework: str) -> Path:
    path = ENVIRONMENTS / framework / "bin" / "python"
    if not path.exists():
        pytest.skip(f"{framework}: no environment {path.parents[1]} (make nir-frameworks)")
    return path


def run_script(framework: str, script: str, folder: Path, *arguments: str) -> None:
    command = [str(python(framework)), script, str(folder), *arguments]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """written(case) -> the folder with what the framework's script wrote."""
    folders: dict[str, Path] = {}

    def write(case):
        framework, arguments, *_ = CASES[case]
        if case not in folders:
            folder = tmp_path_factory.mktemp(case)
            run_script(framework, f"write_{framework}.py", folder, *arguments)
            folders[case] = folder
        return folders[case]

    return write


@pytest.mark.parametrize("case", list(CASES))
def test_the_engine_gives_the_frameworks_own_spikes(case, written):
    folder = written(case)
    *_, how, equal = CASES[case]
    x, y, p = networks.events()
    network = from_nir(folder / "network.nir", **how)
    trace = Engine(network).run(np.arange(len(x)) * STEP_US, x, y, p, trace=True).trace
    with np.load(folder / "spikes.npz") as saved:
        expected = [saved[name] for name in ("first", "second", "last")]
    for i, (spikes, theirs) in enumerate(zip(trace, expected, strict=False)):
        ours = np.zeros(theirs.shape, int) if theirs.ndim == 4 else np.zeros((*theirs.shape, 1, 1), int)
        np.add.at(ours, (spikes[:, 0], *spikes[:, 2:].T), 1)
        ours = ours.reshape(theirs.shape)
        if i < equal:
            assert theirs.sum() > 50
            np.testing.assert_array_equal(ours, theirs, err_msg=f"layer {i + 1}")
        else:
            assert theirs.sum() > 50
            assert abs(ours.sum() / theirs.sum() - 1) < 0.1, "about as many spikes, some in other steps"


def test_norse_reads_ours_and_gives_the_engines_spikes(tmp_path):
    """The one of them that can: sinabs 3.1.3 has a nir that knows no v_reset, and snnTorch 1.0.0 gives every IF node a
    leak of 0.9."""
    weights, size = networks.weights(), networks.SIZE
    populations = [
        Population(name, (channels, size, size), v_min=None, reset="hard")
        for name, channels in (("first", 1), ("second", 3))
    ]
    synapses = [
        Synapse("input", "first", "conv", weights["first"]),
        Synapse("first", "second", "conv", weights["second"], padding=1),
    ]
    network = EventNetwork((2, size, size), populations, synapses)
    to_nir(network, tmp_path / "ours.nir")
    run_script("norse", "read_norse.py", tmp_path)
    x, y, p = networks.events()
    trace = Engine(network).run(np.arange(len(x)) * STEP_US, x, y, p, trace=True).trace[1]
    with np.load(tmp_path / "read.npz") as read:
        theirs = read["second"]
    ours = np.zeros(theirs.shape, int)
    np.add.at(ours, (trace[:, 0], *trace[:, 2:].T), 1)
    assert theirs.sum() > 50
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("case", list(CASES))
def test_from_the_file_and_recordings_to_the_table(case, written):
    """What a user of the framework does (docs/nir.md), with made-up recordings."""
    *_, how, _ = CASES[case]
    folder, rng = written(case), np.random.default_rng(0)
    size, n = networks.SIZE, 200
    outputs = from_nir(folder / "network.nir", **how).n_classes
    recordings = []
    for _ in range(6):
        events = np.zeros(n, [("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
        events["t"] = np.sort(rng.integers(0, 10_000, n))
        for key, values in (("x", size), ("y", size), ("p", 2)):
            events[key] = rng.integers(0, values, n)
        recordings.append(events)
    data = Recordings.from_arrays(recordings, [0, 1, 2, 0, 1, 2], (2, size, size), [str(i) for i in range(outputs)])
    evaluation = deploy(folder / "network.nir", data, **how)
    assert evaluation.rows[0].spikes.sum() > 0
    assert "6 recordings" in str(evaluation)


# --- without any environment: the forms that these tools write


def test_a_leak_of_snntorch_by_hand():
    """beta = 0.9 at dt = 0.1 ms: tau = 1 ms, r = 10. A weight is a jump, and a step multiplies by beta."""
    nir = pytest.importorskip("nir")
    one = np.ones(1, np.float32)

    def graph(tau, r):
        nodes = {
            "input": nir.Input({"input": np.array([1])}),
            "fc": nir.Linear(np.array([[0.5]], np.float32)),
            "lif": nir.LIF(tau=one * tau, r=one * r, v_leak=one * 0, v_threshold=one * 9, v_reset=one * 0),
            "out": nir.Linear(np.array([[1.0]], np.float32)),
            "output": nir.Output({"output": np.array([1])}),
        }
        return nir.NIRGraph(nodes, [("input", "fc"), ("fc", "lif"), ("lif", "out"), ("out", "output")])

    network = from_nir(graph(1e-3, 10.0), reset="soft", dt=1e-4, step_us=5000)
    assert network.synapses[0].values.item() == pytest.approx(0.5)
    assert np.exp(-5000 / network.populations[0].tau_us) == pytest.approx(0.9)
    impulse = from_nir(graph(1e-3, 1e-3))
    assert impulse.synapses[0].values.item() == pytest.approx(0.5), "NIR's own reading"
    assert impulse.populations[0].tau_us == pytest.approx(1000)
    unleaky = from_nir(graph(np.inf, np.inf), reset="soft")
    assert unleaky.populations[0].tau_us is None
    assert unleaky.synapses[0].values.item() == 0.5
    with pytest.raises(DataError, match=r"'lif': tau is .* not longer than a time step"):
        from_nir(graph(1e-4, 1.0), dt=1e-4)
    with pytest.raises(DataError, match="dt and step_us must be positive"):
        from_nir(graph(1e-3, 1.0), dt=-1.0)
