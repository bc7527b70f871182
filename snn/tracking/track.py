"""MLflow, a view of the files: live curves while a training runs, and a store rebuilt from the files at any time.

    init(store)        once, before any job: the SQLite store with its schema, so that no two jobs race to make it
    LiveRun(...)       inside a training: one point an epoch, from a process of its own that may fail unnoticed
    sync(...)          after the jobs: one run a cell, with all that its files hold

A run is found by its tag `snn.cell`, and `snn.digest` says which state of the files it shows. `sync` leaves a run with
the right digest alone and replaces any other: one that a killed training left behind, one that shows older files.

MLFLOW_TRACKING_URI, where set, names the server to use instead of the local store. On a server that several people
use, `snn.origin` keeps the runs of one working copy apart from those of another.

MLflow takes seconds to import, so that this module imports it only where it is used.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import json
import logging
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

from snn.errors import UserError
from snn.runtime.files import read_json, sha256, write_json

CELL, DIGEST, ORIGIN, LIVE = "snn.cell", "snn.digest", "snn.origin", "snn.live"
LAYOUT = "1"  # how runs are laid out; raise it, and the next sync replaces every run
REPORT = "report"

WATCHABLE = 60.0  # seconds: a training that ends sooner is over before anybody looks, and pays nothing
GRACE = 10.0  # seconds that the end of a training waits for its last points
BACKLOG = 1 << 20  # bytes that wait for a slow store before the live curves are given up
BATCH = 800  # metrics a call; MLflow takes at most 1000 items, of which at most 100 parameters and 100 tags
SMALL = 2 << 20  # bytes: larger files stay where they are

EXPERIMENT_NOTE = """\
One run a **cell**: data set, network, method, training time steps and seed. The files under `results/{name}` are the
truth; this view can be deleted and is rebuilt from them.

* **Find**: `params.method = "mtt" and params.t_train = "10"`, or `tags.snn.status = "diverged"`.
* **Compare**: *Group by* `group` takes the mean over seeds; `epoch/…` are curves over epochs, `sweep/…` have the time
  steps T as step, `train/…` and `deploy/…` are final values.
* **Report**: `reports/{name}/index.html`, rendered from the same files.
"""


# ---------------------------------------------------------------------------------------------------- the store


def init(store: Path) -> None:
    """Make the store of `results/<benchmark>/mlflow` and its experiment, unless they exist. Safe to call at any time.

    A store that another MLflow version made, or that was moved (MLflow keeps absolute paths), is made afresh: the
    files have everything that it held.
    """
    store = Path(store).resolve()
    name = store.parent.name
    if _server():
        with _answering(store):
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
        with _answering(store):
            client = _client(store)
            _experiment(client, name, store)
            if empty := client.get_experiment_by_name("Default"):  # the first that a person would see
                client.delete_experiment(empty.experiment_id)
        write_json(made, state)


def _server() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI", "").strip()


def _client(store: Path) -> Any:
    """A client of the server, or of the local store. Quiet, without telemetry, and soon to give up."""
    for key in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"):
        os.environ[key] = "true"
    for key, value in {"LOGGING_LEVEL": "ERROR", "HTTP_REQUEST_TIMEOUT": "10", "HTTP_REQUEST_MAX_RETRIES": "1"}.items():
        os.environ.setdefault(f"MLFLOW_{key}", value)
    for name in ("urllib3", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    from mlflow import MlflowClient

    return MlflowClient(_server() or f"sqlite:///{store}/mlflow.db")


def _experiment(client: Any, name: str, store: Path | None) -> str:
    """The id of an experiment, which is made, or brought back, where needed."""
    found = client.get_experiment_by_name(name)
    if found is None:
        location = (store / "artifacts").as_uri() if store else None
        tags = {
            "mlflow.note.content": EXPERIMENT_NOTE.format(name=name),
            "mlflow.experimentKind": "custom_model_development",  # the UI for trainings, not for chats
        }
        try:
            return client.create_experiment(name, artifact_location=location, tags=tags)
        except Exception:  # somebody else was faster, or this says why not
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return found.experiment_id


@contextmanager
def _answering(store: Path) -> Iterator[None]:
    """Any failure of MLflow as one line that says what to do."""
    try:
        yield
    except (UserError, KeyboardInterrupt):
        raise
    except Exception as error:
        then = "no result is lost: they are in files, and `snn mlflow-sync` brings them to MLflow at any time"
        if uri := _server():
            raise UserError(
                f"MLFLOW_TRACKING_URI={_clean(uri)}: {_reason(error)}; start that server, correct the variable, "
                f"or unset it to use the local store ({then})"
            ) from None
        raise UserError(
            f"{store / 'mlflow.db'}: {_reason(error)}; free the disk or delete {store}, it is only a view ({then})"
        ) from None


def _reason(error: BaseException) -> str:
    """The innermost reason on one short line."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    text = getattr(error, "strerror", None) or getattr(error, "orig", None) or error
    return _clean(" ".join(str(text).split()))[:200] or type(error).__name__


