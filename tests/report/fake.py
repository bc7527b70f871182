"""Realistic fake cells, for the tests of the report and for looking at it: `python tests/report/fake.py OUT`.

Three seeds, five methods (`MORE`: others), two networks and one diverged training; `effect` is how much less
accuracy MTT loses on event-driven deployment than SDT (negative: it loses more).
"""

from __future__ import annotations

import sys
from pathlib import Path

import fake_cells
import numpy as np

from snn.benchmark.layout import CellFolder
from snn.phases.outcome import Outcome

STEPS = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20)
T_TRAIN = 10
CLASSES = 10
CEILING = {"chance": 0.1, "ann": 0.955, "sdt": 0.925, "sdt-matched": 0.935, "mtt": 0.94}
MORE = {"nmt": 0.93, "tet": 0.93, "shortcut": 0.93, "shortcut-evolutionary": 0.925, "dspike": 0.92}
MORE |= {"dspike-fixed": 0.915, "ltl-offline": 0.9, "ltl-online": 0.88, "conversion": 0.85, "mine": 0.91}
LEARNS = ("ltl-offline", "ltl-online")
LEVELS = {"mismatch": (0.1, 0.2), "bits": (8, 4, 2), "noise": (0.05,), "dead_fraction": (0.2,)}
SIMULATED_CHIPS = 3
EPOCHS_ON_CHIP = 3
MODES = ("event-float", "event-int8", "event-float-depth", "event-int8-depth")


def make_cells(
    root: Path,
    seeds=(0, 1, 2),
    networks=("3c1fc", "resnet-small"),
    methods=tuple(CEILING),
    dataset="saccades",
    samples=400,
    epochs=12,
    effect=0.12,
    diverged=(("resnet-small", "mtt", 2),),
    star=(2, 5),
    probes=False,
    probed=(0,),
) -> list[dict]:
    """Write the cells' folders under `root`; return the list that `collect` takes. `star`: SDT trained at other T;
    `probed`: seeds with probes."""
    trainings = [(m, 1 if m in ("chance", "ann") else T_TRAIN) for m in methods]
    trainings += [("sdt", t) for t in star if "sdt" in methods]
    cells = []
    for network in networks:
        for method, t_train in trainings:
            for seed in seeds:
                folder = root / dataset / network / method / f"T{t_train}" / f"seed{seed}"
                cell = {"dataset": dataset, "network": network, "method": method, "t_train": t_train, "seed": seed}
                _Cell(folder, cell, samples, epochs, effect, probes, probed).write((network, method, seed) in diverged)
                cells.append(cell | {"folder": folder})
    return cells


