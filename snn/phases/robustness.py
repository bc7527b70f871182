"""Phase disturb: the trained network on disturbed hardware (`snn/models/perturb.py`), as it is and after learning there.

(i) Every method's network at every level of every kind of disturbance, on several chips. (ii) Networks of the methods
in `disturb.recovery` go on learning by their own rule, through the disturbed network, for a few epochs; what the chip
is stays fixed. LTL is the rule that the study is about; its teacher is that of the training, undisturbed.

All at t_train, on the network with its normalisation folded into the weights; these are also what learns, so the
teacher is folded too. Learning: the recipe at a constant share of its rate, without warm-up, on always the same
recordings [ours]. Chips belong to the cell's seed, not to its method: at one seed all methods meet the same chips.

`predictions.npz` and `metrics.csv` have the mode `clock` for the undisturbed network and `<kind>-<level>` for the
others: `accuracy` is the mean over chips, `accuracy_after_<k>` that after k epochs (over the chips learnt on).
`curves.csv` has one row a chip: curve `accuracy_over_level` of the mode `<kind>` (x: level), and
`accuracy_over_epochs` of the mode `<kind>-<level>`, or `clock` (x: k).
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from tqdm import tqdm

from snn.config.blocks import Disturb
from snn.data.frames import Frames
from snn.data.store import Store
from snn.errors import DataError, Diverged
from snn.models.fold import folded
from snn.models.perturb import Perturbation, perturbed, restart_noise
from snn.phases._job import Job, load_teacher, recordings, tested, write_csv
from snn.runtime import files
from snn.runtime.seeds import derive
from snn.training.evaluate import BATCH, predict
from snn.training.loop import Splits, fit, is_spiking

KINDS = ("mismatch", "bits", "noise", "silenced")


@dataclass(frozen=True)
class Case:
    """One disturbed network: a kind at a level on a chip. The kind `clock` is the undisturbed network."""

    kind: str
    level: float
    chip: int

    @property
    def mode(self) -> str:
        return self.kind if self.kind == "clock" else f"{self.kind}-{self.level:g}"


UNDISTURBED = Case("clock", 0, 0)


def cases(settings: Disturb) -> list[Case]:
    """All that is asked for. Rounding is the same on every chip: it has one."""
    return [
        Case(kind, level, chip)
        for kind in KINDS
        for level in getattr(settings, kind)
        for chip in range(1 if kind == "bits" else settings.chips)
    ]


def learnt_on(settings: Disturb) -> list[Case]:
    """The cases on which a network learns. The undisturbed one too: what more epochs do by themselves."""
    strongest = {k: (min if k == "bits" else max)(getattr(settings, k)) for k in KINDS if getattr(settings, k)}
    return [UNDISTURBED] + [
        case
        for case in cases(settings)
        if case.chip < settings.recovery_chips
        and (settings.recovery_levels == "all" or case.level == strongest[case.kind])
    ]


def disturb(job: Job, in_memory_mb: float, teacher: Path | None = None) -> None:
    """teacher: folder of the teacher's cell, for methods that learn from one."""
    store, settings, t = job.store(), Disturb(**job.spec["disturb"]), job.cell.t_train
    chosen, _, labels, predictions = tested(store, settings.recordings)
    curves: list[dict[str, Any]] = []
    if reason := job.diverged():
        write_csv(job.out / "curves.csv", curves, ["mode", "curve", "x", "value", "chip"])
        return job.write(predictions, "diverged", reason)

    frames = Frames(store, "test", t, in_memory_mb, job.device, chosen)
    network = folded(job.trained(store)[0])

    def evaluate(network: nn.Module) -> np.ndarray:
        restart_noise(network, 0)
        return predict(network, (x for x, _ in frames.in_order(BATCH)), is_spiking(network))

    predictions[f"clock/{t}/accuracy"] = evaluate(network)
    accuracy = {UNDISTURBED: share(predictions[f"clock/{t}/accuracy"], labels)}
    for case in tqdm(cases(settings), desc=job.cell.key, unit="chip", file=sys.stderr, ncols=110):
        found = evaluate(on_chip(job, store, network, case))
        predictions[f"{case.mode}/{t}/accuracy_chip{case.chip}"] = found
        accuracy[case] = share(found, labels)
        curves.append(row(case.kind, "accuracy_over_level", case.level, accuracy[case], case.chip))
    add_means(job, accuracy, "accuracy")

    reasons: list[str] = []
    if settings.recovery:
        after = recovery(job, store, settings, network, in_memory_mb, teacher, evaluate, reasons)
        for case, found in after.items():
            values = [accuracy[case], *(share(each, labels) for each in found)]
            curves += [row(case.mode, "accuracy_over_epochs", k, v, case.chip) for k, v in enumerate(values)]
            predictions[f"{case.mode}/{t}/accuracy_after_{len(found)}_chip{case.chip}"] = found[-1]
        for k in range(1, settings.recovery_epochs + 1):
            of_k = {case: share(found[k - 1], labels) for case, found in after.items()}
            add_means(job, of_k, f"accuracy_after_{k}")
    write_csv(job.out / "curves.csv", curves, ["mode", "curve", "x", "value", "chip"])
    job.write(predictions, "ok", "; ".join(reasons), chips=settings.chips)
    for path in partial(job).glob("*.npz"):
        path.unlink()
    if partial(job).exists():
        partial(job).rmdir()


