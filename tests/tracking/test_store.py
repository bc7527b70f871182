"""A store is made once, whoever comes first; a server that does not answer is one clear line."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

import fake_cells
import pytest

from snn.errors import UserError
from snn.tracking import lock
from snn.tracking.store import init
from snn.tracking.sync import sync

KEY = "saccades/3c1fc/mtt/T4/seed0"


def test_a_moved_store_is_made_afresh(layout, tmp_path, see):
    cells = fake_cells.make_benchmark(layout, methods=("mtt",), seeds=1)
    sync(layout, cells)
    moved = fake_cells.layout(tmp_path / "elsewhere")
    moved.results_root.mkdir(parents=True)
    shutil.move(layout.results, moved.results)
    assert sync(moved, cells).added == 1
    (run,) = see.runs(moved.mlflow)[KEY]
    assert run.info.artifact_uri.startswith((moved.mlflow / "artifacts").as_uri())


def test_a_server_that_is_down_is_one_clear_line(layout, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:hunter22@127.0.0.1:9")
    began = time.monotonic()
    for act in (lambda: init(layout.mlflow), lambda: sync(layout, {})):
        with pytest.raises(UserError) as failure:
            act()
        text = str(failure.value)
        assert text.startswith("MLFLOW_TRACKING_URI=http://***@127.0.0.1:9: Connection refused; start that server")
        assert "hunter22" not in text
        assert "\n" not in text
    assert time.monotonic() - began < 20


@pytest.fixture
def refusing_server():
    """refusing_server(code, text): the address of a server that answers everything so."""
    servers = []

    def start(code: int, text: str) -> str:
        class Refusal(BaseHTTPRequestHandler):
            def do_GET(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(code)
                self.end_headers()
                self.wfile.write(text.encode())

            do_POST = do_GET

            def log_message(self, *_):
                pass

        servers.append(HTTPServer(("127.0.0.1", 0), Refusal))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for one in servers:
        one.shutdown()


@pytest.mark.parametrize(
    ("code", "text", "remedy"),
    [
        (
            403,
            "Invalid Host header - possible DNS rebinding attack detected",
            "--allowed-hosts` that lists '127.0.0.1:",
        ),
        (401, "You are not authenticated.", "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        (403, "Permission denied", "an account that may write"),
    ],
)
def test_a_server_that_refuses_is_one_line_with_what_to_do(layout, monkeypatch, refusing_server, code, text, remedy):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", refusing_server(code, text))
    with pytest.raises(UserError) as failure:
        init(layout.mlflow)
    assert remedy in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("{", "was not finished"),
        ('{"mlflow": "1.0", "folder": "x"}', "was made by MLflow 1.0"),
        (f'{{"mlflow": "{version("mlflow")}", "folder": "STORE"}}', "was made by another version of this program"),
    ],
)
def test_a_store_that_cannot_be_used_is_made_afresh(layout, capfd, made, said):
    cells = fake_cells.make_benchmark(layout, methods=("mtt",), seeds=1)
    (layout.mlflow / "made.json").write_text(made.replace("STORE", str(layout.mlflow)))
    (layout.mlflow / "mlflow.db").write_bytes(b"of another version" * 1000)
    assert sync(layout, cells).added == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert said in line
    assert line.endswith("it is made afresh from the files")
    assert json.loads((layout.mlflow / "made.json").read_text())["folder"] == str(layout.mlflow)


def test_a_damaged_database_is_one_clear_line(layout):
    (layout.mlflow / "mlflow.db").write_bytes(b"no database" * 1000)
    with pytest.raises(UserError, match=r"file is not a database; delete .*, it is only a view") as failure:
        sync(layout, {})
    assert "\n" not in str(failure.value)


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path, monkeypatch):
    layout = fake_cells.layout(tmp_path)

    def read_only(path, *_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(lock, "open", read_only, raising=False)
    with pytest.raises(UserError, match="mlflow: Permission denied; make that folder writable") as failure:
        sync(layout, {})
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_costs_one_warning(layout, monkeypatch, capfd, code):
    def no_locks(*_):
        raise OSError(code, os.strerror(code))

    lock._warn.cache_clear()
    monkeypatch.setattr(lock.fcntl, "flock", no_locks)
    cells = fake_cells.make_benchmark(layout, methods=("mtt",), seeds=1)
    assert sync(layout, cells).added == 1
    assert sync(layout, cells).unchanged == 1
    lines = capfd.readouterr().err.splitlines()
    assert [os.strerror(code) in line for line in lines] == [True]


def test_importing_tracking_is_cheap():
    program = (
        "import sys, snn.tracking.sync, snn.tracking.live;"
        "print([m for m in ('mlflow', 'torch', 'pandas') if m in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
