"""Static images through the phases: what is planned, what is refused, and every method trains on them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from data.image_data import write_idx
from jobs import do

from snn import methods
from snn.benchmark.cell import Cell
from snn.benchmark.layout import CellFolder
from snn.benchmark.plan import Plan
from snn.cli import main
from snn.config.blocks import Train
from snn.config.read import read_configuration
from snn.config.validation import merge
from snn.data.augment import flipped, shifted
from snn.data.conversion import convert
from snn.data.frames import Frames
from snn.errors import ConfigError
from snn.phases.experiment import Experiment
from snn.phases.sweep import SpikeCount, predict_at
from snn.training.loop import augmented, generator

ROOT = Path(__file__).resolve().parents[2]
SPLIT = {"validation": 0.25}


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    """A folder with `raw`, four IDX files of bars whose place tells the class, and their `store`."""
    folder = tmp_path_factory.mktemp("digits")
    write_idx(folder / "raw", train=80, test=20)
    convert("idx", {"folder": str(folder / "raw")}, SPLIT, folder / "store", progress=False)
    return folder


@pytest.fixture
def job_on_images(digits, tmp_path):
    """job_on_images(method, phase, folder, teacher, **overlay): the experiment of a cell on the digits."""

    def make(method, phase="train", folder=None, t=3, teacher=None, cache=100, **overlay):
        plan = planned(digits, method, t, **overlay)
        cell = Cell("digits", "3c1fc", method, 1 if methods.find(method).timeless else t, 0)
        return Experiment(
            plan.spec(cell, phase),
            plan.token(cell, phase),
            digits / "store",
            CellFolder(Path(folder or tmp_path / "cell")),
            teacher=None if teacher is None else CellFolder(teacher),
            frame_cache_mb=cache,
        )

    return make


def planned(digits, method, t=3, **overlay) -> Plan:
    small = {
        "matrix": {
            "datasets": ["digits"], "networks": ["3c1fc"], "methods": [method], "t_train": [t],
            "seeds": [0], "extra": [], "exclude": [],
        },
        "datasets": {"digits": {"reader": "idx", "params": {"folder": str(digits / "raw")}, "split": SPLIT}},
        "train": {"epochs": 2, "batch_size": 16},
        "sweep": {"t_eval": [1, 2]},
    }  # fmt: skip
    return Plan.load(merge(merge(read_configuration(ROOT / "config/config.yaml").model_dump(), small), overlay))


def test_there_is_no_deployment_on_static_images(digits):
    plan = planned(digits, "sdt")
    assert plan.phases(plan.cells[0])[:2] == ["train", "sweep"]
    assert "deploy" not in plan.phases(plan.cells[0])
    assert plan.kind("digits") == "images"
    assert plan.kind("saccades") == "events"


def test_autoaugment_on_events_is_refused_before_anything_runs(digits):
    with pytest.raises(ConfigError, match=r"train.augment.autoaugment: made for images .* 'saccades' holds events"):
        planned(digits, "sdt", train={"augment": {"autoaugment": True}}, matrix={"datasets": ["saccades"]})
    planned(digits, "sdt", train={"augment": {"autoaugment": True}})
    with pytest.raises(ConfigError, match=r"train.augment.cut_out.*'cutout'"):
        planned(digits, "sdt", train={"augment": {"cut_out": 8}})


def test_a_recipe_replaces_single_augmentations(digits):
    plan = planned(
        digits,
        "mtt",
        protocol="published",
        train={"augment": {"crop": 4}},
        recipes={"mtt": {"train": {"augment": {"cutout": 8}}}},
    )
    augment = plan.recipe("mtt", plan.config.matrix.networks[0]).augment
    assert (augment.crop, augment.cutout, augment.flip) == (4, 8, False)


@pytest.mark.parametrize("name", methods.names())
def test_every_method_trains_on_images(name, job_on_images, tmp_path):
    of = methods.find(name).teacher(methods.parameters(name, {}))
    teacher = tmp_path / "teacher" if of else None
    if of:
        do(job_on_images(of, folder=teacher))
    epochs = {"train": {"epochs": 1}, "methods": {"dspike": {"weights": 4}}}
    job = do(job_on_images(name, folder=tmp_path / "cell", teacher=teacher, **epochs))
    assert job.folder.record("train")["status"] == "ok"
    if not methods.find(name).timeless:
        do(job_on_images(name, "sweep", folder=tmp_path / "cell", **epochs), "sweep")
        assert job.folder.predictions("sweep")["clock/2/accuracy"].shape == (20,)


def test_one_pass_over_images_gives_what_a_pass_at_each_number_of_steps_gives(job_on_images):
    do(job_on_images("sdt", train={"epochs": 1}))
    job = do(job_on_images("sdt", "sweep", train={"epochs": 1}), "sweep")
    network, _ = job.load_network()
    rows = job.folder.rows("sweep", "metrics.csv")
    spikes = {int(row["t_eval"]): float(row["value"]) for row in rows if row["metric"] == "spikes"}
    predictions = job.folder.predictions("sweep")
    for t in (1, 2, 3):
        frames = Frames(job.store, "test", t, 100)
        with SpikeCount(network) as count:
            (apart,) = predict_at(network, (x for x, _ in frames.in_order(7)), [t])
        assert (predictions[f"clock/{t}/accuracy"] == apart).all()
        assert spikes[t] == pytest.approx(count.by_step.sum() / len(frames))


def test_a_killed_training_with_all_augmentations_resumes_to_the_same_bits(job_on_images, tmp_path):
    recipe = {"train": {"epochs": 3, "augment": {"crop": 2, "flip": True, "autoaugment": True, "cutout": 3}}}

    def stop(epoch, row):
        if epoch == 2:
            raise KeyboardInterrupt

    whole = do(job_on_images("mtt", folder=tmp_path / "a", **recipe))
    with pytest.raises(KeyboardInterrupt):
        do(job_on_images("mtt", folder=tmp_path / "b", cache=0, **recipe), on_epoch=stop)
    done = []
    resumed = job_on_images("mtt", folder=tmp_path / "b", cache=0, **recipe)
    do(resumed, on_epoch=lambda epoch, row: done.append(epoch))
    assert done == [3]
    a, b = (torch.load(j.folder.weights, weights_only=True)["network"] for j in (whole, resumed))
    assert all(torch.equal(a[k], b[k]) for k in a)
    a, b = ([{k: v for k, v in r.items() if k != "seconds"} for r in j.folder.rows("train", "history.csv")]
            for j in (whole, resumed))  # fmt: skip
    assert a == b


def test_a_teacher_sees_an_image_once_and_its_conversion_says_the_same(job_on_images, tmp_path):
    """Shown T times, an image must not count T times: spike counts come near the ANN's decisions as T grows."""
    recipe = {"train": {"epochs": 12, "lr": 0.01}}
    ann = do(job_on_images("ann", folder=tmp_path / "ann", **recipe))
    snn = do(job_on_images("conversion", t=64, folder=tmp_path / "snn", teacher=tmp_path / "ann", **recipe))
    a, b = ann.folder.predictions("train"), snn.folder.predictions("train")
    assert (a["clock/1/accuracy"] == a["label"]).mean() > 0.8
    assert (a["clock/1/accuracy"] == b["clock/64/accuracy"]).mean() >= 0.9