def _clean(text: str) -> str:
    """`text` without passwords in addresses and without the values of secret environment variables."""
    text = re.sub(r"(\w://)[^/\s@]+@", r"\1***@", text)
    for name, value in os.environ.items():
        if len(value) >= 6 and re.search("TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|ACCESS_KEY", name, re.I):
            text = text.replace(value, "***")
    return text


# ---------------------------------------------------------------------------------------- what a run is called


def cell_key(cell: dict) -> str:
    return "{dataset}/{network}/{method}/T{t_train}/seed{seed}".format(**cell)


def _identity(cell: dict, store: Path) -> tuple[str, dict[str, str], dict[str, str]]:
    """Name, parameters and tags that every run of a cell has, live or not."""
    # what differs most comes first: the tables and legends of the UI cut long names
    group = "{method} T{t_train} {network} {dataset}".format(**cell)
    params = {key: str(cell[key]) for key in ("dataset", "network", "method", "t_train", "seed")}
    tags = {
        CELL: cell_key(cell),
        ORIGIN: _origin(store),
        "group": group,
        "mlflow.source.name": "snn-bench",
        "mlflow.source.type": "LOCAL",
    }
    return "{method} T{t_train} seed{seed} {network} {dataset}".format(**cell), params, tags


def _origin(store: Path) -> str:
    """Tells working copies apart on a shared server; a local store has only one."""
    return hashlib.sha256(str(store).encode()).hexdigest()[:12] if _server() else "local"


def _flat(value: Any, prefix: str = "") -> dict[str, str]:
    """Nested settings as `a.b.c` → text, within MLflow's limits."""
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in _flat(inner, f"{prefix}{key}.").items()}
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return {re.sub(r"[^\w\-. :/]", "_", prefix.rstrip("."))[:250]: _clean(text)[:6000]}


def _metrics(values: dict[str, Any], time_ms: int, step: int) -> list[Any]:
    """Finite numbers only: a missing value is a hole in the curve."""
    from mlflow.entities import Metric

    numbers = {name: float(value) for name, value in values.items() if value not in ("", None)}
    return [Metric(name, number, time_ms, step) for name, number in numbers.items() if math.isfinite(number)]


def _log(client: Any, run: str, metrics: list[Any] = (), params: dict = {}, tags: dict = {}) -> None:  # noqa: B006
    """In as few calls as MLflow's limits allow."""
    from mlflow.entities import Param, RunTag

    left = [Param(key, value) for key, value in params.items()]
    marks = [RunTag(key, _clean(str(value))[:5000]) for key, value in tags.items()]
    while metrics or left or marks:
        client.log_batch(run, metrics=metrics[:BATCH], params=left[:100], tags=marks[:100])
        metrics, left, marks = metrics[BATCH:], left[100:], marks[100:]


# ---------------------------------------------------------------------------------------------------- live runs


