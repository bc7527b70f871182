"""The loop: resuming to the same bits, divergence as a result, nothing selected on the test set, damaged files."""

from __future__ import annotations

import math
import zipfile

import numpy as np
import pytest
import torch
from jobs import do

from snn.data.frames import Frames
from snn.errors import DataError
from snn.methods.sdt import SDT


class Killed(Exception):
    pass


def kill_after(epoch):
    def on_epoch(done, row):
        if done == epoch:
            raise Killed

    return on_epoch


def history(experiment):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in experiment.folder.rows("train", "history.csv")]


def weights(experiment):
    return torch.load(experiment.folder.weights, weights_only=True)


def assert_same_cell(a, b):
    assert history(a) == history(b)
    wa, wb = weights(a), weights(b)
    for part in ("network", "running"):
        assert all(torch.equal(wa[part][k], wb[part][k]) for k in wa[part])
    pa, pb = (e.folder.predictions("train") for e in (a, b))
    assert all(np.array_equal(pa[k], pb[k]) for k in pa)


@pytest.mark.parametrize("name", ["sdt", "mtt", "ann"])
def test_a_killed_training_resumes_to_the_same_bits(name, make_job, tmp_path):
    recipe = {"epochs": 3, "augment": {"crop": 2}}
    uninterrupted = make_job(name, folder=tmp_path / "a", train=recipe)
    do(uninterrupted, "train")
    killed = make_job(name, folder=tmp_path / "b", train=recipe)
    with pytest.raises(Killed):
        do(killed, "train", on_epoch=kill_after(2))
    assert killed.folder.checkpoint.exists()
    assert not killed.folder.is_complete("train")
    done = []
    again = make_job(name, folder=tmp_path / "b", train=recipe)
    do(again, "train", on_epoch=lambda epoch, row: done.append(epoch))
    assert done == [3], "only what was missing is trained"
    assert_same_cell(uninterrupted, again)


def test_a_checkpoint_of_another_configuration_is_not_used(make_job):
    with pytest.raises(Killed):
        do(make_job("sdt", train={"epochs": 3, "lr": 1e-3}), "train", on_epoch=kill_after(2))
    done = []
    do(make_job("sdt", train={"epochs": 3}), "train", on_epoch=lambda epoch, row: done.append(epoch))
    assert done == [1, 2, 3]


def test_a_damaged_checkpoint_is_named_with_the_remedy(make_job):
    e = make_job("sdt")
    e.folder.path.mkdir(parents=True)
    e.folder.checkpoint.write_bytes(b"not a checkpoint")
    with pytest.raises(DataError, match=r"checkpoint\.pt: not a readable checkpoint.*delete this file"):
        do(e, "train")


def flipped(path, at=0.5):
    """Change one bit of the largest member of what `checkpoint.save` wrote, and nothing else."""
    with zipfile.ZipFile(path) as archive:
        member = max(archive.infolist(), key=lambda m: m.file_size)
        head = archive.read(member)[:16]
    content = bytearray(path.read_bytes())
    content[content.index(head, member.header_offset) + int(at * member.file_size)] ^= 1
    path.write_bytes(content)


def test_one_changed_bit_in_a_checkpoint_or_in_weights_is_noticed(make_job):
    e = make_job("sdt", train={"epochs": 2})
    with pytest.raises(Killed):
        do(e, "train", on_epoch=kill_after(1))
    whole = e.folder.checkpoint.read_bytes()
    flipped(e.folder.checkpoint)
    with pytest.raises(DataError, match=r"not a readable checkpoint"):
        do(make_job("sdt", train={"epochs": 2}), "train")
    e.folder.checkpoint.write_bytes(whole)
    do(make_job("sdt", train={"epochs": 2}), "train")
    flipped(e.folder.weights)
    with pytest.raises(DataError, match=r"not readable as weights"):
        make_job("sdt", train={"epochs": 2}).load_network()


def test_fewer_evaluations_change_no_training_and_it_resumes_before_the_first(make_job, tmp_path):
    recipe = {"epochs": 5, "augment": {"crop": 2}}
    each = do(make_job("sdt", folder=tmp_path / "each", train=recipe))
    rare = do(make_job("sdt", folder=tmp_path / "rare", train=recipe | {"evaluate_every": 2}))
    with pytest.raises(Killed):
        do(make_job("sdt", folder=tmp_path / "killed", train=recipe | {"evaluate_every": 2}), on_epoch=kill_after(1))
    assert_same_cell(rare, do(make_job("sdt", folder=tmp_path / "killed", train=recipe | {"evaluate_every": 2})))
    columns = {"val_loss", "val_accuracy", "test_accuracy"}
    for epoch, (often, seldom) in enumerate(zip(history(each), history(rare), strict=True), 1):
        expected = often if epoch in (2, 4, 5) else {k: v for k, v in often.items() if k not in columns}
        assert {k: v for k, v in seldom.items() if v} == expected
    assert all(torch.equal(weights(each)["network"][k], w) for k, w in weights(rare)["network"].items())
    last = [e.folder.predictions("train")["clock/4/accuracy"] for e in (each, rare)]
    assert np.array_equal(*last)


