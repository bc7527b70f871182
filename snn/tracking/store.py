"""Where runs are kept: the local store of a benchmark, or the server that MLFLOW_TRACKING_URI names."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from snn.runtime.files import read_json, write_json
from snn.tracking.failures import answering, clean, server
from snn.tracking.lock import locked
from snn.tracking.origin import LOCAL, origin

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

ORIGIN = "snn.origin"
LAYOUT = "3"  # how runs are laid out; raise it, and local stores are made afresh and all runs on servers replaced
BATCH = 800  # metrics a call; MLflow takes at most 1000 items, of which at most 100 parameters and 100 tags

EXPERIMENT_NOTE = """\
Means over seeds, best first, by [event-driven accuracy, int8]({int8}), by [what is lost event-driven]({change}), \
or by [clock-driven accuracy]({clock}).

One run a **cell** (data set, network, method, training time steps T, seed), below a run with the **mean** over seeds.
The files under `results/{name}` are the truth; this view can be deleted and is rebuilt from them.

* **Read**: in the chart view, section `core`: clock-driven accuracy, accuracy after event-driven deployment (float and
  int8 weights), accuracy change in points (negative is worse), synaptic operations a recording. *+* unfolds the seeds.
* **All numbers**: `epoch` are curves over epochs, `sweep` over the time steps T, `deploy/event-…` is event-driven.
* **Find**: `params.method = "mtt" and params.seed = "mean"`, or `tags.snn.status = "diverged"`.
* **Group** the seeds by the tag `group`, filtered by `params.seed != "mean"`; `method` alone mixes networks and T.
* **Report**: `reports/{name}/index.html`, rendered from the same files, with intervals and figures.
"""


@dataclass(frozen=True)
class View:
    """The runs of one benchmark in one working copy.

    experiment: the id of the benchmark's experiment; origin: what its runs' tag `snn.origin` says; store: the folder of
    the local store.
    """

    client: MlflowClient
    experiment: str
    origin: str
    store: Path

    def runs(self, condition: str = "") -> list[Run]:
        """All runs of this working copy that are not deleted; condition: a further filter in MLflow's language."""
        query = f"tags.`{ORIGIN}` = '{self.origin}'" + (f" and {condition}" if condition else "")
        runs: list[Run] = []
        token: str | None = None
        while True:
            page = self.client.search_runs([self.experiment], query, max_results=1000, page_token=token)
            runs += page
            if not (token := page.token):
                return runs

    def log(
        self,
        run: str,
        metrics: Sequence[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        """Write to the run with this id, in as few calls as MLflow's limits allow."""
        from mlflow.entities import Param, RunTag

        points = list(metrics)
        settings = [Param(key, value) for key, value in (params or {}).items()]
        marks = [RunTag(key, clean(str(value))[:5000]) for key, value in (tags or {}).items()]
        while points or settings or marks:
            self.client.log_batch(run, metrics=points[:BATCH], params=settings[:100], tags=marks[:100])
            points, settings, marks = points[BATCH:], settings[100:], marks[100:]

    def delete(self, run: Run) -> None:
        """MLflow keeps deleted runs hidden; in the local store at least their files go."""
        self.client.delete_run(run.info.run_id)
        if not server():
            shutil.rmtree(self.store / "artifacts" / run.info.run_id, ignore_errors=True)


def init(store: Path) -> None:
    """Make the store of `results/<benchmark>/mlflow` and its experiment, unless they exist. Safe to call at any time.

    A store that another MLflow version made, that was moved (MLflow keeps absolute paths), or whose making was not
    finished, is made afresh: the files have everything that it held. UserError where that is not possible.
    """
    store = store.resolve()
    with answering(store):
        if server():
            _experiment(_client(store), store.parent.name, None)
            return
        with locked(store / ".lock"):
            _make(store)


def connect(store: Path) -> View:
    """The benchmark's runs, in a store that `init` has made, or on the server."""
    store = store.resolve()
    client = _client(store)
    experiment = _experiment(client, store.parent.name, None if server() else store)
    return View(client, experiment, origin(store) if server() else LOCAL, store)


def _make(store: Path) -> None:
    made, state = store / "made.json", {"mlflow": version("mlflow"), "folder": str(store), "layout": LAYOUT}
    if (store / "mlflow.db").exists():
        try:
            state_then = read_json(made)
        except (FileNotFoundError, ValueError):
            state_then = None
        if state_then == state:
            return
        print(
            f"MLflow: {store} {_difference(state_then, store)}; it is made afresh from the files",
            file=sys.stderr,
            flush=True,
        )
    for path in store.iterdir():  # and with it the mark that says that it is in step with the files
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != ".lock":
            path.unlink()
    client = _client(store)
    _experiment(client, store.parent.name, store)
    if empty := client.get_experiment_by_name("Default"):  # the first that a person would see
        client.delete_experiment(empty.experiment_id)
    write_json(made, state)


def _difference(state: Any, store: Path) -> str:
    """Why this store, with this content of made.json, cannot be used."""
    if not isinstance(state, dict) or not {"mlflow", "folder"} <= state.keys():
        return "was not finished"
    if state["mlflow"] != version("mlflow"):
        return f"was made by MLflow {state['mlflow']}, this is {version('mlflow')}"
    if state["folder"] != str(store):
        return f"was made as {state['folder']}"
    return "was made by another version of this program"


def _client(store: Path) -> MlflowClient:
    """A client of the server, or of the local store. Quiet, without telemetry, and soon to give up."""
    for key in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"):
        os.environ[key] = "true"
    for key, value in {"LOGGING_LEVEL": "ERROR", "HTTP_REQUEST_TIMEOUT": "10", "HTTP_REQUEST_MAX_RETRIES": "1"}.items():
        os.environ.setdefault(f"MLFLOW_{key}", value)
    for name in ("urllib3", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    from mlflow import MlflowClient

    return MlflowClient(server() or f"sqlite:///{store}/mlflow.db")


def _experiment(client: MlflowClient, name: str, store: Path | None) -> str:
    """The id of an experiment, which is made, or brought back, where needed."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        location = (store / "artifacts").as_uri() if store else None
        kind = {"mlflow.experimentKind": "custom_model_development"}  # the UI for trainings, not for chats
        try:
            made: str = client.create_experiment(name, artifact_location=location, tags=kind)
            client.set_experiment_tag(made, "mlflow.note.content", _note(name, made))
            return made
        except Exception:  # somebody else was faster, or this says why not
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    return experiment.experiment_id


def _note(name: str, experiment: str) -> str:
    """What the experiment's page says first, with links to its own charts in the order of a headline metric."""

    def best_first(metric: str) -> str:
        asked = {
            "searchFilter": 'params.seed = "mean"',
            "orderByKey": f"metrics.`core/{metric}`",
            "orderByAsc": "false",
            "compareRunsMode": "CHART",  # bars with their numbers; the list has no metrics until columns are chosen
        }
        return f"#/experiments/{experiment}/runs?{urlencode(asked, quote_via=quote, safe='')}"

    return EXPERIMENT_NOTE.format(
        name=name,
        int8=best_first("accuracy_event_int8"),
        change=best_first("accuracy_change_points"),
        clock=best_first("accuracy"),
    )
