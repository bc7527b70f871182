"""The probes measure what they say: against hand counts, against the training itself, against the sweep."""

from __future__ import annotations

import pytest
import torch
from jobs import do

from snn import methods
from snn.phases.probe.gradients import histogram
from snn.phases.probe.landscape import direction
from snn.phases.probe.memory import KeptForBackward
from snn.phases.probe.noise import added, are_counts, dropped, noisy_weights

FEW = {"iterations": 3, "t_memory": [1, 2, 8], "draws": 1, "weight_noise": [0.3], "frame_noise": [0.5]}


def curves(job) -> dict[str, list[float]]:
    values: dict[str, list[float]] = {}
    for row in job.folder.rows("probe", "curves.csv"):
        values.setdefault(row["curve"], []).append(float(row["value"]))
    return values


def metrics(job, phase) -> dict[tuple[str, str], float]:
    return {(r["metric"], r["t_eval"]): float(r["value"]) for r in job.folder.rows(phase, "metrics.csv")}


@pytest.fixture
def probed(make_job, tmp_path):
    """probed(method, network): the cell, trained and probed; the job of the probe."""

    def run(name, network="3c1fc", **overlay):
        of = methods.find(name).teacher(methods.parameters(name, {}))
        teacher = tmp_path / "teacher" if of else None
        if of and not teacher.exists():
            do(make_job(of, network=network, folder=teacher, **overlay))
        overlay = {"train": {"epochs": 1}, "probe": FEW} | overlay
        do(make_job(name, network=network, folder=tmp_path / name, teacher=teacher, **overlay))
        return do(make_job(name, "probe", network, folder=tmp_path / name, teacher=teacher, **overlay), "probe")

    return run


@pytest.mark.parametrize("name", ["mtt", "shortcut"])
def test_the_replayed_gradients_are_those_of_the_training(name, probed, monkeypatch):
    seen = []
    original = methods.find(name).step

    def spy(self, model, x, y):
        result = original(self, model, x, y)
        seen.append([m.weight.grad.norm().item() for m in self.strip(model).modules() if hasattr(m, "in_features")])
        return result

    monkeypatch.setattr(methods.find(name), "step", spy)
    by_curve = curves(probed(name))
    in_training = len(seen) - 3 - len([t for t in FEW["t_memory"] if name != "mtt" or t > 1])
    assert in_training == 3, "40 recordings in batches of 16"
    assert by_curve["gradient_norm/readout.linear"] == [norm for (norm,) in seen[:3]]
    assert sum(by_curve["gradient_histogram"]) == pytest.approx(1)


@pytest.mark.parametrize("name", ["sdt", "ltl-online", "conversion"])
def test_a_probe_leaves_its_files_and_agrees_with_the_sweep(name, probed, make_job):
    job = probed(name)
    assert job.folder.record("probe")["status"] == "ok"
    assert not (job.folder.path / "replay.pt").exists()
    probed_metrics, found = metrics(job, "probe"), curves(job)
    swept = metrics(do(make_job(name, "sweep", folder=job.folder.path, train={"epochs": 1}), "sweep"), "sweep")
    spikes = sum(v for (m, _), v in probed_metrics.items() if m.startswith("spikes_"))
    assert spikes == pytest.approx(swept["spikes", "4"])
    layers = ["stages.0.neuron", "stages.1.neuron", "stages.2.neuron", "readout.neuron"]
    assert [c for c in found if c.startswith("firing_rate/")] == [f"firing_rate/{layer}" for layer in layers]
    assert all(len(found[f"firing_rate/{layer}"]) == 4 for layer in layers)
    for kind in ("weight_noise", "frame_noise", "events_dropped", "events_added"):
        assert found[kind][0] == swept["accuracy", "4"], "level 0 is without noise"
    kept = {int(t): v for (m, t), v in probed_metrics.items() if m == "bytes_for_backward"}
    gradients = [c for c in found if c.startswith("gradient_norm/")]
    if name == "conversion":
        assert not kept
        assert not gradients
    else:
        assert gradients[0] == "gradient_norm/stages.0.conv"
        assert len(gradients) == 4
        assert kept[8] - kept[2] == (6 * (kept[2] - kept[1]) if name == "sdt" else 0), "linear in T, or flat"


def test_local_learning_is_measured_with_batch_normalisation_of_vectors(probed):
    """A linear layer with `norm: batch`: one sample of one time step has no variance there."""
    network = {"vgg11": {"width": 0.05, "norm": "batch"}}
    job = probed("ltl-online", "vgg11", networks=network, probe={"iterations": 1, "t_memory": [1]})
    assert metrics(job, "probe")["bytes_for_backward", "1"] > 0


def test_probing_twice_gives_the_same_bytes(probed):
    job = probed("sdt")
    names = ("curves.csv", "metrics.csv")
    before = [(job.folder.phase("probe") / name).read_bytes() for name in names]
    do(job, "probe")
    assert before == [(job.folder.phase("probe") / name).read_bytes() for name in names]