def test_bars_are_learnt(job_on_images):
    job = do(job_on_images("sdt", train={"epochs": 12, "lr": 0.01}))
    rows = {r["metric"]: float(r["value"]) for r in job.folder.rows("train", "metrics.csv")}
    assert rows["accuracy"] > 0.5, "ten classes: 0.1 by chance"


def test_a_crop_is_one_shift_and_then_come_the_flips():
    x = torch.poisson(torch.full((3, 8, 2, 6, 6), 1.0), generator=torch.Generator().manual_seed(0))
    draws = generator(0, "augmentation")
    expected = flipped(shifted(x, 2, draws), draws)
    assert torch.equal(augmented(x, Train(augment={"crop": 2, "flip": True}), generator(0, "augmentation")), expected)
    assert not torch.equal(expected, x)


def test_the_former_keys_are_refused_with_their_new_place(digits):
    for key, value, new in (("shift", 5, "crop"), ("flip", True, "flip")):
        words = rf"configuration key 'train\.{key}' was renamed: it is now '{new}' \(train\.augment\.{new}\)"
        with pytest.raises(ConfigError, match=words):
            planned(digits, "sdt", train={key: value})
        recipes = {"mtt": {"train": {key: value}}}
        with pytest.raises(ConfigError, match=rf"recipes\.mtt\.train\.{key}' was renamed: .*augment\.{new}"):
            planned(digits, "mtt", protocol="published", recipes=recipes)


def test_deploying_a_cell_of_images_is_refused_in_one_line(digits, tmp_path, monkeypatch, capsys):
    resolved = tmp_path / "resolved.json"
    resolved.write_text(planned(digits, "sdt").config.model_dump_json())
    monkeypatch.chdir(tmp_path)
    assert main(["deploy", "digits/3c1fc/sdt/T3/seed0", "--configfile", str(resolved)]) == 2
    said = capsys.readouterr().err
    assert "no deploy for it: methods without time are only trained, static images have no events" in said
