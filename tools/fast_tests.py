"""Run the tests of what changed: `python tools/fast_tests.py [COMMIT]` (`make test-fast`).

Tests mirror the package, so a change in `snn/<room>/` is tested by `tests/<room>/`. Changed tests run too, and the test
of the architecture always does. Tests marked `workflow` or `slow` are left to `make test`. If nothing changed since
COMMIT (HEAD), all unit tests run.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALWAYS = "tests/test_architecture.py"


def changed(commit: str) -> list[Path]:
    """Files that differ from `commit`, and those that git does not know."""
    commands = (["git", "diff", "--name-only", commit], ["git", "ls-files", "--others", "--exclude-standard"])
    return [
        Path(line)
        for command in commands
        for line in subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    ]


def tests_of(path: Path) -> str | None:
    """The tests of a changed file: a test itself, or the folder or file that mirrors its room."""
    if path.parts[0] == "tests" and path.name.startswith("test_"):
        return str(path)
    if path.parts[0] == "docs" or path.suffix == ".md":
        return "tests/docs"
    if path.parts[0] != "snn" or path.suffix != ".py":
        return None
    room = path.parts[1]
    return f"tests/test_{room}" if room.endswith(".py") else f"tests/{room}"


def main(commit: str = "HEAD") -> int:
    tests = sorted({test for path in changed(commit) if (test := tests_of(path)) and (ROOT / test).exists()})
    chosen = [*tests, ALWAYS] if tests else ["tests"]
    print("test-fast:", *chosen)
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "load", "-m", "not workflow and not slow", *chosen]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
