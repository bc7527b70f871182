"""Recording by recording: which ones are lost event-driven, as frames, and one on its way through the engine."""

import numpy as np
import pytest
from fake import engine_run, make_cells

from snn.data.store import open_store
from snn.events import EventNetwork, Population, Synapse, save
from snn.phases import recordings
from snn.phases.collect import collect
from snn.report import figures, frames, tables
from snn.report.figures import engine
from snn.report.figures.drawn import data_of
from snn.report.results import Results
from snn.report.tables import lost

SMALL = {"networks": ("3c1fc",), "samples": 60, "epochs": 2, "diverged": (), "star": (), "methods": ("sdt", "mtt")}


@pytest.fixture
def results(tmp_path) -> Results:
    collect("fake", "matched", make_cells(tmp_path / "cells", **SMALL), tmp_path / "report")
    return Results(tmp_path / "report")


def test_lost_is_correct_clock_driven_and_wrong_event_driven(results):
    (of_panel,) = lost.lost(results)
    start = "saccades/3c1fc/sdt/T10/seed1/deploy/"
    expected = results.predictions[f"{start}clock/10/accuracy"] & ~results.predictions[f"{start}event-float//accuracy"]
    data = tables.lost.lost_recordings(results).data
    counted = data[data["method"] == "sdt"].set_index("recording")["seeds_that_lose_it"]
    for recording, is_lost in zip(results.predictions[f"{start}index"], expected, strict=True):
        assert not is_lost or counted[recording] >= 1
    assert of_panel.seeds == [3, 3]
    assert (of_panel.lost <= 3).all()


def test_methods_that_lose_the_same_recordings_agree(results):
    data = tables.lost.lost_together(results).data.set_index(["method", "other"])
    both = data["lost_by_both"]
    assert both["sdt", "mtt"] == both["mtt", "sdt"]
    assert both["sdt", "sdt"] == data["lost"]["sdt", "sdt"]
    assert (data["lost_by_both"] <= data["lost"]).all()


def test_the_table_has_all_that_some_method_loses(results, monkeypatch):
    monkeypatch.setattr(lost, "SHOWN", 1)
    (of_panel,) = lost.lost(results)
    shown = {int(recording) for recording in tables.lost.lost_recordings(results).view["Recording"]}
    of_some = set(of_panel.recordings[of_panel.by_most.any(axis=0)].tolist())
    assert len(of_some) > 1
    assert of_some <= shown


def test_the_animation_counts_what_the_picture_shows(results):
    assert engine.counts(results) == {}
    results.recordings = engine_run(0, (50, 0))
    counts = engine.counts(results)
    assert counts["ms"] == 100
    assert (counts["events"][30], counts["events"][-1]) == (0.6, 1.0)
    assert (counts["spikes"][30], counts["spikes"][-1]) == (30, 50), "of a layer that was thinned out in proportion"
    data = data_of(figures.draw("events_through_network", results))
    assert data["kind"].value_counts().to_dict() == {"event": 5, "spike": 5}
    assert data.query("kind == 'spike'")["x"].astype(float).tolist() == [0, 10, 20, 90, 100]


def test_frames_and_a_run_are_gathered_from_the_store(tiny_store, tmp_path):
    """A network of one layer, whose every spike is there; of two recordings the first is lost."""
    store = open_store(tiny_store)
    index = store.indices("test")[:2].astype(np.int64)
    cell = {"dataset": "saccades", "network": "one", "method": "sdt", "t_train": 4, "seed": 0, "folder": tmp_path}
    weight = np.full((10, int(np.prod(store.shape))), 0.01, np.float32)
    populations, synapses = [Population("readout", (10, 1, 1))], [Synapse("input", "readout", "linear", weight)]
    (tmp_path / "deploy").mkdir()
    save(EventNetwork(store.shape, populations, synapses), tmp_path / "deploy" / "network.npz")
    start = "saccades/one/sdt/T4/seed0/deploy/"
    correct = {
        "index": index,
        "clock/4/accuracy": np.array([True, True]),
        "event-float//accuracy": np.array([False, True]),
    }
    arrays = recordings.gather(
        [cell], {start + name: array for name, array in correct.items()}, {"saccades": tiny_store / "manifest.json"}
    )
    assert arrays["saccades/index"].tolist() == [index[0]]
    assert arrays["saccades/frames"].sum() == store.n_events(int(index[0]))
    assert arrays["run/index"] == index[1]
    assert len(arrays["run/events"]) == min(store.n_events(int(index[1])), recordings.SPIKES_OF_A_LAYER)
    spikes = arrays["run/layer1/readout"]
    assert arrays["run/n_spikes"].tolist() == [len(spikes)]
    assert len(spikes) >= 10 * int(0.01 * store.n_events(int(index[1])) * 0.9)
    assert spikes[:, 0].max() <= arrays["run/t_end_us"]


def test_without_a_store_nothing_is_gathered(tmp_path):
    cells = make_cells(tmp_path / "cells", **SMALL)
    collect("fake", "matched", cells, tmp_path / "report")
    predictions = Results(tmp_path / "report").predictions
    assert recordings.gather(cells, predictions, {"saccades": tmp_path / "no" / "manifest.json"}) == {}


def test_larger_sensors_are_summed():
    counts = np.ones((1, 2, 2, 130, 100), np.uint8)
    smaller = recordings._smaller(counts)
    assert smaller.shape == (1, 2, 2, 44, 34)
    assert smaller.sum() == counts.sum()


def test_a_picture_is_a_small_png():
    address = frames.png(np.ones((6, 2, 34, 34), np.uint8))
    assert address.startswith("data:image/png;base64,")
    assert len(address) < 2000