class LiveRun:
    """Curves of a training that still runs. Never fails it and never holds it up.

    The points go down a pipe to a process of their own (`python -m snn.tracking.track`), which imports MLflow, talks to
    the store, and on the first error prints one warning and ends. That process sees the pipe close when the training
    is killed, and marks the run so. It starts with the first epoch that ends after `WATCHABLE` seconds. A training
    that goes on from a checkpoint (`resume_epoch`, or its first epoch is not the first) goes on with its run.
    """

    def __init__(
        self, store: Path, cell: dict, params: dict, tags: dict, experiment: str, resume_epoch: int = 0
    ) -> None:
        self._began = time.monotonic()
        self._child: subprocess.Popen[bytes] | None = None
        self._pending: bytes | None = b""  # None: given up
        head = {"store": str(Path(store).resolve()), "cell": cell, "params": params, "tags": tags}
        self._put({**head, "experiment": experiment, "resume_epoch": resume_epoch, "start": _now()})

    def epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        self._put({"epoch": epoch, "time": _now(), "metrics": metrics})

    def finish(self, status: str) -> None:
        """`status` is `ok` or `diverged`. Waits up to `GRACE` seconds for the points that are still on their way."""
        if self._child is None:
            self._pending = None
        self._put({"status": status, "time": _now()})
        if self._pending is None:
            return
        try:
            self._child.communicate(self._pending, timeout=GRACE)
        except Exception as error:
            self._child.kill()
            _warn(_reason(error))
        self._pending = None

    def _put(self, message: dict) -> None:
        if self._pending is None:
            return
        try:
            self._pending += json.dumps(message, default=_plain).encode() + b"\n"
            if self._child is None and time.monotonic() - self._began >= WATCHABLE:
                command = [sys.executable, "-m", "snn.tracking.track"]
                self._child = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True, bufsize=0
                )
                os.set_blocking(self._child.stdin.fileno(), False)
            if self._child is not None:
                with suppress(BlockingIOError):
                    while self._pending:
                        self._pending = self._pending[os.write(self._child.stdin.fileno(), self._pending) :]
                if len(self._pending) > BACKLOG:
                    raise TimeoutError("the store takes too long")
        except BrokenPipeError:  # the child has ended, and has said why
            self._pending = None
        except Exception as error:
            self._pending = None
            _warn(_reason(error))


def _now() -> int:
    return int(time.time() * 1000)


def _plain(value: Any) -> Any:
    """Numbers of numpy and torch as numbers, anything else as text."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)


def _warn(reason: str) -> None:
    print(f"warning: no live curves in MLflow: {reason}; the training goes on", file=sys.stderr, flush=True)


def _follow(lines: Iterator[str]) -> None:
    """The other end of a LiveRun: read its messages until they end."""
    head = json.loads(next(lines))
    store, cell = Path(head["store"]), head["cell"]
    if not _server():
        init(store)
    client = _client(store)
    experiment = _experiment(client, head["experiment"], None if _server() else store)
    name, params, tags = _identity(cell, store)
    tags |= head["tags"] | {LIVE: f"{socket.gethostname()}:{os.getppid()}", "snn.status": "running"}
    first = next(lines)
    resumed = head["resume_epoch"] > 0 or json.loads(first).get("epoch", 0) > 1
    run, seen = None, -1
    for old in _runs(client, experiment, store, f"{CELL}` = '{tags[CELL]}'"):
        if resumed and run is None and LIVE in old.data.tags and DIGEST not in old.data.tags:
            run = old.info.run_id
            steps = [m.step for m in client.get_metric_history(run, "epoch/loss")]
            seen = max(steps, default=-1)  # epochs that are computed again come out the same: no second point
            client.update_run(run, status="RUNNING")
        else:
            _delete(client, old, store)
    if run is None:
        run = client.create_run(experiment, head["start"], tags, name).info.run_id
        params |= _flat(head["params"])
    else:
        params = {}
    _log(client, run, params=params, tags=tags)
    status, now = "KILLED", None
    for line in chain([first], lines):
        message = json.loads(line)
        if "status" in message:
            status, now = {"ok": "FINISHED"}.get(message["status"], "FAILED"), message["time"]
            _log(client, run, tags={"snn.status": message["status"]})
        elif message["epoch"] > seen:
            values = {f"epoch/{key}": value for key, value in message["metrics"].items()}
            _log(client, run, _metrics(values, message["time"], message["epoch"]))
    if status == "KILLED":
        _log(client, run, tags={"snn.status": "killed"})
    client.set_terminated(run, status, now)


def _runs(client: Any, experiment: str, store: Path, also: str = "") -> list[Any]:
    """All runs of this working copy that are not deleted."""
    query = f"tags.`{ORIGIN}` = '{_origin(store)}'" + (f" and tags.`{also}" if also else "")
    runs, page = [], None
    while page is None or page.token:
        page = client.search_runs([experiment], query, max_results=1000, page_token=page.token if page else None)
        runs += page
    return runs


def _delete(client: Any, run: Any, store: Path) -> None:
    """Deleted runs are kept hidden by MLflow; in the local store at least their files go."""
    client.delete_run(run.info.run_id)
    if not _server():
        shutil.rmtree(store / "artifacts" / run.info.run_id, ignore_errors=True)


# --------------------------------------------------------------------------------------------------------- sync


@dataclass(frozen=True)
class Summary:
    """What a sync did; reads as one line."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    removed: int = 0
    missing: int = 0
    where: str = ""

    def __str__(self) -> str:
        counts = f"{self.added} added, {self.replaced} replaced, {self.unchanged} unchanged, {self.removed} removed"
        return f"MLflow: {counts}, {self.missing} cells without results ({self.where})"


