"""The comparison with the chip, as tables: agreement of counts, accuracy over the bound, candidates."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from snn.deployment import Evaluation, Recordings, evaluate
from snn.errors import DataError
from snn.events import Deployment
from snn.silicon import candidates, reference
from snn.silicon.counts import Agreement, agreement, spike_counts
from snn.silicon.reference import BOUND, CHIP, SIMULATORS, Reference

OURS = Deployment("dynapcnn", v_min=BOUND)
"""The chip's bound and the vendor's rounding."""
AS_SIMULATED = Deployment("float", v_min=None)
"""Without a lower bound, as NIR has it and as six of the seven simulators ran the network."""
SETTINGS = (
    OURS,
    Deployment("int8", v_min=BOUND),
    Deployment("float", v_min=BOUND),
    Deployment("dynapcnn", v_min=BOUND, reset="hard"),
    Deployment("int8", v_min=-1.25),
    Deployment("int8", v_min=-2.0),
    AS_SIMULATED,
)
BOUNDS = (-1.0, -1.25, -1.5, -2.0, -4.0, -8.0, None)
NUMBERS = ("float", "int8", "dynapcnn")
UNITS = tuple(range(68, 77))
"""Values of θ and of −bound in membrane units, around the vendor's 72."""


@dataclass(frozen=True)
class Study:
    """All numbers of the comparison.

    recordings: the ten; counts, agreements: of each of `SETTINGS`; tried: each candidate's agreement; neighbours:
    fraction of exact neurons [θ, bound] over `UNITS`; evaluation: on all recordings.
    """

    reference: Reference
    recordings: list[np.ndarray]
    counts: dict[Deployment, np.ndarray]
    agreements: dict[Deployment, Agreement]
    tried: dict[str, Agreement]
    neighbours: np.ndarray
    evaluation: Evaluation

    def accuracy(self, deployment: Deployment) -> Any:
        row = self.evaluation.row(deployment)
        assert row is not None, f"{deployment.name} is in the study's settings"
        return row.accuracy


def run(data: Path, part: str = "all", threads: int = 1, progress: bool = True) -> Study:
    """The whole study; data: see `nmnist`. Some minutes for 1,100 recordings."""
    chip = reference.read(data / reference.FOLDER)
    with TemporaryDirectory() as unpacked:
        folder = nmnist(data, Path(unpacked))
        everything = Recordings.from_folder(folder, "nmnist", part="all")
        recordings = list(everything.read(positions(everything, reference.RECORDINGS)))
        chosen = everything if part == "all" else Recordings.from_folder(folder, "nmnist", part=part)
        settings = [
            Deployment(numbers, v_min=bound) for bound in BOUNDS for numbers in NUMBERS if not unbounded(bound, numbers)
        ]
        evaluation = evaluate(
            chip.network, chosen, settings, source=reference.NETWORK, threads=threads, progress=progress
        )
    counts = {setting: spike_counts(chip.network, setting, recordings) for setting in SETTINGS}
    tried = {
        candidate.name: agreement(candidate_counts(chip, recordings, candidate), chip.counts)
        for candidate in candidates.CANDIDATES
    }
    if not np.array_equal(candidates.counts(chip.network, recordings, BOUND), counts[OURS]):
        raise AssertionError("the engine and the independent integer sum differ")
    return Study(
        reference=chip,
        recordings=recordings,
        counts=counts,
        agreements={setting: agreement(counts[setting], chip.counts) for setting in SETTINGS},
        tried=tried,
        neighbours=neighbours(chip, recordings),
        evaluation=evaluation,
    )


def unbounded(bound: float | None, numbers: str) -> bool:
    """The vendor's rounding knows no network without a bound."""
    return bound is None and numbers == "dynapcnn"


def nmnist(data: Path, unpacked: Path) -> Path:
    """The folder with N-MNIST's Train and Test: in `data` itself, in its folders NMNIST or nmnist_small, or in
    nmnist_small.zip there, which is unpacked into `unpacked`. DataError where there is none."""
    for folder in (data, data / "NMNIST", data / "nmnist_small"):
        if (folder / "Test").is_dir():
            return folder
    archive = data / "nmnist_small.zip"
    if not archive.exists():
        raise DataError(
            f"{data}: no N-MNIST here (folders Train and Test, or nmnist_small.zip); give its folder with --data"
        )
    with zipfile.ZipFile(archive) as file:
        file.extractall(unpacked)  # members that point elsewhere are placed inside
    return unpacked


def positions(recordings: Recordings, names: Iterable[str]) -> list[int]:
    """Where the recordings of these names are. DataError for one that is not there."""
    place = {name: i for i, name in enumerate(recordings.names)}
    if missing := [name for name in names if name not in place]:
        raise DataError(f"{missing[0]}: the chip was given this recording of N-MNIST, and it is not there")
    return [place[name] for name in names]


def candidate_counts(chip: Reference, recordings: list[np.ndarray], candidate: candidates.Candidate) -> np.ndarray:
    rng = np.random.default_rng(0)
    events = [candidates.reordered(of_one, candidate.order, rng) for of_one in recordings]
    return candidates.counts(chip.network, events, BOUND, **candidate.options)