def test_a_diverged_cell_is_a_hole(probed, monkeypatch):
    monkeypatch.setattr(methods.find("sdt"), "loss", lambda self, model, x, y: (model(x).sum() * float("nan"),) * 2)
    record = probed("sdt").folder.record("probe")
    assert record["status"] == "diverged"
    assert "nan" in record["reason"]


def test_what_is_kept_is_counted_by_storage_and_at_its_most():
    x, w = torch.ones(100), torch.ones(100, requires_grad=True)
    with KeptForBackward() as kept:
        y = (x * w).sum()  # keeps x: 400 bytes (w needs no gradient of x)
        assert kept.now == 400
        z = (x.view(10, 10) * w.view(10, 10)).sum()  # the same storage
        assert kept.now == 400
        y.backward()
        assert kept.now == 400
        z.backward()
        assert kept.now == 0
        for _ in range(5):  # one after the other is not more than one
            (torch.rand(100) * w).sum().backward()
    assert kept.most == 400
    with KeptForBackward([x]) as kept:
        (x * w).exp().sum()  # exp keeps its own output
    assert kept.most == 400
    assert kept.now == 0, "what is never differentiated is let go, too"


def test_the_histogram_by_hand():
    found = histogram(torch.tensor([0.0, 1.1e-3, 1.2e-3, 1.1e-2]))
    assert [share for _, share in found if share] == [0.5, 0.25], "zeros count, but have no bin"
    assert found[0][0] == pytest.approx(10 ** (-3 + 1 / 8))
    assert len(found) == 5, "one decade is four bins"
    assert histogram(torch.zeros(3)) == []


def test_events_are_dropped_and_added_as_said():
    g = torch.Generator().manual_seed(0)
    x = torch.poisson(torch.full((4, 3, 2, 20, 20), 0.8), generator=g)
    lost = dropped(x, 0.25, g)
    assert (lost <= x).all()
    assert are_counts(lost)
    assert lost.sum() / x.sum() == pytest.approx(0.75, abs=0.02)
    assert dropped(x, 1.0, g).sum() == 0
    more = added(x, 0.5, g)
    assert (more >= x).all()
    own = x.sum((0, 2, 3, 4))
    assert torch.equal(more.sum((0, 2, 3, 4)), own + (0.5 * own).round()), "each recording by its own number"
    assert not are_counts(x + 0.5)


ALL = {"timed_steps": 1, "landscape": [0.5, 1.0], "epsilons": [1e-6, 0.1]}


@pytest.mark.parametrize("name", ["sdt", "mtt", "shortcut", "ltl-online"])
def test_the_probes_that_are_off_by_default(name, probed):
    job = probed(name, probe=FEW | ALL)
    found, values = curves(job), metrics(job, "probe")
    assert all(values["seconds_per_step", str(t)] > 0 for t in FEW["t_memory"] if name != "mtt" or t > 1)
    losses = found["loss_landscape"]
    assert len(losses) == 5
    history = job.folder.rows("train", "history.csv")
    assert losses[2] == pytest.approx(float(history[-1]["val_loss"]), rel=1e-5), "at the trained weights"
    rise = (losses[1] + losses[3]) / 2 - losses[2]
    assert values["loss_rise_0.5", "4"] == pytest.approx(rise)
    if name == "sdt":
        assert found["finite_differences"][0] == 0, "the loss is piecewise constant"
        assert found["gradient_cosine"][0] == 0
        assert 0 < found["finite_differences"][1] <= 1
        assert 0 != found["gradient_cosine"][1] == values["gradient_cosine_0.1", "4"]
    else:
        assert "gradient_cosine" not in found


def test_a_random_direction_has_the_norms_of_the_filters():
    weight = torch.randn(4, 3, 2, 2) * torch.tensor([0.0, 1.0, 10.0, 100.0]).view(4, 1, 1, 1)
    d = direction(weight, torch.Generator().manual_seed(0))
    assert torch.allclose(d.flatten(1).norm(dim=1), weight.flatten(1).norm(dim=1))
    assert d[0].abs().sum() == 0


def test_noise_on_weights_is_relative_and_goes_away():
    network = torch.nn.Sequential(torch.nn.Linear(300, 300), torch.nn.Linear(300, 300))
    with torch.no_grad():
        network[1].weight.mul_(100)
    before = [p.detach().clone() for p in network.parameters()]
    with noisy_weights(network, 0.2, torch.Generator().manual_seed(0)):
        for layer, old in zip(network, before[::2], strict=True):
            change = (layer.weight.detach() - old).square().mean().sqrt() / old.square().mean().sqrt()
            assert change == pytest.approx(0.2, rel=0.02)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), before, strict=True))
