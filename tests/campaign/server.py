"""An MLflow server that goes away in the middle of a sync, and several working copies that share one."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path

import fake_cells

from snn.benchmark.cell import Cell
from snn.benchmark.layout import Layout
from snn.errors import UserError
from snn.tracking.runs import CELL, DIGEST, MEAN
from snn.tracking.store import ORIGIN, connect, init
from snn.tracking.sync import sync

from .runner import Finding, Part, Verdict, refused

FAULTS = ("cut", "refuse", "garbage", "error", "hang")


class Proxy:
    """Between MLflow's client and its server: after so many connections it does as `fault` says, until it is healed."""

    def __init__(self, port: int):
        self.target, self.fault, self.left, self.lock = port, "", 0, threading.Lock()
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def break_after(self, requests: int, fault: str) -> None:
        self.left, self.fault = requests, fault

    def heal(self) -> None:
        self.fault = ""

    def _accept(self) -> None:
        while True:
            client, _ = self.listening.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.target)) as server:
            threading.Thread(target=self._back, args=(server, client), daemon=True).start()
            while content := client.recv(65536):
                if self.fault and content.startswith((b"GET", b"POST", b"PATCH", b"PUT", b"DELETE")):
                    with self.lock:
                        self.left -= 1
                    if self.left < 0:
                        return self._fail(client)
                server.sendall(content)
        return None

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := server.recv(65536):
                client.sendall(content)
            client.shutdown(socket.SHUT_RDWR)

    def _fail(self, client: socket.socket) -> None:
        if self.fault == "garbage":
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n<html>!")
        elif self.fault == "error":
            client.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        elif self.fault == "hang":
            time.sleep(4)


@cache
def proxy() -> Proxy:
    """A proxy before a server of this process's own, which ends with it."""
    folder = tempfile.mkdtemp()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        f"{folder}/artifacts",
    ]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return Proxy(port)
        time.sleep(0.2)
    raise RuntimeError("the MLflow server does not start")


def goes_away(rng: random.Random) -> Verdict:
    """The sync says one line, or ends; the next one, with the server there, makes one whole run of each cell."""
    between = proxy()
    settings = {"TRACKING_URI": f"http://127.0.0.1:{between.port}", "HTTP_REQUEST_TIMEOUT": "2"}
    settings |= {"HTTP_REQUEST_MAX_RETRIES": "1", "HTTP_REQUEST_BACKOFF_FACTOR": "0"}
    os.environ |= {f"MLFLOW_{name}": value for name, value in settings.items()}
    with tempfile.TemporaryDirectory() as folder:
        layout = fake_cells.layout(Path(folder), f"demo{rng.getrandbits(40)}")
        cells = fake_cells.make_benchmark(layout)
        verdict = Verdict("accepted")
        for _ in range(rng.choice((1, 1, 2))):
            between.break_after(rng.randrange(60), rng.choice(FAULTS))
            try:
                sync(layout, cells)
            except UserError as error:
                verdict = refused(error, "MLFLOW_TRACKING_URI")
            between.heal()
        sync(layout, cells)
        _check_whole(layout, cells)
        if (again := sync(layout, cells)).unchanged != len(cells):
            raise Finding(f"a sync after the healing one changes something: {again}")
    return verdict


def _runs(layout: Layout) -> dict[str, str]:
    """(origin, cell) of each run that a person sees -> its digest."""
    view = connect(layout.mlflow)
    runs = view.client.search_runs([view.experiment], max_results=1000)
    found = [run for run in runs if run.data.params.get("seed") != MEAN]
    by_cell = {f"{run.data.tags.get(ORIGIN)} {run.data.tags.get(CELL)}": run.data.tags.get(DIGEST, "") for run in found}
    if len(by_cell) != len(found):
        raise Finding(f"{len(found)} runs for {len(by_cell)} cells")
    return by_cell


def _check_whole(layout: Layout, cells: dict[Cell, list[str]]) -> None:
    runs = _runs(layout)
    if len(runs) != len(cells) or not all(runs.values()):
        raise Finding(f"{len(runs)} runs of {len(cells)} cells, {sum(not d for d in runs.values())} of them not whole")


@cache
def _empty_store() -> Path:
    """A database for several working copies: its schema takes seconds to make, and is copied."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    store = fake_cells.layout(Path(tempfile.mkdtemp())).mlflow
    init(store)
    return store / "mlflow.db"


def shared(rng: random.Random) -> Verdict:
    """Copies of one folder, also at the same path, sync in any order with any of their cells: no run is lost."""
    database = _empty_store()
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copy(database, Path(scratch) / "mlflow.db")
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{scratch}/mlflow.db"
        place = Path(scratch) / "work"
        layout = fake_cells.layout(place)
        cells = fake_cells.make_benchmark(layout)
        machines = [Path(scratch) / "machine0"]
        place.rename(machines[0])
        for _ in range(6):
            machine = rng.choice(machines)
            if rng.random() < 0.3 and len(machines) < 4:
                machines.append(Path(scratch) / f"machine{len(machines)}")
                subprocess.run(["cp", rng.choice(["-a", "-r", "-al"]), str(machine), str(machines[-1])], check=True)
                machine = machines[-1]
            machine.rename(place)  # all machines know the folder by the same path
            before = _runs(layout)
            sync(layout, dict(rng.sample(sorted(cells.items()), rng.randrange(1, len(cells) + 1))))
            own = connect(layout.mlflow).origin
            after = _runs(layout)
            if lost := [run for run in before if run not in after and not run.startswith(f"{own} ")]:
                raise Finding(f"runs of another working copy are gone: {lost}")
            place.rename(machine)
    return Verdict("accepted")


PARTS = [
    Part("server/goes-away", goes_away, trials=1, share=0.0005, limit=400, address_space=False),
    Part("server/shared", shared, trials=1, share=0.0005, limit=200, address_space=False),
]