@dataclass(frozen=True)
class _Content:
    """What a run shows, as read from the files."""

    name: str
    params: dict[str, str]
    tags: dict[str, Any]
    points: list[tuple[dict[str, Any], int, int]]  # values, time in ms, step
    start: int
    end: int
    status: str
    files: dict[str, Path]  # path in the artifacts → file


def sync(benchmark: str, cells: Iterable[dict], store: Path, report: Path | None = None) -> Summary:
    """Make the runs of a benchmark say what its files say. A second call changes nothing.

    `cells` have `dataset, network, method, t_train, seed, folder`; one without `train/record.json` has no results yet.
    `report` is the rendered page; it and the tidy table beside it go to a run called `report`.
    """
    store = Path(store).resolve()
    init(store)
    with _one_at_a_time(store), _answering(store):
        client = _client(store)
        experiment = _experiment(client, benchmark, None if _server() else store)
        runs = defaultdict(list)
        for run in _runs(client, experiment, store):
            runs[run.data.tags.get(CELL)].append(run)
        count: dict[str, int] = defaultdict(int)
        for cell in cells:
            files = _files(Path(cell["folder"]), cell.get("phases"))
            if "train/record.json" not in files:
                count["missing"] += 1
                continue
            old = runs.pop(cell_key(cell), [])
            count[
                _bring(client, experiment, store, old, _digest(files), lambda c=cell, f=files: _read(c, f, store))
            ] += 1
        if report is not None and Path(report).exists():
            files = {path.name: path for path in (Path(report), Path(report).parent / "metrics.csv") if path.exists()}
            old = runs.pop(REPORT, [])
            content = _report(files, store)
            count[_bring(client, experiment, store, old, _digest(files), lambda: content)] += 1
        elif REPORT in runs:
            runs.pop(REPORT)
        for run in (run for rest in runs.values() for run in rest):
            if not _alive(run):
                _delete(client, run, store)
                count["removed"] += 1
    return Summary(**count, where=_clean(_server()) or str(store / "mlflow.db"))


def _bring(client: Any, experiment: str, store: Path, old: list[Any], digest: str, read: Any) -> str:
    """One run with this digest and no other. The digest is written last: a sync that is killed leaves none."""
    right = [run for run in old if run.data.tags.get(DIGEST) == digest]
    if not right:
        content: _Content = read()
        owner = {key: content.tags[key] for key in (CELL, ORIGIN)}
        run = client.create_run(experiment, content.start, owner, content.name).info.run_id
        points = [metric for point in content.points for metric in _metrics(*point)]
        _log(client, run, points, content.params, content.tags)
        with tempfile.TemporaryDirectory() as stage:
            for name, path in content.files.items():
                (target := Path(stage, name)).parent.mkdir(parents=True, exist_ok=True)
                target.write_text(_clean(path.read_text(encoding="utf-8")), encoding="utf-8")
            client.log_artifacts(run, stage)
        client.set_terminated(run, content.status, content.end)
        client.set_tag(run, DIGEST, digest)
    for run in old:
        if run not in right[:1]:
            _delete(client, run, store)
    return "unchanged" if right else "replaced" if old else "added"


