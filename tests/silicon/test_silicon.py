"""The comparison with a chip: arithmetic by hand, the independent sum against the engine, the command on made-up data.

On the published files themselves where SNN_SILICON_DATA names their folder (docs/silicon.md).
"""

from __future__ import annotations

import csv
import hashlib
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from snn.cli import main
from snn.data.format import EVENT
from snn.errors import DataError
from snn.events import Deployment, EventNetwork, Population, Synapse, from_nir
from snn.silicon import candidates, reference, study
from snn.silicon.counts import agreement, first_layer, spike_counts

nir = pytest.importorskip("nir")
DATA = os.environ.get("SNN_SILICON_DATA")


def events(rng, n=400, size=34):
    out = np.zeros(n, EVENT)
    out["t"] = np.sort(rng.integers(0, 300_000, n))
    out["x"], out["y"], out["p"] = rng.integers(0, size, n), rng.integers(0, size, n), rng.integers(0, 2, n)
    return out


def network(seed, bound=-1.0):
    rng = np.random.default_rng(seed)
    weights = rng.normal(0.1, 0.5, (4, 2, 5, 5)).astype(np.float32)
    neurons = [Population("1", (4, 16, 16), v_min=bound), Population("2", (2, 1, 1))]
    last = rng.normal(0, 0.1, (2, 1024)).astype(np.float32)
    synapses = [Synapse("input", "1", "conv", weights, stride=2, padding=1), Synapse("1", "2", "linear", last)]
    return EventNetwork((2, 34, 34), neurons, synapses)


def test_agreement_by_hand():
    a = agreement(np.array([[3, 0], [4, 2]]), np.array([[3, 0], [5, 0]]))
    assert a.cosine == pytest.approx((9 + 20) / np.sqrt(29 * 34))
    assert (a.exact, a.within_one, a.difference, a.ratio) == (0.5, 0.75, 3 / 8, 9 / 8)
    assert (a.more, a.fewer) == (1, 1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("deployment", "options"),
    [
        (Deployment("dynapcnn"), {}),
        (Deployment("int8"), {"rounding": "int8"}),
        (Deployment("dynapcnn", reset="hard"), {"hard": True}),
    ],
)
def test_the_independent_sum_gives_the_engines_counts(seed, deployment, options):
    recordings = [events(np.random.default_rng(seed + i)) for i in range(3)]
    n = network(seed)
    ours = spike_counts(n, deployment, recordings)
    assert ours.shape == (3, 4, 16, 16)
    assert ours.sum() > 300
    np.testing.assert_array_equal(ours, candidates.counts(n, recordings, -1.0, **options))


def test_the_first_layer_alone_spikes_as_in_the_whole_network():
    n, recording = network(1), events(np.random.default_rng(0))
    whole = Deployment().engine(n).run(*(recording[name] for name in "txyp"))
    assert spike_counts(n, Deployment(), [recording]).sum() == whole.spikes[0]
    assert len(first_layer(n).populations) == 1


def test_each_option_changes_what_it_says():
    n, recordings = network(2), [events(np.random.default_rng(3)), events(np.random.default_rng(4))]
    plain = candidates.counts(n, recordings, -1.0)
    for option in ({"strict": True}, {"hard": True}, {"theta": 60}, {"floor": -5}, {"random_start": True}):
        assert (candidates.counts(n, recordings, -1.0, **option) != plain).any(), option
    carried = candidates.counts(n, recordings, -1.0, carry=True)
    np.testing.assert_array_equal(carried[0], plain[0])
    assert (carried[1] != plain[1]).any()
    rng = np.random.default_rng(0)
    recording = recordings[0]
    assert len(candidates.reordered(recording, "loss", rng)) <= len(recording)
    for order in ("ties", "jitter"):
        other = candidates.reordered(recording, order, rng)
        assert sorted(other.tolist()) == sorted(recording.tolist())
    assert (np.diff(candidates.reordered(recording, "ties", rng)["t"]) >= 0).all()


def test_every_candidate_has_a_source_and_one_is_kept():
    assert all(c.source for c in candidates.CANDIDATES)
    assert [c.name for c in candidates.CANDIDATES if c.kept] == ["vendor's rounding"]
    kept = agreement(np.ones(1000), np.ones(1000))
    assert study.verdict(kept._replace(exact=0.9), kept) == "agrees worse"
    assert study.verdict(kept, kept._replace(exact=0.9)) == "agrees better"
    assert study.verdict(kept._replace(exact=0.9998), kept) == "no difference"


# --- the published files


def test_other_files_and_a_failed_download_are_refused_in_one_line(tmp_path, monkeypatch):
    import pooch

    def retrieve(*_, **__):
        raise OSError("no route to host\nand more")

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    with pytest.raises(
        DataError, match=r"cnn_sinabs\.nir: not there, and not to be had.*no route to host\); put the file"
    ):
        reference.files(tmp_path)
    for name in reference.SHA256:
        (tmp_path / name).write_text("something else")
    with pytest.raises(DataError, match="another file, or a damaged one"):
        reference.files(tmp_path)