def on_chip(job: Job, store: Store, network: nn.Module, case: Case) -> nn.Module:
    chip = derive(job.cell.seed, "disturbance", "chip", case.chip)
    kind = "dead_fraction" if case.kind == "silenced" else case.kind
    how = Perturbation() if case == UNDISTURBED else Perturbation(**{kind: case.level})
    return perturbed(network, how, chip, store.shape)


# --- learning on the chip


def recovery(
    job: Job,
    store: Store,
    settings: Disturb,
    network: nn.Module,
    in_memory_mb: float,
    teacher: Path | None,
    evaluate: Callable[[nn.Module], np.ndarray],
    reasons: list[str],
) -> dict[Case, np.ndarray]:
    """Predictions [epochs, recordings] after each epoch of learning, by case; a case that diverged adds a reason.

    Each finished case is kept in a file until all are, so that an interrupted job goes on after the last of them.
    """
    wanted = learnt_on(settings)
    identity = "-".join(
        [job.token, store.version, *(files.sha256(f / "train" / "weights.pt")[:12] for f in (job.folder, teacher) if f)]
    )
    found: dict[Case, np.ndarray] = {}
    todo = []
    for case in wanted:
        known = load_partial(partial(job) / f"{case.mode}-chip{case.chip}.npz", identity)
        todo += [case] if known is None else []
        found |= {} if known is None else {case: known}
    if not todo:
        return found
    guide = None if teacher is None else folded(load_teacher(job, store, teacher))
    kept = recordings(store, settings.recovery_recordings, "train")
    few = Frames(store, "validation", job.cell.t_train, 0, job.device, np.arange(1))  # nothing is chosen by them
    splits = Splits(Frames(store, "train", job.cell.t_train, in_memory_mb, job.device, kept), few, few)
    for case in tqdm(todo, desc=f"{job.cell.key}: learning", unit="chip", file=sys.stderr, ncols=110):
        try:
            found[case] = learn(job, store, settings, on_chip(job, store, network, case), splits, guide, evaluate)
        except Diverged as failure:
            reasons.append(f"learning on {case.mode}, chip {case.chip}, diverged: {failure}")
            continue
        save_partial(partial(job) / f"{case.mode}-chip{case.chip}.npz", identity, found[case])
    return {case: found[case] for case in wanted if case in found}


def learn(
    job: Job,
    store: Store,
    settings: Disturb,
    network: nn.Module,
    splits: Splits,
    teacher: nn.Module | None,
    evaluate: Callable[[nn.Module], np.ndarray],
) -> np.ndarray:
    """Train the disturbed `network` where it is; predictions [epochs, recordings] after each epoch."""
    run = job.run(store, splits, settings.recovery_epochs, teacher)
    changes = {"lr": run.train.lr * settings.recovery_lr, "schedule": "constant", "warmup": 0.0}
    run.train = run.train.model_copy(update=changes)
    found = []

    def after_epoch(epoch: int, _: dict[str, float]) -> None:
        found.append(evaluate(network))
        restart_noise(network, epoch + 1)

    checkpoint = job.folder / "disturb.pt"
    checkpoint.unlink(missing_ok=True)
    restart_noise(network, 1)  # 0 is the evaluations'
    try:
        fit(
            network, job.method, job.params, run, splits, job.cell.seed, checkpoint, job.token,
            job.spec["precision"], after_epoch,
        )  # fmt: skip
    finally:
        checkpoint.unlink(missing_ok=True)
    return np.stack(found)


def partial(job: Job) -> Path:
    return job.folder / "disturb.partial"


def save_partial(path: Path, identity: str, found: np.ndarray) -> None:
    with files.replacing(path) as temporary, open(temporary, "wb") as f:
        np.savez_compressed(f, identity=identity, predictions=found)


def load_partial(path: Path, identity: str) -> np.ndarray | None:
    """None if there is none, or it belongs to another configuration, code or network."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as saved:
            return saved["predictions"] if str(saved["identity"]) == identity else None
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        reason = type(error).__name__
        raise DataError(
            f"{path}: not readable as a finished recovery ({reason}); delete this file and run again"
        ) from None


# --- rows


def share(predicted: np.ndarray, labels: np.ndarray) -> float:
    return float((predicted == labels).mean())


def row(mode: str, curve: str, x: float, value: float, chip: int) -> dict[str, Any]:
    return {"mode": mode, "curve": curve, "x": x, "value": value, "chip": chip}


def add_means(job: Job, values: dict[Case, float], metric: str) -> None:
    """One metric a mode: the mean over its chips."""
    for mode in dict.fromkeys(case.mode for case in values):
        job.add(metric, float(np.mean([v for c, v in values.items() if c.mode == mode])), job.cell.t_train, mode)
