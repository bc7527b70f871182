"""Several processes share a batch: they come to the gradients, statistics and results of one process."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from jobs import do
from test_loop import Killed, assert_same_cell, history, kill_after
from torch import nn

from snn import methods
from snn.benchmark.cell import Cell
from snn.benchmark.plan import Plan
from snn.config.blocks import Train
from snn.config.read import read_configuration
from snn.config.validation import merge
from snn.errors import ConfigError, UserError
from snn.models.blueprint import Blueprint
from snn.models.joint import JOINT, join_statistics
from snn.neurons import NeuronSpec
from snn.phases.processes import joined
from snn.training.divided import Divided, Group
from snn.training.loop import generator
from snn.training.method import Run

ROOT = Path(__file__).resolve().parents[2]
SHAPE, CLASSES, STEPS = (2, 16, 16), 10, 4
DIVISIBLE = [n for n in methods.names() if methods.find(n).trains and not methods.find(n).indivisible]
NORMS = ("none", "scale", "batch", "tebn", "tescale")
# Every method with both kinds of statistics, every normalisation with one method. 7 samples are divided into 3 and 4; 1
# sample is fewer than there are processes.
CASES = [(name, norm, 7) for name in DIVISIBLE for norm in ("scale", "batch")]
CASES += [("sdt", norm, 7) for norm in NORMS if norm not in ("scale", "batch")]
CASES += [("mtt", norm, 1) for norm in ("scale", "batch")]


def step(name, norm, samples, group=None):
    """What one step of a method leaves, in float64: there, other orders of sums move no spike."""
    method, params = methods.find(name), methods.parameters(name, {})
    torch.manual_seed(0)
    blueprint = Blueprint("3c1fc", {"norm": norm}, SHAPE, CLASSES, NeuronSpec(), STEPS)
    network = method.build(params, blueprint)
    if norm == "none":  # its deeper layers would be silent, and nothing would have a gradient
        for weight in network.parameters():
            weight.data.mul_(4)
    teacher = blueprint.build(nn.ReLU).double().eval().requires_grad_(False) if method.teacher(params) else None
    draws = torch.Generator().manual_seed(1)
    x = torch.poisson(torch.full((STEPS, samples, *SHAPE), 2.0, dtype=torch.float64), draws)
    y = torch.randint(0, CLASSES, (samples,), generator=draws)
    run = Run(t_train=STEPS, classes=CLASSES, input_shape=SHAPE, epochs=1, iterations=1, train=Train(), labels=y,
              steps=generator(0, "steps"), teacher=teacher)  # fmt: skip
    trained = method(params, run)
    if group is not None:
        trained = Divided(trained, group)
    model = trained.prepare(network).double().train()
    trained.start_epoch(model, 1, (x, y))
    result = trained.step(model, x, y)
    left = {f"gradient of {n}": p.grad for n, p in model.named_parameters() if p.grad is not None}
    left |= {"loss": torch.tensor(result.loss), "logits": result.logits.double()}
    left |= {"time steps": torch.tensor(result.time_steps)}
    left |= {f"{n} after the step": b.clone() for n, b in model.named_buffers()}
    trained.before_evaluation(model, iter([x, x[:, : samples - 1]] if samples > 1 else [x]))
    left |= {f"{n} in evaluation": b.clone() for n, b in model.named_buffers()}
    left |= {f"history: {k}": torch.tensor(v) for k, v in trained.end_epoch(model).items()}
    return left


def second(index, meeting):
    """The second process does all cases in their order, too."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=meeting, rank=1, world_size=2)
    try:
        for case in CASES:
            step(*case, Group(1, 2))
    finally:
        dist.destroy_process_group()