def neighbours(chip: Reference, recordings: list[np.ndarray]) -> np.ndarray:
    """Fraction of neurons with exactly the chip's count, for other θ and bounds than the vendor's rule gives, with its
    weights: [θ, bound] over `UNITS`."""
    exact = np.zeros((len(UNITS), len(UNITS)))
    for i, theta in enumerate(UNITS):
        for j, units in enumerate(UNITS):
            counts = candidates.counts(chip.network, recordings, BOUND, theta=theta, floor=-units)
            exact[i, j] = agreement(counts, chip.counts).exact
    return exact


# --- tables


def agreement_table(study: Study) -> list[dict[str, Any]]:
    """One row a setting, and the published similarity of each simulator below."""
    rows = [{"setting": setting.name} | study.agreements[setting]._asdict() for setting in SETTINGS]
    published = sorted(SIMULATORS.items(), key=lambda item: -(item[1].cosine or 0))
    return [*rows, *({"setting": f"published: {name}", "cosine": platform.cosine} for name, platform in published)]


def neighbour_table(study: Study) -> list[dict[str, Any]]:
    """One row a pair of threshold and bound in membrane units, around the vendor's."""
    return [
        {"threshold": theta, "bound": -units, "exact": float(study.neighbours[i, j])}
        for i, theta in enumerate(UNITS)
        for j, units in enumerate(UNITS)
    ]


def candidate_table(study: Study) -> list[dict[str, Any]]:
    kept = next(c for c in candidates.CANDIDATES if c.kept)
    return [
        {"candidate": c.name, "what": c.what, "source": c.source}
        | study.tried[c.name]._asdict()
        | {"verdict": "kept" if c.kept else verdict(study.tried[c.name], study.tried[kept.name])}
        for c in candidates.CANDIDATES
    ]


def verdict(one: Agreement, kept: Agreement) -> str:
    """Of a candidate beside what is kept: better by more than two neurons of a thousand, equal within half a one."""
    if one.exact > kept.exact + 0.002:
        return "agrees better"
    return "no difference" if abs(one.exact - kept.exact) < 0.0005 else "agrees worse"


def chip_table(study: Study) -> list[dict[str, Any]]:
    """`chip.csv`: what this project gives beside what the chip and the best simulator gave."""
    best = max(SIMULATORS, key=lambda name: SIMULATORS[name].cosine or 0)
    cosines = f"{best} {SIMULATORS[best].cosine:.3f}"
    low, high = (f(p.accuracy for p in SIMULATORS.values()) for f in (min, max))
    spikes = int(study.reference.counts.sum())
    rows = []

    def add(quantity: str, setting: Deployment, ours: str, chip: str, simulator: str, source: str) -> None:
        rows.append(
            {"quantity": quantity, "setting": setting.name, "ours": ours, "chip": chip, "best_simulator": simulator,
             "source": source}
        )  # fmt: skip

    paper = f"neuromorphs/NIR {reference.COMMIT[:7]}, paper/02_cnn"
    for setting in (OURS, Deployment("int8", v_min=BOUND), Deployment("float", v_min=BOUND), AS_SIMULATED):
        a = study.agreements[setting]
        add("cosine of first-layer counts", setting, f"{a.cosine:.4f}", "1", cosines, f"{paper}: cnn_plots.ipynb")
        add(
            "neurons with the chip's count (%)",
            setting,
            f"{100 * a.exact:.1f}",
            "100",
            "",
            f"{paper}: speck_activity.npy",
        )
        add(
            "neurons within one spike (%)",
            setting,
            f"{100 * a.within_one:.2f}",
            "100",
            "",
            f"{paper}: speck_activity.npy",
        )
        add(
            "|difference| / chip's spikes (%)",
            setting,
            f"{100 * a.difference:.2f}",
            "0",
            "",
            f"{paper}: speck_activity.npy",
        )
        add("first-layer spikes", setting, f"{a.ratio * spikes:.0f}", str(spikes), "", f"{paper}: speck_activity.npy")
    n = len(study.evaluation.recordings)
    data = f"ours: {n} recordings; published: the 10,000 of the test split ({paper}: *_accuracy.npy)"
    for row, line in zip(study.evaluation.rows, study.evaluation.table(), strict=True):
        text = "{:.1f} [{:.1f}, {:.1f}]".format(*(100 * line[k] for k in ("accuracy", "accuracy_low", "accuracy_high")))
        at_chip = row.setting.v_min == BOUND
        simulated = f"{100 * low:.2f} to {100 * high:.2f}" if row.setting.v_min is None else ""
        add("accuracy (%)", row.setting, text, f"{100 * CHIP.accuracy:.2f}" if at_chip else "", simulated, data)
        add("spikes for one recording", row.setting, f"{line['spikes']:.0f}", "", "", "this project")
        add("synaptic operations for one recording", row.setting, f"{line['synops']:.0f}", "", "", "this project")
    return rows
