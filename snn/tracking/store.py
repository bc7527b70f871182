"""Where runs are kept: the local store of a benchmark, or the server that MLFLOW_TRACKING_URI names.

On a server that several people use, the tag `snn.origin` keeps the runs of one working copy apart from those of
another.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snn.errors import UserError
from snn.runtime.files import read_json, write_json

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

ORIGIN = "snn.origin"
BATCH = 800  # metrics a call; MLflow takes at most 1000 items, of which at most 100 parameters and 100 tags

EXPERIMENT_NOTE = """\
One run a **cell**: data set, network, method, training time steps and seed. The files under `results/{name}` are the
truth; this view can be deleted and is rebuilt from them.

* **Find**: `params.method = "mtt" and params.t_train = "10"`, or `tags.snn.status = "diverged"`.
* **Compare**: *Group by* `group` takes the mean over seeds; `epoch/…` are curves over epochs, `sweep/…` have the time
  steps T as step, `train/…` and `deploy/…` are final values.
* **Report**: `reports/{name}/index.html`, rendered from the same files.
"""


@dataclass(frozen=True)
class View:
    """The runs of one benchmark: a client, the id of the benchmark's experiment, and the folder of its local store."""

    client: MlflowClient
    experiment: str
    store: Path

    def runs(self, condition: str = "") -> list[Run]:
        """All runs of this working copy that are not deleted; condition: a further filter in MLflow's language."""
        query = f"tags.`{ORIGIN}` = '{origin(self.store)}'" + (f" and {condition}" if condition else "")
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


def server() -> str:
    """The address of the user's server, or an empty string where the local store is used."""
    return os.environ.get("MLFLOW_TRACKING_URI", "").strip()


def origin(store: Path) -> str:
    """Tells working copies apart on a shared server; a local store has only one."""
    return hashlib.sha256(str(store).encode()).hexdigest()[:12] if server() else "local"


def init(store: Path) -> None:
    """Make the store of `results/<benchmark>/mlflow` and its experiment, unless they exist. Safe to call at any time.

    A store that another MLflow version made, or that was moved (MLflow keeps absolute paths), is made afresh: the
    files have everything that it held. UserError where that is not possible.
    """
    store = store.resolve()
    name = store.parent.name
    if server():
        with answering(store):
            _experiment(_client(store), name, None)
        return
    made, state = store / "made.json", {"mlflow": version("mlflow"), "folder": str(store)}
    store.mkdir(parents=True, exist_ok=True)
    with open(store / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (store / "mlflow.db").exists() and made.exists() and read_json(made) == state:
            return
        for path in store.iterdir():  # and with it the mark that says that it is in step with the files
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != ".lock":
                path.unlink()
        with answering(store):
            client = _client(store)
            _experiment(client, name, store)
            if empty := client.get_experiment_by_name("Default"):  # the first that a person would see
                client.delete_experiment(empty.experiment_id)
        write_json(made, state)


def connect(store: Path) -> View:
    """The benchmark's runs, in a store that `init` has made, or on the server."""
    store = store.resolve()
    client = _client(store)
    return View(client, _experiment(client, store.parent.name, None if server() else store), store)


@contextmanager
def one_at_a_time(store: Path) -> Iterator[None]:
    """Hold the lock of this working copy's runs. It lies beside the store: with a server there is no store here."""
    store.parent.mkdir(parents=True, exist_ok=True)
    with open(store.with_name(f".{store.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
        tags = {
            "mlflow.note.content": EXPERIMENT_NOTE.format(name=name),
            "mlflow.experimentKind": "custom_model_development",  # the UI for trainings, not for chats
        }
        try:
            return client.create_experiment(name, artifact_location=location, tags=tags)
        except Exception:  # somebody else was faster, or this says why not
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    return experiment.experiment_id


@contextmanager
def answering(store: Path) -> Iterator[None]:
    """Any failure of MLflow as a UserError: one line that says what to do."""
    try:
        yield
    except (UserError, KeyboardInterrupt):
        raise
    except Exception as error:
        then = "no result is lost: they are in files, and `snn mlflow-sync` brings them to MLflow at any time"
        if uri := server():
            raise UserError(
                f"MLFLOW_TRACKING_URI={clean(uri)}: {reason(error)}; start that server, correct the variable, "
                f"or unset it to use the local store ({then})"
            ) from None
        raise UserError(
            f"{store / 'mlflow.db'}: {reason(error)}; free the disk or delete {store}, it is only a view ({then})"
        ) from None


def reason(error: BaseException) -> str:
    """The innermost reason on one short line."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    text = getattr(error, "strerror", None) or getattr(error, "orig", None) or error
    return clean(" ".join(str(text).split()))[:200] or type(error).__name__


def clean(text: str) -> str:
    """`text` without passwords in addresses and without the values of secret environment variables."""
    text = re.sub(r"(\w://)[^/\s@]+@", r"\1***@", text)
    for name, value in os.environ.items():
        if len(value) >= 6 and re.search("TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|ACCESS_KEY", name, re.I):
            text = text.replace(value, "***")
    return text