@pytest.fixture(scope="module")
def divided(tmp_path_factory):
    """What two processes come to in each case."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    meeting = f"file://{tmp_path_factory.mktemp('processes')}/processes"
    other = mp.start_processes(second, (meeting,), nprocs=1, join=False, start_method="spawn")
    dist.init_process_group("gloo", init_method=meeting, rank=0, world_size=2)
    torch.set_num_threads(1)
    try:
        found = {case: step(*case, Group(0, 2)) for case in CASES}
        while not other.join():
            pass
    finally:
        dist.destroy_process_group()
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_two_processes_come_to_what_one_comes_to_on_the_whole_batch(case, divided):
    alone = step(*case)
    assert divided[case].keys() == alone.keys()
    assert any(value.abs().max() > 1e-6 for key, value in alone.items() if key.startswith("gradient"))
    for key, value in alone.items():
        # losses and logits pass through float32, and running statistics begin in it; gradients do not
        exact = key.startswith("gradient")
        tolerance = {"rtol": 1e-9, "atol": 1e-12} if exact else {"rtol": 1e-6, "atol": 1e-7}
        torch.testing.assert_close(divided[case][key], value, **tolerance, msg=lambda m, key=key: f"{key}: {m}")


def test_a_normalisation_without_a_joint_form_is_refused_by_name():
    assert nn.InstanceNorm2d not in JOINT
    with pytest.raises(ConfigError, match="InstanceNorm2d"):
        join_statistics(nn.Sequential(nn.InstanceNorm2d(3, track_running_stats=True)), lambda x: x, lambda: 1.0)


TWO = {"resources": {"processes": 2}}
RECIPE = {"epochs": 3, "batch_size": 40, "augment": {"crop": 2}}  # one step an epoch, so that the first is before any


@pytest.fixture
def helpers():
    """helpers(): the processes that help this test's training; others may have been left by earlier tests' readers."""
    before = {child.pid for child in multiprocessing.active_children()}
    return lambda: [child for child in multiprocessing.active_children() if child.pid not in before]


def test_a_training_by_two_processes_is_that_of_one_and_resumes_to_the_same_bits(make_job, helpers, tmp_path):
    alone = do(make_job("mtt", folder=tmp_path / "one", train=RECIPE))
    both = do(make_job("mtt", folder=tmp_path / "two", train=RECIPE, **TWO))
    assert both.folder.record("train")["config"]["processes"] == 2
    first, second_ = history(alone)[0], history(both)[0]
    assert first["time_steps"] == second_["time_steps"], "the same draws"
    for column in ("loss", "gradient_norm_first"):
        assert float(second_[column]) == pytest.approx(float(first[column]), rel=1e-3), "sums in another order"
    with pytest.raises(Killed):
        do(make_job("mtt", folder=tmp_path / "killed", train=RECIPE, **TWO), on_epoch=kill_after(2))
    assert not helpers(), "no helper is left behind"
    done = []
    again = make_job("mtt", folder=tmp_path / "killed", train=RECIPE, **TWO)
    do(again, on_epoch=lambda epoch, row: done.append(epoch))
    assert done == [3]
    assert_same_cell(both, again)


def test_a_helper_that_is_killed_is_named_and_the_batch_systems_signal_is_not_for_it(make_job, helpers):
    epochs = []

    def kill_the_helper(epoch, row):
        epochs.append(epoch)
        (helper,) = helpers()
        os.kill(helper.pid, signal.SIGUSR1 if epoch == 1 else signal.SIGKILL)

    with pytest.raises(UserError, match=r"process 2 of the 2 .*SIGKILL.*run again to resume"):
        do(make_job("sdt", train=RECIPE, **TWO), on_epoch=kill_the_helper)
    assert epochs == [1, 2]
    assert not helpers()


def note_at_exit(note, experiment, group):
    atexit.register(lambda: note.write_text(f"connected: {dist.is_initialized()}"))


def test_a_helper_disconnects_before_it_ends(make_job, tmp_path):
    """Threads of gloo that run when the interpreter ends abort the process now and then, which looks like a failure."""
    with joined(make_job("sdt", train=RECIPE, **TWO), partial(note_at_exit, tmp_path / "note")):
        pass
    assert (tmp_path / "note").read_text() == "connected: False"


def plan(name, **overlay):
    base = read_configuration(ROOT / "config/config.yaml").model_dump()
    one = {"methods": [name], "networks": ["3c1fc"], "seeds": [0], "extra": []}
    return Plan.load(merge(base, {"matrix": one, "robustness": {"recovery": []}} | overlay))


INDIVISIBLE = [n for n in methods.names() if methods.find(n).trains and methods.find(n).indivisible]


@pytest.mark.parametrize("name", INDIVISIBLE)
def test_what_cannot_be_divided_is_refused_with_the_reason(name):
    with pytest.raises(ConfigError, match=f"{name} trains in one process: {methods.find(name).indivisible}"):
        plan(name, resources={"processes": 2})


@pytest.mark.parametrize(
    ("overlay", "reason"),
    [
        ({"resources": {"processes": 2, "device": "cuda:1"}}, "a GPU for each"),
        ({"resources": {"processes": 4}, "train": {"batch_size": 3}}, "cannot share a batch"),
    ],
)
def test_settings_that_no_division_fits_are_refused(overlay, reason):
    with pytest.raises(ConfigError, match=reason):
        plan("sdt", **overlay)


def test_one_process_and_what_does_not_train_know_nothing_of_it():
    cell = Cell("saccades", "3c1fc", "sdt", 6, 0)
    assert "processes" not in plan("sdt").spec(cell, "train")
    divided = plan("sdt", resources={"processes": 2})
    assert divided.spec(cell, "train")["processes"] == 2
    assert "processes" not in divided.spec(cell, "sweep"), "the other phases are those of one process"
    untrained = plan("chance", resources={"processes": 2})
    assert untrained.processes(Cell("saccades", "3c1fc", "chance", 1, 0)) == 1
