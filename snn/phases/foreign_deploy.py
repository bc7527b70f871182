"""Phase deploy of a cell that another framework trained: the network that its script left as a NIR file, event-driven.

Everything is as in `snn/phases/deploy.py` but the clock-driven side: its predictions are the script's own, at t_train
and at those T of `deploy.t_clock` that are in the sweep, on the same recordings.
"""

from __future__ import annotations

from snn.config.blocks import Deploy
from snn.data.store import EventStore
from snn.errors import DataError, UserError
from snn.events import EventNetwork, from_nir, save
from snn.phases.deploy import ClockDriven, in_every_mode
from snn.phases.experiment import Experiment
from snn.phases.foreign import read_script_record
from snn.phases.outcome import Outcome
from snn.phases.subset import Subset, evaluation_subset


def deploy(experiment: Experiment) -> Outcome:
    """Deploy the script's network in every mode. What cannot be deployed is an outcome with its reason."""
    settings = Deploy(**experiment.spec["deploy"])
    subset = evaluation_subset(experiment.store, settings.recordings)
    outcome = Outcome(predictions=subset.head())
    reference = clock_driven(experiment, settings, subset, outcome)
    try:
        network = left_network(experiment)
        save(network, experiment.folder.network_file)
        part, reasons = in_every_mode(experiment, network, settings, subset, reference)
        outcome.include(part)
        outcome.reason = "; ".join(reasons)
    except UserError as refusal:
        outcome.status, outcome.reason = "refused", str(refusal)
    return outcome


def clock_driven(experiment: Experiment, settings: Deploy, subset: Subset, outcome: Outcome) -> ClockDriven:
    """Take the script's own predictions on these recordings into the outcome; returns those at t_train."""
    predictions, t_train = experiment.folder.predictions("sweep"), experiment.cell.t_train
    for t in sorted({t_train, *settings.t_clock}):
        if (name := f"clock/{t}/accuracy") in predictions:
            outcome.predictions[name] = predictions[name][subset.positions]
            outcome.add("accuracy", float((outcome.predictions[name] == subset.labels).mean()), t)
    at_training = outcome.predictions[f"clock/{t_train}/accuracy"]
    return ClockDriven(float((at_training == subset.labels).mean()), None)


def left_network(experiment: Experiment) -> EventNetwork:
    """What the script left as network.nir. UserError where it left none, or one that does not fit the data."""
    store, folder, t_train = experiment.store, experiment.folder, experiment.cell.t_train
    assert isinstance(store, EventStore), "the plan refuses foreign methods on images"
    how = read_script_record(folder.path / "foreign" / "record.json").get("nir", "its record.json says nothing of it")
    if isinstance(how, str):
        raise UserError(f"its script left no network.nir: {how}")
    step_us = how.step_us or store.manifest["events"]["duration_us_mean"] / t_train
    # A step has no meaning for the file of a tool that computes in continuous time.
    dt = {} if how.dt is None else {"dt": how.dt, "step_us": step_us}
    network = from_nir(folder.foreign_network, reset=how.reset, v_min=how.v_min, **dt)
    if tuple(network.input_shape) != tuple(store.sensor.shape) or network.n_classes != store.n_classes:
        raise DataError(
            f"{folder.foreign_network}: takes {network.input_shape} and has {network.n_classes} outputs, but the data "
            f"set has {store.sensor.shape} (polarities, rows, columns) and {store.n_classes} classes; mend its script"
        )
    return network