def test_absent_files_are_fetched_and_checked(tmp_path, monkeypatch):
    """By pooch itself, from a file here in place of the repository."""
    (tmp_path / "there").mkdir()
    for name in reference.SHA256:
        (tmp_path / "there" / name).write_text(name)
        monkeypatch.setitem(reference.SHA256, name, hashlib.sha256(name.encode()).hexdigest())
    import functools
    import http.server
    import threading

    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "there")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(reference, "URL", f"http://127.0.0.1:{server.server_port}/")
    try:
        paths = reference.files(tmp_path / "here")
    finally:
        server.shutdown()
    assert {name: path.read_text() for name, path in paths.items()} == {name: name for name in reference.SHA256}


# --- the command, on made-up data


def write_nir(path):
    n = network(5)
    shape = (4, 16, 16)
    nodes = {
        "input": nir.Input({"input": np.array([2, 34, 34])}),
        "conv": nir.Conv2d((34, 34), n.synapses[0].values, 2, 1, 1, 1, np.zeros(4, np.float32)),
        "1": nir.IF(r=np.ones(shape), v_threshold=np.ones(shape)),
        "flat": nir.Flatten({"input": np.array(shape)}, 0, -1),
        "fc": nir.Linear(n.synapses[1].values),
        "2": nir.IF(r=np.ones(2), v_threshold=np.ones(2)),
        "output": nir.Output({"output": np.array([2])}),
    }
    nir.write(path, nir.NIRGraph(nodes, list(pairwise(nodes))))


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """A folder as the command takes it; its "chip" counts what the engine does, but for one neuron."""
    from tests.deployment.conftest import bin_file

    rng, names = np.random.default_rng(0), []
    recordings = []
    for split, number in (("Train", 2), ("Test", 1)):
        for digit in (0, 1):
            folder = tmp_path / "nmnist_small" / split / str(digit)
            folder.mkdir(parents=True)
            for i in range(number):
                columns = events(rng)
                (folder / f"{i:05}.bin").write_bytes(bin_file(*(columns[k].astype(np.int64) for k in "txyp")))
                if split == "Test":
                    names.append(f"Test/{digit}/{i:05}.bin")
                    recordings.append(columns)
    chip = tmp_path / reference.FOLDER
    chip.mkdir()
    write_nir(chip / reference.NETWORK)
    counts = spike_counts(from_nir(chip / reference.NETWORK, reset="soft"), study.OURS, recordings)
    counts[0, 0, 0, 0] += 1
    np.save(chip / reference.ACTIVITY, counts[None].astype(np.float32))
    for name in reference.SHA256:
        monkeypatch.setitem(reference.SHA256, name, hashlib.sha256((chip / name).read_bytes()).hexdigest())
    monkeypatch.setattr(reference, "RECORDINGS", tuple(names))
    monkeypatch.setattr("snn.silicon.figures.DIGITS", (0, 1))
    monkeypatch.setattr(study, "UNITS", (71, 72))
    monkeypatch.setattr("snn.silicon.figures.UNITS", (71, 72))
    return tmp_path


def test_the_command_leaves_tables_figures_and_a_page(made_up, capsys):
    out = made_up / "report"
    assert main(["silicon", "--data", str(made_up), "--out", str(out)]) == 0
    assert {p.name for p in out.iterdir()} == {
        "index.html", "chip.csv", "agreement.csv", "candidates.csv", "deployment.csv", "neighbours.csv",
        "scatter.png", "maps.png", "bounds.svg", "neighbours.svg",
    }  # fmt: skip
    rows = list(csv.DictReader((out / "chip.csv").open()))
    assert list(rows[0]) == ["quantity", "setting", "ours", "chip", "best_simulator", "source"]
    exact = next(row for row in rows if row["quantity"].startswith("neurons with") and "dynapcnn" in row["setting"])
    assert float(exact["ours"]) == pytest.approx(100 * (1 - 1 / 2048), abs=0.06)
    text = (out / "index.html").read_text()
    assert "http" not in text.replace("http://www.w3.org", "")
    assert text.count("<svg") + text.count("<img") == 4
    assert "report:" in capsys.readouterr().out


def test_recordings_that_are_not_there_are_named(made_up, monkeypatch, capsys):
    monkeypatch.setattr(reference, "RECORDINGS", ("Test/0/99999.bin",))
    assert main(["silicon", "--data", str(made_up)]) == 2
    assert "Test/0/99999.bin: the chip was given this recording" in capsys.readouterr().err
    assert main(["silicon", "--data", str(made_up / "reference")]) == 2


@pytest.mark.skipif(not DATA, reason="SNN_SILICON_DATA: a folder with N-MNIST and nir_nmnist/ (docs/silicon.md)")
def test_the_engine_agrees_with_the_chip(tmp_path):
    """The goals: cosine at least 0.998 and 94 % of neurons equal in int8; the vendor's rounding is better on both."""
    chip = reference.read(Path(DATA) / reference.FOLDER)
    everything = study.Recordings.from_folder(study.nmnist(Path(DATA), tmp_path), "nmnist", part="all")
    recordings = list(everything.read(study.positions(everything, reference.RECORDINGS)))
    int8, vendor = (
        agreement(spike_counts(chip.network, Deployment(numbers, v_min=-1.0), recordings), chip.counts)
        for numbers in ("int8", "dynapcnn")
    )
    assert int8.cosine >= 0.998
    assert int8.exact >= 0.94
    assert vendor.cosine > int8.cosine
    assert vendor.exact >= 0.97
    assert abs(vendor.ratio - 1) < 0.001
