"""From a NIR file and a folder of recordings to numbers and a page: in Python, and on the command line."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from snn.cli import main
from snn.deployment import Recordings, deploy
from snn.deployment.page import write
from snn.errors import DataError, UserError
from snn.events import Deployment, Engine, from_nir
from snn.statistics import paired_proportions, proportion_interval

from .conftest import graph, nir


def test_the_rows_are_what_the_engine_gives(network_file, recordings):
    evaluation = deploy(network_file, recordings, reader="nmnist", reset="soft", v_min=-1.0, lower_bounds=[-1.0, None])
    names = [row.setting.name for row in evaluation.rows]
    assert names == ["event-float", "event-int8", "event-float@v_min=none", "event-int8@v_min=none"], (
        "-1 is there already"
    )
    data = Recordings.from_folder(recordings, "nmnist")
    network = from_nir(network_file, reset="soft")
    for row, (numbers, bound) in zip(
        evaluation.rows, [("float", -1.0), ("int8", -1.0), ("float", None), ("int8", None)], strict=True
    ):
        engine = Engine(network.with_neurons(v_min=bound), numbers)
        results = [engine.run(*(events[key] for key in "txyp")) for events in data.read(range(len(data)))]
        assert row.predictions.tolist() == [r.prediction for r in results]
        assert row.spikes.tolist() == [r.spikes.tolist() for r in results]
        assert row.synops.tolist() == [r.synops.tolist() for r in results]
    first = evaluation.rows[0]
    assert (len(first.labels), first.accuracy.mean > 0.8) == (12, True)
    assert evaluation.table()[2]["v_min"] == "none"
    assert evaluation.row(Deployment("int8", v_min=None)) is evaluation.rows[3]


def test_a_setting_that_cannot_be_run_is_a_row_with_its_reason(network_file, recordings):
    evaluation = deploy(network_file, recordings, reader="nmnist", numbers=["float", "dynapcnn"], lower_bounds=[-1.0])
    assert [bool(row.refused) for row in evaluation.rows] == [False, True, False, False]
    assert "not run: population 'hidden': without a lower bound" in str(evaluation)


def test_where_the_files_own_setting_cannot_be_run_the_next_one_leads(network_file, recordings, tmp_path):
    how = {"reader": "nmnist", "numbers": ["dynapcnn"]}
    evaluation = deploy(network_file, recordings, lower_bounds=[-1.0, -2.0], **how)
    assert [bool(row.refused) for row in evaluation.rows] == [True, False, False]
    assert evaluation.first is evaluation.rows[1]
    assert [line.get("change") for line in evaluation.table()][:2] == [None, 0.0]
    text = write(evaluation, tmp_path / "page").read_text()
    assert text.count("not run: population &#39;hidden&#39;") == 1
    assert text.count("<td></td>") == 1, "what changes are against has no change"
    with pytest.raises(UserError, match="event-dynapcnn: population 'hidden': without a lower bound"):
        deploy(network_file, recordings, lower_bounds=[], **how)


def test_blocks_give_the_same_as_all_at_once(network_file, recordings, monkeypatch):
    def spikes():
        return deploy(network_file, recordings, reader="nmnist", lower_bounds=[], part="all").rows[0].spikes.tolist()

    whole = spikes()
    assert len(whole) == 18
    monkeypatch.setattr("snn.deployment.recordings.BLOCK_EVENTS", 300)
    assert spikes() == whole


def test_recordings_in_memory_and_names_of_outputs(network_file, recordings):
    data = Recordings.from_folder(recordings, "nmnist")
    events = list(data.read(range(len(data))))
    named = Recordings.from_arrays(events, data.labels.tolist(), (2, 34, 34), ["left", "right"])
    one = deploy(network_file, data, lower_bounds=[])
    assert deploy(network_file, named, lower_bounds=[]).rows[0].accuracy == one.rows[0].accuracy
    swapped = deploy(network_file, named, lower_bounds=[], classes=["right", "left"]).rows[0].accuracy.mean
    assert swapped == pytest.approx(1 - one.rows[0].accuracy.mean)
    with pytest.raises(UserError, match=r"2 outputs, but there are 3 class names.*--classes"):
        deploy(network_file, named, classes=["left", "right", "up"])
    with pytest.raises(UserError, match="class 'left', which no output"):
        deploy(network_file, named, classes=["up", "right"])
    with pytest.raises(UserError, match=r"\(2, 34, 34\), the recordings have \(2, 30, 34\)"):
        deploy(network_file, Recordings.from_arrays(events, data.labels.tolist(), (2, 30, 34), ["0", "1"]))


def test_what_cannot_be_read_is_refused(network_file, recordings, tmp_path):
    with pytest.raises(UserError, match="static images"):
        deploy(network_file, recordings, reader="image-folder")
    with pytest.raises(UserError, match=r"unknown configuration key 'reader nmnist\.size'"):
        deploy(network_file, recordings, reader="nmnist", reader_params={"size": 3})
    nir.write(tmp_path / "bias.nir", graph(bias=0.1))
    with pytest.raises(DataError, match=r"bias\.nir: node 'conv': has a bias"):
        deploy(tmp_path / "bias.nir", recordings, reader="nmnist")


def test_the_command_prints_the_table_and_writes_the_page(network_file, recordings, tmp_path, capsys):
    out = tmp_path / "page"
    options = ["--data", str(recordings), "--reader", "nmnist", "--reset", "soft", "--lower-bounds", "none", "-2"]
    assert main(["deploy-nir", str(network_file), *options, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "12 recordings of 2 classes" in printed
    assert "-2  soft   int8" in printed
    rows = list(csv.DictReader((out / "deployment.csv").open()))
    assert [row["mode"] for row in rows] == [
        "event-float", "event-int8", "event-float@v_min=-2", "event-int8@v_min=-2"
    ]  # fmt: skip
    text = (out / "index.html").read_text()
    assert "<svg" in text
    assert "http" not in text.replace("http://www.w3.org", ""), "the page needs nothing beside it"
    with np.load(out / "predictions.npz") as saved:
        assert (saved["event-int8"] == saved["label"]).mean() == float(rows[1]["accuracy"])
    before = (out / "index.html").read_bytes()
    assert main(["deploy-nir", str(network_file), *options, "--out", str(out)]) == 0
    assert (out / "index.html").read_bytes() == before, "the same numbers, the same page"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.nir", "--data", "."], "none.nir: no such file"),
        (["NETWORK", "--data", "nowhere", "--reader", "nmnist"], "nowhere"),
        (["NETWORK", "--data", ".", "--reader", "nmist"], "did you mean 'nmnist'"),
        (["NETWORK", "--data", ".", "--reader", "nmnist", "--reader-params", "x"], "'x' is not KEY=VALUE"),
        (["NETWORK", "--data", "DATA", "--reader", "nmnist", "--recordings", "-1"], "at least 1"),
        (["NETWORK", "--data", "."], "needs width and height, e.g. of the sensor that the network was trained for"),
    ],
)
def test_a_mistake_is_one_line(network_file, recordings, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    files = {"NETWORK": str(network_file), "DATA": str(recordings)}
    assert main(["deploy-nir", *(files.get(a, a) for a in arguments)]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert words in error[0]


def test_the_three_lines_of_the_manual(network_file, recordings, monkeypatch, capsys):
    """docs/nir.md, with this test's file, folder and reader."""
    manual = (Path(__file__).parents[2] / "docs/nir.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", manual, re.DOTALL)[1]
    code = code.replace('"network.nir"', repr(str(network_file))).replace('"recordings/"', repr(str(recordings)))
    exec(code.replace('reader_params={"width": 34, "height": 34}', 'reader="nmnist"'))
    assert "12 recordings of 2 classes" in capsys.readouterr().out


def test_intervals_by_hand():
    wilson = proportion_interval(9, 10)  # (k + z²/2) / (n + z²) ± …, z = 1.96: textbook values
    assert (round(wilson.low, 3), round(wilson.high, 3)) == (0.596, 0.982)
    same = np.ones(10, bool)
    assert paired_proportions(same, same).low == pytest.approx(-1.959964 / 12)
    other = same.copy()
    other[:2] = False
    change = paired_proportions(other, same)  # b' = 0.5, c' = 2.5, n' = 12
    assert change.mean == pytest.approx(-0.2)
    assert change.high == pytest.approx((-2 + 1.959964 * (3 - 4 / 12) ** 0.5) / 12)
