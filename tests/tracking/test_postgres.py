"""A server for a group, as docs/mlflow_server.md sets it up: Postgres and MLflow on the loopback interface.

`make postgres-test` runs this and nothing else. It installs nothing, skips by name what it lacks, and leaves nothing
behind. The commands are read from the page, so that the page cannot promise what was not run.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.request import urlopen

import fake_cells
import pytest

from snn.benchmark.cell import Cell
from snn.errors import UserError
from snn.tracking.live import LiveRun
from snn.tracking.store import View, connect
from snn.tracking.sync import sync

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/mlflow_server.md"
CELL = Cell("saccades", "3c1fc", "mtt", 4, 0)

TIMES = int(os.environ.get("TIMES", "1"))
"""How often each kill is repeated."""


def program(name: str) -> str | None:
    """Debian keeps the programs of Postgres's server out of the PATH."""
    beside = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(beside[-1]) if beside else None)


MISSING = [
    *(f"{name} (apt install postgresql)" for name in ("initdb", "postgres", "psql", "createdb") if not program(name)),
    *(["psycopg2 (pip install psycopg2-binary)"] if importlib.util.find_spec("psycopg2") is None else []),
]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")


def block(label: str) -> str:
    """The commands of the page below the comment with this label."""
    match = re.search(rf"<!-- test: {label} -->\n( *)```\w+\n(.*?)\n\1```", PAGE.read_text(encoding="utf-8"), re.S)
    assert match, f"{PAGE.name} has no block {label!r}"
    return textwrap.dedent(match[2])


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@dataclass
class Server:
    """Postgres and MLflow in one folder, with the variables of the page."""

    folder: Path
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)

    def __post_init__(self):
        self.ports = {"postgres": free_port(), "mlflow": free_port()}
        self.admin, password = secrets.token_hex(8), secrets.token_hex(8)
        host = {"PGHOST": "127.0.0.1", "PGPORT": str(self.ports["postgres"])}
        login = {"PGUSER": "postgres", "PGPASSWORD": self.admin}
        database = f"postgresql://mlflow:{password}@127.0.0.1:{self.ports['postgres']}/mlflow"
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = {**os.environ, **host, **login, "PATH": path, "DB_PASSWORD": password}
        self.environment |= {"FOLDER": str(self.folder / "mlflow"), "MLFLOW_BACKEND_STORE_URI": database}
        self.environment |= {"ADDRESS": "127.0.0.1", "PORT": str(self.ports["mlflow"])}
        self.environment |= {"NAMES": f"127.0.0.1:{self.ports['mlflow']},localhost:{self.ports['mlflow']}"}
        self.environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        self.environment.pop("MLFLOW_TRACKING_URI", None)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.ports['mlflow']}"

    def make(self) -> None:
        """The cluster, the role, the database and its tables."""
        (self.folder / "mlflow").mkdir()
        data, password = self.folder / "postgres", self.folder / "password"
        password.write_text(self.admin)
        data.mkdir(mode=0o700)
        if os.getuid() == 0:  # Postgres refuses to run as root
            for path in (self.folder, data, password):
                shutil.chown(path, "postgres", "postgres")
        options = ["--auth=scram-sha-256", "--username=postgres", f"--pwfile={password}", "--no-sync"]
        initdb = [program("initdb"), "-D", str(data), *options]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **self.as_postgres())
        self.start_postgres()
        for label in ("database", "tables"):
            subprocess.run(["bash", "-euc", block(label)], check=True, env=self.environment, capture_output=True)

    def as_postgres(self) -> dict:
        return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}

    def start(self, name: str, command: list[str], port: int, **options) -> None:
        log = open(self.folder / f"{name}.log", "ab")  # noqa: SIM115  # the process keeps it
        self.processes[name] = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=self.folder, start_new_session=True, **options
        )
        log.close()
        deadline = time.monotonic() + 120
        while not self.answers(name, port):
            ended = self.processes[name].poll() is not None
            if ended or time.monotonic() > deadline:
                pytest.fail((self.folder / f"{name}.log").read_text()[-3000:])
            time.sleep(0.1)

    def answers(self, name: str, port: int) -> bool:
        with contextlib.suppress(OSError):
            if name == "postgres":
                socket.create_connection(("127.0.0.1", port)).close()
                return subprocess.run(
                    ["psql", "-qc", "select 1", "postgres"], env=self.environment, capture_output=True
                ).returncode == 0  # fmt: skip
            return urlopen(f"http://127.0.0.1:{port}/health").status == 200
        return False

    def start_postgres(self) -> None:
        port = self.ports["postgres"]
        where = ["-D", str(self.folder / "postgres"), "-p", str(port), "-k", "", "-c", "listen_addresses=127.0.0.1"]
        self.start("postgres", [program("postgres"), *where, "-c", "fsync=off"], port, **self.as_postgres())

    def start_mlflow(self, label: str = "server", **variables: str) -> None:
        commands = block(label).replace("--workers 4", "--workers 2")
        self.start("mlflow", ["bash", "-euc", commands], self.ports["mlflow"], env=self.environment | variables)

    def kill(self, name: str) -> None:
        """SIGKILL to the process and its children: those of Postgres are in sessions of their own."""
        process = self.processes.pop(name)
        children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
        for pid in [process.pid, *map(int, children)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def group_server():
    """One server for all tests: each has an experiment of its own."""
    with tempfile.TemporaryDirectory(prefix="snn-postgres-") as folder:  # pytest's own folders are root's alone
        one = Server(Path(folder))
        try:
            one.make()
            one.start_mlflow()
            yield one
        finally:
            for name in list(one.processes):
                one.kill(name)


@pytest.fixture
def server(group_server, monkeypatch) -> Server:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", group_server.address)
    return group_server


def metrics_of(runs: dict[str, list]) -> dict:
    return {key: [(run.data.metrics, run.data.params) for run in same] for key, same in runs.items()}


def test_eight_trainings_at_once_and_two_syncs(server, tmp_path, see, monkeypatch):
    layout = fake_cells.layout(tmp_path, "eight")
    store, cells = layout.mlflow, [replace(CELL, seed=seed) for seed in range(8)]
    trainings = [LiveRun(store, cell, settings={"lr": 0.1}, protocol="validation") for cell in cells]
    for training in trainings:
        training.epoch(1, {"loss": 1.0})

    def curves() -> list:
        return [see.curve(store, run, "epoch/loss") for (run,) in see.runs(store).values()]

    deadline = time.monotonic() + 120
    while len(see.runs(store)) < 8 or curves() != [[(1, 1.0)]] * 8:
        assert time.monotonic() < deadline, "no live curves"
        time.sleep(0.5)
    assert {run.info.status for (run,) in see.runs(store).values()} == {"RUNNING"}
    for training in trainings:
        training.epoch(2, {"loss": 0.5})
        training.finish("ok")
    assert curves() == [[(1, 1.0), (2, 0.5)]] * 8
    assert {run.info.status for (run,) in see.runs(store).values()} == {"FINISHED"}

    planned = fake_cells.make_benchmark(layout, methods=("mtt",), seeds=8)
    assert sync(layout, planned).replaced == 8
    assert sync(layout, planned).unchanged == 8
    on_server = see.runs(store)
    assert [len(runs) for runs in on_server.values()] == [1] * 8
    (run,) = on_server[CELL.key]
    artifacts = connect(store).client.list_artifacts(run.info.run_id, "train")
    assert {path.path for path in artifacts} == {"train/record.json", "train/history.csv", "train/metrics.csv"}

    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert sync(layout, planned).added == 8
    assert metrics_of(see.runs(store)) == metrics_of(on_server)


def test_a_second_machine_with_the_same_path_removes_nothing(server, tmp_path, see):
    here = fake_cells.layout(tmp_path / "checkout", "same-path")
    assert sync(here, fake_cells.make_benchmark(here)).added == 4
    os.rename(here.results_root, tmp_path / "the first machine")
    summary = sync(here, fake_cells.make_benchmark(here, methods=("mtt",), seeds=1))
    assert (summary.added, summary.removed) == (1, 0)
    assert sum(len(runs) for runs in see.runs(here.mlflow).values()) == 5


def test_two_working_copies_at_once(server, tmp_path, see):
    layouts = [fake_cells.layout(tmp_path / name, "two") for name in ("one", "two")]
    cells = [fake_cells.make_benchmark(layout) for layout in layouts]
    with ThreadPoolExecutor(2) as pool:
        assert [summary.added for summary in pool.map(sync, layouts, cells)] == [4, 4]
    assert [sync(*both).unchanged for both in zip(layouts, cells, strict=True)] == [4, 4]
    assert [len(runs) for runs in see.runs(layouts[0].mlflow).values()] == [2] * 4


@pytest.mark.parametrize("repetition", range(TIMES))
@pytest.mark.parametrize("victim", ["mlflow", "postgres"])
def test_a_server_that_is_killed_in_the_middle_of_a_sync_is_healed_by_the_next(
    server, tmp_path, see, monkeypatch, victim, repetition
):
    layout = fake_cells.layout(tmp_path, f"killed-{victim}-{repetition}")
    cells = fake_cells.make_benchmark(layout)
    log, calls = View.log, []

    def kills(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 4:
            server.kill(victim)
        return log(*arguments, **options)

    monkeypatch.setattr(View, "log", kills)
    began = time.monotonic()
    with pytest.raises(UserError, match="no result is lost") as failure:
        sync(layout, cells)
    assert "\n" not in str(failure.value)
    assert time.monotonic() - began < 60
    monkeypatch.setattr(View, "log", log)
    server.start_mlflow() if victim == "mlflow" else server.start_postgres()
    sync(layout, cells)
    assert {key: len(runs) for key, runs in see.runs(layout.mlflow).items()} == {cell.key: 1 for cell in cells}
    assert len(see.means(layout.mlflow)) == 2
    assert sync(layout, cells).unchanged == 4


def test_replaced_runs_are_removed_for_good(server, tmp_path, see):
    layout = fake_cells.layout(tmp_path, "space")
    cells = fake_cells.make_benchmark(layout, methods=("mtt",), seeds=1)
    sync(layout, cells)
    (replaced,) = see.runs(layout.mlflow)[CELL.key]
    fake_cells.make_cell(layout.cell(CELL), CELL, status="diverged")
    assert sync(layout, cells).replaced == 1
    client = connect(layout.mlflow).client
    assert client.get_run(replaced.info.run_id).info.lifecycle_stage == "deleted"
    commands = block("space").replace("30d", "0s")
    subprocess.run(["bash", "-euc", commands], check=True, env=server.environment, capture_output=True)
    with pytest.raises(Exception, match="not found"):
        client.get_run(replaced.info.run_id)
    assert sync(layout, cells).unchanged == 1


def test_a_name_that_the_server_does_not_list(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address.replace("127.0.0.1", "127.1"))
    with pytest.raises(UserError, match=r"--allowed-hosts` that lists '127.1:"):
        sync(fake_cells.layout(tmp_path), {})


@pytest.mark.skipif(importlib.util.find_spec("flask_wtf") is None, reason="needs Flask-WTF (pip install 'Flask-WTF<2')")
def test_accounts_that_may_read_and_write(server, tmp_path, monkeypatch):
    """The last test: the server goes on with accounts."""
    import mlflow

    layout = fake_cells.layout(tmp_path, "accounts")
    cells = fake_cells.make_benchmark(layout, methods=("mtt",), seeds=1)
    assert sync(layout, cells).added == 1
    admin = secrets.token_hex(8)
    server.kill("mlflow")
    server.start_mlflow("accounts", MLFLOW_AUTH_ADMIN_PASSWORD=admin)

    def log_in(user: str, password: str) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)

    with pytest.raises(UserError, match="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"):
        sync(layout, cells)
    names = {"os": os, "user": "reader", "password": secrets.token_hex(8), "benchmark": "accounts", "mlflow": mlflow}
    log_in("admin", admin)
    exec(block("user"), names)
    log_in("reader", names["password"])
    assert sync(layout, cells).unchanged == 1, "to read is enough where nothing has changed"
    fake_cells.make_cell(layout.cell(CELL), CELL, status="diverged")
    with pytest.raises(UserError, match="an account that may write"):
        sync(layout, cells)
    log_in("admin", admin)
    exec(block("grant"), names)
    log_in("reader", names["password"])
    assert sync(layout, cells).replaced == 1