@contextmanager
def _one_at_a_time(store: Path) -> Iterator[None]:
    """Two that bring the same store up to date would make every run twice."""
    store.parent.mkdir(parents=True, exist_ok=True)
    with open(store.with_name(f".{store.name}.lock"), "w") as lock:  # beside it: with a server there is no store here
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _files(folder: Path, phases: list[str] | None = None) -> dict[str, Path]:
    """The small text files of a cell, by their path in it; of the planned phases, where these are given: what one left
    that has been switched off since is in no table either."""
    folders = ["*"] if phases is None else phases
    paths = (path for name in folders for kind in ("json", "csv") for path in folder.glob(f"{name}/*.{kind}"))
    return {str(path.relative_to(folder)): path for path in sorted(paths) if path.stat().st_size <= SMALL}


def _digest(files: dict[str, Path]) -> str:
    lines = [LAYOUT, *(f"{name} {sha256(path)}" for name, path in files.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _read(cell: dict, files: dict[str, Path], store: Path) -> _Content:
    name, params, tags = _identity(cell, store)
    path = files["train/record.json"]
    try:
        record = read_json(path)
        start = int(datetime.fromisoformat(record["started"]).timestamp() * 1000)
        points, clock = [], float(start)
        for row in _rows(path := path.with_name("history.csv")):
            clock += 1000 * float(row.get("seconds") or 0)
            epoch = int(row.pop("epoch"))
            points.append(({f"epoch/{key}": value for key, value in row.items()}, int(clock), epoch))
        end = start + int(1000 * float(record.get("seconds") or 0))
        for path in (path for name, path in files.items() if name.endswith("/metrics.csv")):
            for row in _rows(path):
                mode = "" if row["mode"] in ("", "clock") else f"_{row['mode']}"
                key = f"{row['phase']}/{row['metric']}{mode}"  # the UI makes a section of what is before the slash
                points.append(({key: row["value"]}, end, int(row["t_eval"] or 0)))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: not as this program writes it ({error!r}); delete its folder and run again") from None
    config = {key: value for key, value in record.get("config", {}).items() if key != "cell"}
    params = _flat(config) | params
    tags |= {
        "mlflow.source.git.commit": record.get("commit", ""),
        "mlflow.note.content": _note(cell, record, points),
        "snn.code": record.get("code", ""),
        "snn.status": record["status"],
    }
    if record.get("reason"):
        tags["snn.reason"] = record["reason"]
    return _Content(name, params, tags, points, start, end, "FINISHED" if record["status"] == "ok" else "FAILED", files)


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def _note(cell: dict, record: dict, points: list[tuple[dict, int, int]]) -> str:
    """What a person reads first on the page of a run."""
    lines = [f"Files: `{cell_key(cell)}`, status **{record['status']}** {record.get('reason', '')}".rstrip()]
    last = {key: (value, step) for values, _, step in points for key, value in values.items() if "accuracy" in key}
    for key, (value, step) in sorted(last.items()):
        if not key.startswith("epoch/") and value not in ("", None):
            lines.append(f"* {key}{f' at T={step}' if step else ''}: {float(value):.4f}")
    return "\n".join(lines)


def _report(files: dict[str, Path], store: Path) -> _Content:
    start = int(min(path.stat().st_mtime for path in files.values()) * 1000)
    tags = {CELL: REPORT, ORIGIN: _origin(store), "mlflow.note.content": "The rendered report: see the artifacts."}
    return _Content(REPORT, {}, tags, [], start, start, "FINISHED", files)


def _alive(run: Any) -> bool:
    """Whether a live run's training may still be going on; one on another machine cannot be asked."""
    if run.info.status != "RUNNING" or LIVE not in run.data.tags:
        return False
    host, _, pid = run.data.tags[LIVE].rpartition(":")
    if host == socket.gethostname():
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
    return True


def main() -> None:
    os.nice(10)
    try:
        _follow(iter(sys.stdin))
    except Exception as error:
        _warn(str(error) if isinstance(error, UserError) else _reason(error))


if __name__ == "__main__":
    main()