class _Cell:
    def __init__(self, folder: Path, cell: dict, samples: int, epochs: int, effect: float, probes: bool, probed):
        self.folder, self.cell, self.effect, self.probes = folder, cell, effect, probes
        self.probed = probed
        self.method, self.t_train = cell["method"], cell["t_train"]
        self.epochs = 1 if self.method in ("chance", "conversion") else epochs  # these do not train
        self.deep = cell["network"] != "3c1fc"
        shared = np.random.default_rng(5)  # the test set, alike for all cells
        self.label, self.hardness = shared.integers(0, CLASSES, samples), shared.random(samples)
        self.draw = np.random.default_rng([cell["seed"], t_train_key(cell)])
        self.luck = 0.006 * self.draw.standard_normal()

    def predict(self, accuracy: float) -> np.ndarray:
        """Classes with about that accuracy: the same recordings are hard for all networks, but not quite."""
        hard = np.clip(self.hardness + 0.03 * self.draw.standard_normal(self.hardness.size), 0, 1)
        wrong = hard > np.clip(accuracy + self.luck, 0, 1)
        return np.where(wrong, (self.label + 1 + self.draw.integers(0, 9, wrong.size)) % CLASSES, self.label)

    def accuracy_at(self, t: int, recalibrated: bool = False) -> float:
        ceiling = (CEILING | MORE)[self.method] + 0.01 * self.deep
        distance = abs(np.log2(t / self.t_train))
        width = 0.16 if self.method == "mtt" else 1.0
        return ceiling - (0.028 if recalibrated else 0.05) * width * distance**1.5

    def write(self, diverged: bool) -> None:
        timeless = self.method in ("chance", "ann")
        steps = {"chance": 0, "conversion": 0, "ann": 1, "sdt-matched": 16.5, "mtt": 16.5}
        steps = steps.get(self.method, self.t_train)
        self.train(diverged, steps * 4000 * self.epochs)
        if not timeless and not diverged:
            self.sweep()
            if self.t_train == T_TRAIN:
                self.deploy()
                self.robustness()
                if self.cell["seed"] in self.probed and self.probes:
                    self.probe()

    def train(self, diverged: bool, time_steps: float) -> None:
        final = self.accuracy_at(self.t_train) if self.method != "chance" else 0.1
        seconds = 2.0 + time_steps / 9000 * (1.6 if self.deep else 1)
        history = []
        for epoch in range(1, self.epochs + 1):
            value = final - (final - 0.1) * np.exp(-epoch / 2.2) + 0.006 * self.draw.standard_normal()
            loss = "nan" if diverged and epoch == 5 else float(2.3 * np.exp(-epoch / 4))
            history.append(
                {"epoch": epoch, "lr": 0.01, "loss": loss, "train_accuracy": value + 0.01, "val_loss": loss}
                | {"val_accuracy": value, "test_accuracy": value - 0.004}
                | {"seconds": seconds / self.epochs, "time_steps": time_steps / self.epochs}
            )
            if self.method == "dspike":
                history[-1] |= {"temperature": 3 + 0.4 * epoch}
                history[-1] |= {"cosine_lower": 0.1, "cosine_same": 0.2, "cosine_higher": 0.3}
            if self.method in LEARNS and self.probes:
                history[-1] |= {f"local_loss_stages.{k}.neuron": 1 / (k * epoch) for k in (2, 10)}
            if loss == "nan":
                break
        if diverged:
            return self.write_phase("train", Outcome("diverged", "loss is nan in epoch 5", history=history), seconds)
        key = f"clock/{self.t_train}/"
        predictions = {key + "accuracy": self.predict(final), key + "accuracy_selected": self.predict(final - 0.002)}
        scalars = {
            "accuracy_best_on_test": final + self.luck + 0.006,
            "accuracy_val": final + 0.003,
            "loss": 0.3,
            "epochs": self.epochs,
            "seconds": seconds,
        }
        scalars |= {"time_steps": time_steps, "parameters": 6160 + 9000 * self.deep}
        rows = [("train", self.t_train, "clock", name, value) for name, value in scalars.items()]
        self.finish("train", predictions, rows, seconds, history=history)

    def sweep(self) -> None:
        predictions, rows = {}, []
        for t in STEPS:
            predictions[f"clock/{t}/accuracy"] = self.predict(self.accuracy_at(t))
            if self.deep:
                predictions[f"clock/{t}/accuracy_recalibrated"] = self.predict(self.accuracy_at(t, recalibrated=True))
            rows.append(("sweep", t, "clock", "spikes_per_neuron", 0.08 * t))
        self.finish("sweep", predictions, rows, 8.0)

    def deploy(self) -> None:
        clock = self.accuracy_at(self.t_train)
        loss = 0.17 - (self.effect if self.method == "mtt" else 0.01 if self.method == "sdt-matched" else 0)
        predictions = {
            f"clock/{self.t_train}/accuracy": self.predict(clock),
            "clock/100/accuracy": self.predict(clock - 0.1),
        }
        rows, curves = [], []
        for mode in MODES:
            final = clock - loss - 0.004 * ("int8" in mode) - 0.003 * ("depth" in mode)
            predictions[f"{mode}//accuracy"] = self.predict(final)
            predictions[f"{mode}//accuracy"][::97] = -1
            difference = np.mean(predictions[f"{mode}//accuracy"] == self.label) - np.mean(
                predictions[f"clock/{self.t_train}/accuracy"] == self.label
            )
            spikes = 9000 + 26000 * loss + 300 * self.draw.standard_normal()
            scalars = {
                "difference": difference,
                "spike_difference": 0.05 + loss,
                "spikes": spikes,
                "synops": spikes * 61.0,
            }
            scalars |= {"spikes_stage1": spikes * 0.7, "spikes_stage2": spikes * 0.3, "events_in": 3900.0}
            scalars |= {
                "no_output": float(np.sum(predictions[f"{mode}//accuracy"] == -1)),
                "energy_uj": spikes * 61 * 2e-6,
                "first_correct_us": 61000.0,
            }
            rows += [("deploy", "", mode, name, value) for name, value in scalars.items()]
            if "depth" not in mode:
                for x in np.linspace(0, 1, 31):
                    value = 0.1 + (final - 0.1) * (1 - np.exp(-x * (9 if self.method == "mtt" else 5)))
                    curves.append({"mode": mode, "curve": "accuracy_over_events", "x": x, "value": value})
                    curves.append({"mode": mode, "curve": "accuracy_over_time", "x": x * 300_000, "value": value})
        self.finish("deploy", predictions, rows, 20.0, curves=curves)

    def probe(self) -> None:
        """As `snn/phases/probe/` leaves it: two layers of weights, two of neurons."""
        gain = 1 + ("shortcut" in self.method)
        curves = {f"gradient_norm/{layer}": {1: k * gain, 2: 3 * k * gain} for layer, k in (("b", 1), ("a", 2))}
        curves |= {"gradient_histogram": {0.01 * gain: 0.4, 0.0178 * gain: 0.6}}
        curves |= {f"firing_rate/{layer}": {1: 0.1, 2: 0.3} for layer in ("b", "a")}
        curves |= {kind: {0: 0.9, 0.5: 0.7} for kind in ("weight_noise", "frame_noise", "events_dropped")}
        curves |= {"loss_landscape": {-1: 2.0, 0: 0.3, 1: 2.0}, "gradient_cosine": {0.01: 0.0, 0.1: 0.6}}
        rows = [{"mode": "clock", "curve": c, "x": x, "value": v} for c, at in curves.items() for x, v in at.items()]
        growth = {"ltl-online": 0, "ltl-offline": 0.3}.get(self.method, 1)
        memory = [("probe", t, "clock", "bytes_for_backward", 1024.0 * (1 + growth * t)) for t in (1, 4, 16)]
        memory += [("probe", t, "clock", "seconds_per_step", 0.002 * t) for t in (1, 4, 16)]
        self.write_phase("probe", outcome_of({}, memory, curves=rows), 3.0)

    def robustness(self) -> None:
        """As `snn/phases/robustness.py` leaves it; LTL goes on learning on the simulated
        chips, and on the unperturbed network as control."""
        whole, t = self.accuracy_at(self.t_train), self.t_train
        predictions, accuracy, after, curves = {f"clock/{t}/accuracy": self.predict(whole)}, {}, {}, []
        accuracy["clock", 0] = self.accuracy(predictions[f"clock/{t}/accuracy"])
        for kind, levels in LEVELS.items():
            for i, level in enumerate(levels, 1):
                for chip in range(1 if kind == "bits" else SIMULATED_CHIPS):
                    value = whole - 0.03 * i**2 + 0.01 * self.draw.standard_normal()
                    predicted = predictions[f"{kind}-{level:g}/{t}/accuracy_chip{chip}"] = self.predict(value)
                    accuracy[f"{kind}-{level:g}", chip] = self.accuracy(predicted)
                    curves.append([kind, "accuracy_over_level", level, self.accuracy(predicted), chip])
        for mode, chip in accuracy if self.method in LEARNS else ():
            start = accuracy[mode, chip]
            learnt = [self.predict(whole - (whole - start) * 0.5**k) for k in range(1, EPOCHS_ON_CHIP + 1)]
            after[mode, chip] = [self.accuracy(each) for each in learnt]
            predictions[f"{mode}/{t}/accuracy_after_{EPOCHS_ON_CHIP}_chip{chip}"] = learnt[-1]
            points = enumerate([start, *after[mode, chip]])
            curves += [[mode, "accuracy_over_epochs", k, value, chip] for k, value in points]
        metrics = {"accuracy": accuracy}
        for k in range(EPOCHS_ON_CHIP if after else 0):
            metrics[f"accuracy_after_{k + 1}"] = {case: values[k] for case, values in after.items()}
        rows = [
            ("robustness", t, mode, metric, float(np.mean([v for (m, _), v in values.items() if m == mode])))
            for metric, values in metrics.items()
            for mode in dict.fromkeys(mode for mode, _ in values)
        ]
        names = ("mode", "curve", "x", "value", "chip")
        outcome = outcome_of(
            self.head() | predictions, rows, curves=[dict(zip(names, row, strict=True)) for row in curves]
        )
        self.write_phase("robustness", outcome, 5.0)

    def accuracy(self, predicted: np.ndarray) -> float:
        return float(np.mean(predicted == self.label))

    def head(self) -> dict:
        return {"index": np.arange(self.label.size) + 4000, "label": self.label}

    def finish(self, phase: str, predictions: dict, rows: list, seconds: float, **more) -> None:
        for name, prediction in predictions.items():
            mode, t, metric = name.split("/")
            rows.append((phase, t, mode, metric, self.accuracy(prediction)))
        self.write_phase(phase, outcome_of(self.head() | predictions, rows, **more), seconds)

    def write_phase(self, phase: str, outcome: Outcome, seconds: float) -> None:
        about = {"cell": self.cell, "config": {}, "code": "c0de" * 4, "commit": "abc1234", "threads": 1}
        about |= {"versions": {"torch": "2.13.0", "numpy": "2.3.5"}, "started": "2026-01-02T03:04:05+00:00"}
        about |= {"hardware": {"cpu": "a CPU", "cores": 2, "memory_gb": 8}, "dataset_version": "5accade5"}
        fake_cells.write_phase(CellFolder(self.folder), phase, outcome, seconds=seconds, **about)


