"""Compilation with and without a folder for Numba's cache."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from numba import njit
from numba.core import event as numba_event

from snn.kernels import jit

SOURCES = Path(__file__).parents[2] / "snn"
PROGRAM = """
import os
from snn.kernels import jit  # Numba is loaded while its own folders can be read
from numba.core import caching
denied = lambda *args, **options: (_ for _ in ()).throw(OSError(30, "Read-only file system"))
caching.tempfile.TemporaryFile = denied  # by which Numba tries whether a folder can be written to
def add(a, b):
    return a + b
def double(a):
    return 2 * a
print(jit.compiled(add)(2, 3), jit.compiled(double)(4))
"""


def test_without_a_writable_folder_kernels_are_compiled_in_memory_and_one_line_names_the_remedy(tmp_path):
    """A read-only file system, simulated: the tests may run as root, for whom no folder is read-only."""
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment)
    assert done.stdout.split() == ["5", "8"], done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("warning: ")
    assert "NUMBA_CACHE_DIR" in line


def test_the_remedy_works(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(PROGRAM.replace("caching.tempfile.TemporaryFile = denied", ""))
    folder = tmp_path / "cache"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "NUMBA_CACHE_DIR": str(folder)}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment)
    assert (done.stdout.split(), done.stderr) == (["5", "8"], "")
    assert list(folder.rglob("*.nbi"))


def test_other_faults_of_numba_are_not_hidden(monkeypatch):
    def njit(**options):
        raise RuntimeError("something else")

    monkeypatch.setattr(jit, "njit", njit)
    with pytest.raises(RuntimeError, match="something else"):
        jit.compiled(len)


def test_numba_is_asked_for_a_cache_in_two_places():
    """Elsewhere, `njit(cache=True)` fails without a writable folder. The engine has a `compiled` of its own."""
    asking = {p.relative_to(SOURCES).as_posix() for p in SOURCES.rglob("*.py") if "cache=True" in p.read_text("utf-8")}
    assert asking == {"kernels/jit.py", "events/_kernel.py"}


def test_an_interrupt_waits_until_the_function_is_compiled():
    """LLVM's callback would swallow it, and the function would have no code."""

    class Sender(numba_event.Listener):
        def on_start(self, event):
            os.kill(os.getpid(), signal.SIGINT)

        def on_end(self, event):
            pass

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it
    sender, ended = Sender(), threading.Event()
    threading.Thread(target=ended.wait, daemon=True).start()  # could be handed the signal: a warm job has a thread, too
    numba_event.register("numba:compile", sender)
    try:
        function = njit(lambda x: x + 1)
        with pytest.raises(KeyboardInterrupt):
            function(1)
    finally:
        numba_event.unregister("numba:compile", sender)
        ended.set()
    assert function.signatures, "it was compiled first"
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler
    assert function(1) == 2