def drop(key):
    return lambda state: state.pop(key)


def another_shape(state):
    moments = next(iter(state["optimizer"]["state"].values()))
    moments["exp_avg"] = moments["exp_avg"][:1]


def no_text(state):
    state["history"][0] = {"epoch": 1, "test_accuracy": "x"}


def other_statistics(state):
    state["running"] = {name: value[None] for name, value in state["running"].items()}


@pytest.mark.parametrize("damage", [drop("generators"), drop("history"), another_shape, no_text, other_statistics])
def test_a_checkpoint_that_lacks_something_is_refused_before_anything_is_trained(make_job, damage):
    e = make_job("sdt", train={"epochs": 2})
    with pytest.raises(Killed):
        do(e, "train", on_epoch=kill_after(1))
    state = torch.load(e.folder.checkpoint, weights_only=True)
    damage(state)
    torch.save(state, e.folder.checkpoint)
    with pytest.raises(DataError, match=r"not a readable checkpoint.*delete this file"):
        do(make_job("sdt", train={"epochs": 2}), "train", on_epoch=kill_after(2))


def test_a_damaged_weights_file_is_named_with_the_remedy(make_job):
    e = make_job("sdt", train={"epochs": 1})
    do(e, "train")
    e.folder.weights.write_bytes(b"no")
    with pytest.raises(DataError, match=r"weights\.pt.*delete it and run again"):
        do(make_job("sdt", "sweep", train={"epochs": 1}), "sweep")


def test_divergence_is_a_result_of_its_cell(make_job, monkeypatch):
    loss, calls = SDT.loss, []

    def not_a_number_after_three(self, model, x, y):
        calls.append(1)
        value, logits = loss(self, model, x, y)
        return value * (float("nan") if len(calls) > 3 else 1.0), logits

    monkeypatch.setattr(SDT, "loss", not_a_number_after_three)
    record = do(make_job("sdt"), "train").folder.record("train")
    assert record["status"] == "diverged"
    assert "nan" in record["reason"]
    assert len(history(make_job("sdt"))) == 1, "the row of the epoch before is recorded"
    for phase in ("sweep", "deploy"):
        assert do(make_job("sdt", phase), phase).folder.record(phase)["status"] == "diverged"


def test_nothing_is_selected_on_the_test_set(make_job, tmp_path, monkeypatch):
    """With other test labels, weights and predictions of the selected epoch stay what they were."""
    first = make_job("sdt", folder=tmp_path / "a", train={"epochs": 3})
    do(first, "train")
    init = Frames.__init__

    def with_other_test_labels(self, store, split, *rest, **more):
        init(self, store, split, *rest, **more)
        if split == "test":
            self.labels = 9 - self.labels

    monkeypatch.setattr(Frames, "__init__", with_other_test_labels)
    second = make_job("sdt", folder=tmp_path / "b", train={"epochs": 3})
    do(second, "train")
    a, b = (e.folder.predictions("train") for e in (first, second))
    assert all(np.array_equal(a[k], b[k]) for k in a if k.startswith("clock"))
    wa, wb = weights(first)["network"], weights(second)["network"]
    assert all(torch.equal(wa[k], wb[k]) for k in wa)


def test_cached_frames_and_frames_binned_batch_by_batch_give_the_same_bits(make_job, tmp_path):
    from dataclasses import replace

    a = make_job("sdt", folder=tmp_path / "a")
    b = replace(make_job("sdt", folder=tmp_path / "b"), frame_cache_mb=0)
    do(a, "train")
    do(b, "train")
    assert_same_cell(a, b)


def test_seeds_differ(make_job, tmp_path):
    a = make_job("sdt", folder=tmp_path / "a", train={"epochs": 1})
    b = make_job("sdt", folder=tmp_path / "b", seed=1, train={"epochs": 1})
    do(a, "train")
    do(b, "train")
    wa, wb = weights(a)["network"], weights(b)["network"]
    assert not any(torch.equal(wa[k], wb[k]) for k in wa if wa[k].dtype.is_floating_point)


def test_time_steps_are_counted(make_job, tmp_path):
    sdt = make_job("sdt", train={"epochs": 1})
    do(sdt, "train")
    assert float(history(sdt)[0]["time_steps"]) == 40 * 4  # 40 samples at T = 4
    mtt = make_job("mtt", folder=tmp_path / "mtt", train={"epochs": 1})
    do(mtt, "train")
    steps = float(history(mtt)[0]["time_steps"])
    assert 40 * 3 * 1 <= steps <= 40 * 3 * 4
    assert not math.isclose(steps, 40 * 4)
