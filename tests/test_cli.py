"""The command line: one clear line and status 2 for what is the user's to mend."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from snn import cli
from snn.benchmark.plan import Plan
from snn.config.read import read_configuration
from snn.runtime import files

ROOT = Path(__file__).resolve().parent.parent
PLAN = Plan(read_configuration(ROOT / "config/config.yaml"))
SEED = PLAN.config.matrix.seeds[0]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the default configuration, as the working directory."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text((ROOT / "config/config.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", f"saccades/3c1fc/mtt/T9/seed{SEED}"], f"did you mean 'saccades/3c1fc/mtt/T6/seed{SEED}'"),
        (["train", "sdt"], "dataset/network/method/T<t>/seed<s>"),
        (["train", f"saccades/3c1fc/sdt/T6/seed{SEED}"], "manifest.json is missing"),
        (["convert", "sacades"], "did you mean 'saccades'"),
        (["plan", "--configfile", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_a_mistake_is_one_line(here, capsys, arguments, words):
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert words in error
    assert len(error.strip().splitlines()) == 1


def test_a_full_disk_is_said_so_and_leaves_what_was_there(here, capsys, monkeypatch):
    target = here / "results/saccades/logs"
    files.write_text(target / "kept.txt", "old")

    def full(options):
        def no_space(fd):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "kept.txt")

        monkeypatch.setattr(os, "fsync", no_space)
        files.write_text(target / "kept.txt", "new")

    monkeypatch.setattr(cli, "plan", full)
    assert cli.main(["plan"]) == 2
    assert "no space left" in capsys.readouterr().err
    assert [p.name for p in target.iterdir()] == ["kept.txt"], "nothing half-written stays"
    assert (target / "kept.txt").read_text() == "old"


def test_plan_status_and_schema_say_what_there_is(here, capsys):
    assert cli.main(["plan"]) == 0
    assert f"{len(PLAN.all_cells)} cells" in capsys.readouterr().out
    assert cli.main(["status"]) == 0
    assert "missing: " in capsys.readouterr().out
    assert cli.main(["schema"]) == 0
    assert "methods.mtt" in json.loads(capsys.readouterr().out)["$defs"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EROFS, "read-only file system; give this user the right"),
        (errno.EACCES, "permission denied; give this user the right"),
        (errno.ELOOP, "a symbolic link leads back to itself"),
        (errno.EIO, "input/output error; mend that and run again"),
        (errno.ENOENT, "made by running snakemake"),
    ],
)
def test_whatever_the_system_refuses_is_one_line(here, capsys, monkeypatch, number, words):
    def refused(options):
        raise OSError(number, os.strerror(number), "results/file")

    monkeypatch.setattr(cli, "plan", refused)
    assert cli.main(["plan"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: results/file: ")
    assert words in error
    assert len(error.strip().splitlines()) == 1


def test_an_interrupted_command_says_so_in_a_line(here, capsys, monkeypatch):
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "plan", interrupted)
    assert cli.main(["plan"]) == cli.INTERRUPTED
    assert capsys.readouterr().err == "interrupted; run the same command again to go on\n"


@pytest.mark.parametrize("module", ["snn", "snn.warm"])
def test_an_interrupt_while_a_command_starts_is_no_traceback(module, tmp_path):
    """`sitecustomize` interrupts the process in the first import after the package's own."""
    (tmp_path / "sitecustomize.py").write_text(
        """if True:
        import os, signal, sys
        signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it

        class Interrupting:
            def find_spec(self, name, path=None, target=None):
                if name in ("argparse", "socket"):
                    os.kill(os.getpid(), signal.SIGINT)

        sys.meta_path.insert(0, Interrupting())
    """
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    command = [sys.executable, "-m", module, "plan"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_an_interrupt_that_python_cannot_raise_comes_again():
    code = """if True:
        import signal, time
        import snn
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        snn.answer_interrupts()

        class Finalised:
            def __del__(self):
                signal.raise_signal(signal.SIGINT)

        try:
            del [Finalised()][0]
            time.sleep(60)
        except KeyboardInterrupt:
            print("interrupted")
    """
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
