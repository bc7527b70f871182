"""The benchmarks run, compare like with like, and refuse to compare what is not equal."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch

from benchmarks import __main__ as main
from benchmarks import _clock, _measure, conversion, engine, job, threads, training
from benchmarks._measure import Row, Spent, Unequal
from benchmarks._networks import blobs, three_conv
from benchmarks._plain import plain
from benchmarks._processes import usage
from snn import models
from snn.neurons import NeuronSpec, make_neuron


@pytest.fixture(autouse=True)
def embedded(monkeypatch):
    """Quick runs neither read real recordings nor look for other environments."""
    monkeypatch.delenv("SNN_NMNIST", raising=False)
    monkeypatch.delenv("SNN_SINABS_PYTHON", raising=False)


def quick(part, tmp_path, capsys):
    assert main.main(["--quick", part], tmp_path) == 0
    assert not list(tmp_path.iterdir()), "figures of a smoke run are not kept"
    return capsys.readouterr().out


def test_engine_equals_torch_with_a_clock(tmp_path, capsys):
    out = quick("engine", tmp_path, capsys)
    assert "equal to torch: 2 recordings" in out
    for row in ("float; rival: pure L1 additions", "int8, 2 threads; rival: 1 thread", "sinabs, clock-driven"):
        assert f"{row}" in out


def test_conversion_is_exact(tmp_path, capsys, monkeypatch):
    """The frames that are timed hold every event in the bin of its time, by a loop over events; one count that is off
    is refused."""
    frames, results = conversion.binning.frames, []

    def recorded(events, starts, ends, t, shape):
        result = frames(events, starts, ends, t, shape)
        results.append((events, starts, ends, result))
        return result

    monkeypatch.setattr(conversion.binning, "frames", recorded)
    out = quick("conversion", tmp_path, capsys)
    events, starts, ends, result = results[0]
    assert result.shape == (30, conversion.T, *conversion.SHAPE)
    expected = np.zeros(result.shape, np.int64)
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        recording = events[start:end]
        first, duration = int(recording["t"][0]), int(recording["t"][-1] - recording["t"][0]) + 1
        for e in recording:
            expected[i, (int(e["t"]) - first) * conversion.T // duration, e["p"], e["y"], e["x"]] += 1
    assert expected.sum() == len(events)
    assert np.array_equal(result, expected)
    monkeypatch.setattr(
        conversion.binning, "frames", lambda *a: frames(*a) + (np.arange(conversion.T) == 0)[:, None, None, None]
    )
    assert main.main(["--quick", "conversion"], tmp_path) == 1
    assert "frames and integer arithmetic" in capsys.readouterr().err
    assert "exact: 30 recordings" in out
    assert "rival: tonic's ToFrame" in out
    assert "files to a sealed store" in out


def test_training_equals_spikingjelly(tmp_path, capsys):
    out = quick("training", tmp_path, capsys)
    for network in training.NETWORKS:
        assert f"equal to spikingjelly: {network}, loss" in out
        assert f"{network}, T=3, batch 4, one thread: training step; rival: spikingjelly" in out
    assert "mtt, a step's cost beside sdt's" in out


@pytest.mark.parametrize("network", list(training.NETWORKS))
def test_the_plain_networks_are_the_suites_in_double_precision(network):
    torch.manual_seed(0)
    spec = NeuronSpec(surrogate={"name": "arctan"}, reset="soft")
    ours = models.build(network, training.NETWORKS[network], (2, 34, 34), 10, lambda: make_neuron(spec)).double()
    theirs = plain(network, (2, 34, 34), 10).double()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        if a.ndim > 1:
            a.data.add_(a.data.std() / 10).mul_(4)  # so that spikes reach the readout
        b.data.copy_(a.data)
    x = (torch.rand(4, 3, 2, 34, 34) < 0.2).double()
    one, other = ours(x), theirs(x)
    assert one.sum() > 0
    assert torch.equal(one, other)
    for outputs in (one, other):
        torch.nn.functional.cross_entropy(outputs.mean(0), torch.tensor([1, 2, 3])).backward()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-9, atol=1e-12)


def test_unequal_results_are_refused(monkeypatch, tmp_path, capsys):
    events = blobs(np.random.default_rng(0), 300, 34, 100_000)
    network, real = three_conv(events), _clock.run
    monkeypatch.setattr(_clock, "run", lambda *a: real(*a) | {"counts": np.zeros((1, 10))})
    with pytest.raises(Unequal, match="torch, clock-driven, counts: ours and the rival's differ in"):
        engine.rivals(network, [events], 1)
    monkeypatch.setattr(conversion, "exact", lambda events: np.zeros((10, 2, 34, 34)))
    assert main.main(["--quick", "conversion"], tmp_path) == 1
    assert "their times cannot be compared" in capsys.readouterr().err


def test_a_child_that_ends_is_no_figure():
    with pytest.raises(RuntimeError, match="ended before it answered"):
        threads._start([sys.executable, "-c", ""])
    with pytest.raises(RuntimeError, match="ended with status 3"):
        job._process([sys.executable, "-c", "raise SystemExit(3)"])


def test_rates_are_medians_of_the_turns_ratios():
    ours = [Spent(1.0, 1.0), Spent(2.0, 2.0), Spent(1.0, 4.0)]
    rival = [Spent(3.0, 3.0), Spent(10.0, 10.0), Spent(2.0, 4.0)]
    row = _measure.rates("x", ours, rival, "steps/s", amount=6)
    assert (row.ours, row.rival, row.ratio, row.wall) == (6.0, 2.0, 3.0, 3.0)
    assert row.loaded == pytest.approx(1 - 19 / 24)


def test_files_of_a_run(tmp_path, monkeypatch, capsys):
    rows = [Row("a", 2.0, 1.0, "x/s", 2.0, 1.9, 0.5), Row("b", 3.0, None, "MiB", None)]
    monkeypatch.setattr(conversion, "run", lambda quick: rows)
    for _ in range(2):
        assert main.main(["conversion"], tmp_path) == 0
    assert "warning: the machine was loaded: others had up to 50%" in capsys.readouterr().out
    latest = json.loads((tmp_path / "latest.json").read_text())
    assert [list(row) for row in latest] == [["name", "ours", "rival", "unit", "ratio"]] * 2
    assert latest[0] == {"name": "conversion: a", "ours": 2.0, "rival": 1.0, "unit": "x/s", "ratio": 2.0}
    history = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert len(history) == 2
    assert {"date", "commit", "machine", "rows", "part", "loaded"} <= set(history[0])
    assert main.main(["--table"], tmp_path) == 0
    out = capsys.readouterr().out
    assert "| conversion: b | 3 | - | MiB | - |" in out
    assert "**on a loaded machine**" in out


def test_an_unknown_part_is_refused(capsys):
    assert main.main(["engin"]) == 2
    assert "known: conversion, engine, job, many_jobs, threads, training" in capsys.readouterr().err


def test_the_table_is_aligned():
    text = main.table([Row("a", 1234.5, 3.2, "x/s", 3.14159), Row("longer", 1.0, None, "s", None)]).splitlines()
    assert text[0].split() == ["ours", "rival", "unit", "ratio", "wall", "others"]
    assert text[1].split() == ["a", "1,234", "3.2", "x/s", "3.14", "-", "-"]
    assert len({line.index(unit) for line, unit in zip(text, ("unit", "x/s", "s "), strict=True)}) == 1
    assert "__main__" not in main.parts()


def test_a_job_among_many_costs_something(tmp_path, capsys):
    assert "a job among 2 that do next to nothing" in quick("many_jobs", tmp_path, capsys)


def test_processor_time_of_processes_that_nobody_waits_for_is_counted(tmp_path):
    """All processes in the folder count, also those that the command itself starts; one elsewhere does not."""
    work = "import time; end = time.process_time() + 0.5\nwhile time.process_time() < end: pass"
    command = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {work!r}]).wait()"
    inside = usage(tmp_path, [sys.executable, "-c", command], cwd=tmp_path)
    assert inside.processes == 2
    assert inside.cpu > 0.3
    outside = usage(tmp_path / "elsewhere", [sys.executable, "-c", work], cwd=tmp_path)
    assert outside.cpu == 0
    with pytest.raises(RuntimeError, match="it failed"):
        usage(tmp_path, [sys.executable, "-c", "raise SystemExit('it failed')"], cwd=tmp_path)


def test_rivals_that_are_not_there_are_named(monkeypatch, capsys):
    monkeypatch.delenv("SNN_JAX_PYTHON", raising=False)
    monkeypatch.setattr(training.shutil, "which", lambda name: None)
    assert "spikingjelly-compiled" not in training._present("3c1fc")
    out = capsys.readouterr().out
    assert "skipped: 3c1fc, jax" in out
    assert "skipped: 3c1fc, spikingjelly-compiled: torch.compile needs a C++ compiler" in out
