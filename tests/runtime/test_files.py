"""Files that are whole or absent, of the modes that the user asks for, and locks that go with their process."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from snn.runtime import files

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_a_file_has_the_mode_that_the_umask_leaves(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        files.write_text(tmp_path / "a.txt", "a")
        assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == mode
        assert os.umask(umask) == umask, "the umask itself stays"
    finally:
        os.umask(before)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    files.write_text(tmp_path / "a.txt", "old")

    def interrupted():
        with files.replacing(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_the_next_write_removes_what_a_killed_one_left(tmp_path):
    (tmp_path / ".a.txt.12345678.tmp").write_text("half of")
    (tmp_path / ".b.txt.12345678.tmp").write_text("of another file")
    with files.replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("one")
        files.write_text(tmp_path / "a.txt", "another writer, which must leave alone what is being written")
    assert (tmp_path / "a.txt").read_text() == "one"
    assert sorted(p.name for p in tmp_path.iterdir()) == [".b.txt.12345678.tmp", "a.txt"]
    files.remove_abandoned(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_second_process_waits_and_says_so(tmp_path):
    code = (
        "import sys; from snn.runtime import files\nwith files.exclusive(sys.argv[1]): print('in', flush=True); input()"
    )
    lock = str(tmp_path / "folder" / ".lock")
    options = {
        "cwd": ROOT,
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }
    first = subprocess.Popen([sys.executable, "-c", code, lock], **options)
    assert first.stdout.readline() == "in\n"
    second = subprocess.Popen([sys.executable, "-c", code, lock], **options)
    assert "waiting for its end" in second.stderr.readline()
    first.kill()  # the lock goes with the process
    first.wait()
    assert second.stdout.readline() == "in\n"
    second.communicate("\n")
    deadline = time.monotonic() + 10
    while second.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert second.returncode == 0


def test_a_file_system_without_locks_has_none(tmp_path, monkeypatch):
    def no_locks(*arguments):
        raise OSError(files.errno.ENOLCK, "no locks available")

    monkeypatch.setattr(files.fcntl, "flock", no_locks)
    entered = False
    with files.exclusive(tmp_path / ".lock"):
        entered = True
    assert entered


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e400"])
def test_json_with_a_number_that_is_not_finite_is_none(tmp_path, number):
    (tmp_path / "a.json").write_text(f'{{"a": {number}}}')
    with pytest.raises(ValueError, match="no finite number"):
        files.read_json(tmp_path / "a.json")
