"""Phase robustness: the trained network under simulated hardware non-idealities, as trained and after learning there.

(i) Every method's network at every level of every kind of perturbation (`snn/models/perturb.py`), on several simulated
chips. (ii) Networks of the methods in `robustness.recovery` go on learning by their own rule, through the perturbed
network, for a few epochs; the perturbation stays fixed. LTL is the rule that the study is about; its teacher is that of
the training, unperturbed.

All at t_train, on the network with its normalisation folded into the weights; these are also what learns, so the
teacher is folded too. Learning: the recipe at a constant fraction of its rate, without warm-up, on always the same
recordings [ours]. Simulated chips belong to the cell's seed, not to its method: at one seed all methods meet the same.

`predictions.npz` and `metrics.csv` have the mode `clock` for the unperturbed network and `<kind>-<level>` for the
others: `accuracy` is the mean over simulated chips, `accuracy_after_<k>` that after k epochs of learning.
`curves.csv` has one row a simulated chip: curve `accuracy_over_level` of the mode `<kind>` (x: level), and
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

from snn.config.blocks import Robustness
from snn.errors import DataError, Diverged
from snn.models.fold import folded, without_temporal_gains
from snn.models.perturb import Perturbation, perturbed, restart_noise
from snn.models.stages import Network
from snn.phases.experiment import Experiment
from snn.phases.outcome import Outcome
from snn.phases.subset import evaluation_subset, stratified
from snn.runtime import files
from snn.runtime.seeds import derive
from snn.training.evaluate import BATCH, is_spiking, predict
from snn.training.loop import Splits, fit

KINDS = ("mismatch", "bits", "noise", "dead_fraction")

Evaluate = Callable[[nn.Module], np.ndarray]
"""Predictions of a network for the test recordings."""


@dataclass(frozen=True)
class Case:
    """One perturbed network: a kind at a level on a simulated chip. The kind `clock` is the unperturbed network."""

    kind: str
    level: float
    chip: int

    @property
    def mode(self) -> str:
        return self.kind if self.kind == "clock" else f"{self.kind}-{self.level:g}"


UNPERTURBED = Case("clock", 0, 0)


def cases(settings: Robustness) -> list[Case]:
    """All perturbed networks that are evaluated. Rounding is the same on every simulated chip: it has one."""
    return [
        Case(kind, level, chip)
        for kind in KINDS
        for level in getattr(settings, kind)
        for chip in range(1 if kind == "bits" else settings.simulated_chips)
    ]


def recovery_cases(settings: Robustness) -> list[Case]:
    """The cases on which a network learns. The unperturbed one too: what more epochs do by themselves."""
    strongest = {k: (min if k == "bits" else max)(getattr(settings, k)) for k in KINDS if getattr(settings, k)}
    return [UNPERTURBED] + [
        case
        for case in cases(settings)
        if case.chip < settings.recovery_chips
        and (settings.recovery_levels == "all" or case.level == strongest[case.kind])
    ]


def robustness(experiment: Experiment) -> Outcome:
    """Evaluate the trained network in all cases, and after on-chip learning where its method is one that does."""
    e, t = experiment, experiment.cell.t_train
    settings = Robustness(**e.spec["robustness"])
    subset = evaluation_subset(e.store, settings.recordings)
    outcome = Outcome(predictions=subset.head(), record={"simulated_chips": settings.simulated_chips})
    frames = e.frames("test", at=subset.positions)
    network = folded(without_temporal_gains(e.load_network()[0]))
    if network.refusal:
        return Outcome("refused", network.refusal)

    def evaluate(network: nn.Module) -> np.ndarray:
        restart_noise(network, 0)
        return predict(network, (x for x, _ in frames.in_order(BATCH)), is_spiking(network))

    def accuracy_of(predicted: np.ndarray) -> float:
        return float((predicted == subset.labels).mean())

    outcome.predictions[f"clock/{t}/accuracy"] = evaluate(network)
    accuracy = {UNPERTURBED: accuracy_of(outcome.predictions[f"clock/{t}/accuracy"])}
    for case in tqdm(cases(settings), desc=e.cell.key, unit="chip", file=sys.stderr, ncols=110):
        predicted = evaluate(on_chip(e, network, case))
        outcome.predictions[f"{case.mode}/{t}/accuracy_chip{case.chip}"] = predicted
        accuracy[case] = accuracy_of(predicted)
        outcome.add_curve(case.kind, "accuracy_over_level", case.level, accuracy[case], chip=case.chip)
    outcome.include(means(accuracy, "accuracy", t))

    if settings.recovery:
        after, failures = recovery(e, settings, network, evaluate)
        for case, predictions in after.items():
            values = [accuracy[case], *map(accuracy_of, predictions)]
            for k, value in enumerate(values):
                outcome.add_curve(case.mode, "accuracy_over_epochs", k, value, chip=case.chip)
            outcome.predictions[f"{case.mode}/{t}/accuracy_after_{len(predictions)}_chip{case.chip}"] = predictions[-1]
        for k in range(1, settings.recovery_epochs + 1):
            at_k = {case: accuracy_of(predictions[k - 1]) for case, predictions in after.items()}
            outcome.include(means(at_k, f"accuracy_after_{k}", t))
        outcome.reason = "; ".join(failures)
        outcome.superseded += [partial(e, case) for case in recovery_cases(settings)]
    return outcome


def means(values: dict[Case, float], metric: str, t: int) -> Outcome:
    """One metric a mode: the mean over its simulated chips."""
    outcome = Outcome()
    for mode in dict.fromkeys(case.mode for case in values):
        of_mode = [value for case, value in values.items() if case.mode == mode]
        outcome.add(metric, float(np.mean(of_mode)), t, mode)
    return outcome


def on_chip(experiment: Experiment, network: Network, case: Case) -> Network:
    """The network on the simulated chip of a case."""
    chip = derive(experiment.cell.seed, "disturbance", "chip", case.chip)
    levels: dict[str, Any] = {} if case == UNPERTURBED else {case.kind: case.level}
    return perturbed(network, Perturbation(**levels), chip, experiment.store.shape)


# --- on-chip learning


def recovery(
    experiment: Experiment, settings: Robustness, network: Network, evaluate: Evaluate
) -> tuple[dict[Case, np.ndarray], list[str]]:
    """(predictions [epochs, recordings] after each epoch of learning by case, why the others have none).

    Each finished case is kept in a file until all are, so that an interrupted job goes on after the last of them.
    """
    e, cases_ = experiment, recovery_cases(settings)
    identity = e.identity(e.folder, e.teacher)
    predictions: dict[Case, np.ndarray] = {}
    for case in cases_:
        if (finished := load_partial(partial(e, case), identity)) is not None:
            predictions[case] = finished
    todo = [case for case in cases_ if case not in predictions]
    failures: list[str] = []
    if todo:
        teacher = e.load_teacher()
        teacher = None if teacher is None else folded(without_temporal_gains(teacher))
        positions = stratified(e.store, settings.recovery_recordings, "train")
        few = e.frames("validation", at=np.arange(1), cached=False)  # nothing is chosen by them
        splits = Splits(e.frames("train", at=positions), few, few)
        for case in tqdm(todo, desc=f"{e.cell.key}: learning", unit="chip", file=sys.stderr, ncols=110):
            try:
                predictions[case] = learn(e, settings, on_chip(e, network, case), splits, teacher, evaluate)
            except Diverged as failure:
                failures.append(f"learning on {case.mode}, simulated chip {case.chip}, diverged: {failure}")
                continue
            save_partial(partial(e, case), identity, predictions[case])
    return {case: predictions[case] for case in cases_ if case in predictions}, failures


def learn(
    experiment: Experiment,
    settings: Robustness,
    network: Network,
    splits: Splits,
    teacher: Network | None,
    evaluate: Evaluate,
) -> np.ndarray:
    """Train the perturbed `network` in place; predictions [epochs, recordings] after each epoch."""
    e, predictions = experiment, []
    run = e.training_run(splits, epochs=settings.recovery_epochs, teacher=teacher)
    changes = {"lr": run.train.lr * settings.recovery_lr, "schedule": "constant", "warmup": 0.0}
    run.train = run.train.model_copy(update=changes)

    def after_epoch(epoch: int, _: dict[str, float]) -> None:
        predictions.append(evaluate(network))
        restart_noise(network, epoch + 1)

    checkpoint = e.folder.path / "robustness.pt"
    checkpoint.unlink(missing_ok=True)
    restart_noise(network, 1)  # 0 is the evaluations'
    try:
        fit(
            network,
            e.method,
            e.params,
            run,
            splits,
            seed=e.cell.seed,
            checkpoint=checkpoint,
            identity=e.token,
            precision=e.precision,
            on_epoch=after_epoch,
        )
    finally:
        checkpoint.unlink(missing_ok=True)
    return np.stack(predictions)


def partial(experiment: Experiment, case: Case) -> Path:
    """Where the predictions of a finished case are kept while others are not finished."""
    return experiment.folder.path / "robustness.partial" / f"{case.mode}-chip{case.chip}.npz"


def save_partial(path: Path, identity: str, predictions: np.ndarray) -> None:
    with files.replacing(path) as temporary, open(temporary, "wb") as f:
        np.savez_compressed(f, identity=np.array(identity), predictions=predictions)


def load_partial(path: Path, identity: str) -> np.ndarray | None:
    """None if there is none, or it belongs to another configuration, code or network. DataError where damaged."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as saved:
            return saved["predictions"] if str(saved["identity"]) == identity else None
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        reason = type(error).__name__
        raise DataError(
            f"{path}: not readable as the result of on-chip learning ({reason}); delete this file and run again"
        ) from None