def outcome_of(predictions: dict, rows: list, **more) -> Outcome:
    """rows: (phase, T, mode, metric, value)."""
    outcome = Outcome(predictions=predictions, **more)
    for _, t, mode, metric, value in rows:
        outcome.add(metric, value, t or None, mode)
    return outcome


def t_train_key(cell: dict) -> int:
    """A number for everything of a cell but its seed."""
    return sum(map(ord, f"{cell['network']}{cell['method']}{cell['t_train']}"))


def engine_run(kept: int, n_spikes: tuple[int, int]) -> dict[str, np.ndarray]:
    """A recording of five events in 100 ms in a network of two layers: five spikes of the first, `kept` of the
    second; n_spikes: how many each really had."""
    times, five = np.array([0, 10_000, 20_000, 90_000, 100_000]), np.arange(5)
    layer = np.column_stack([times, five, np.zeros((5, 2), int)]).astype(np.int32)
    return {
        "run/events": np.column_stack([times, five, five, five % 2]).astype(np.int32),
        "run/layer1/stages.0": layer,
        "run/layer2/readout": layer[:kept],
        "run/n_spikes": np.array(n_spikes),
        "run/t_end_us": np.array(100_000),
        "run/label": np.array(3),
        "run/prediction": np.array(3),
    }


if __name__ == "__main__":
    from snn.phases.collect import collect
    from snn.report import TEMPLATES, render

    out = Path(sys.argv[1])
    collect("fake", "matched", make_cells(out / "cells"), out / "report")
    render(out / "report", {}, TEMPLATES)
