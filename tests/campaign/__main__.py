"""`python -m tests.campaign`: run the campaign, print each finding with the command that repeats it, and the table."""

from __future__ import annotations

import argparse
import datetime
import math
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # what tests import from each other

from . import runner
from .classes import PARTS
from .runner import Part

SHOWN = 20
"""Findings of a class that are printed one by one."""


def trials_of(part: Part, inputs: int, kills: int) -> int:
    """How many trials a campaign of that size has of one part."""
    if part.kills:
        return math.ceil(kills / part.kills)
    return max(part.trials, int(inputs * part.share))


def matches(part: Part, only: list[str]) -> bool:
    return not only or any(part.name == name or part.name.startswith(f"{name}/") for name in only)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=1500, help="mutated inputs in all (N of make campaign)")
    parser.add_argument("--kills", type=int, default=8, help="kills (KILLS of make campaign)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random")
    parser.add_argument("--only", nargs="+", default=[], metavar="CLASS", help="a class, or what is before its slash")
    parser.add_argument("--first", type=int, default=0, help="number of the first trial of each class")
    parser.add_argument("--number", type=int, help="trials of each class, whatever --inputs and --kills say")
    parser.add_argument("--table", type=Path, help="write the table there too, as Markdown, while it runs")
    parser.add_argument("--lines", action="store_true", help="show some of the lines by which inputs were refused")
    parser.add_argument("--list", action="store_true", help="list the classes and how many trials they would have")
    options = parser.parse_args(arguments)
    parts = [part for part in PARTS if matches(part, options.only)]
    if not parts:
        parser.error(f"no class {' '.join(options.only)}; --list shows all")
    counts = {p.name: options.number or trials_of(p, options.inputs, options.kills) for p in parts}
    if options.list:
        print(*(f"{counts[part.name]:6} {part.name}" for part in parts), sep="\n")
        return 0
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # to be terminated is to be interrupted: children end
    rows: list[runner.Row] = []
    begun = time.monotonic()
    try:
        for part in parts:
            if counts[part.name]:
                rows.append(runner.Row(part.name))
                _run(part, range(options.first, options.first + counts[part.name]), rows, options, begun)
    except KeyboardInterrupt:
        print("interrupted: the last class is not complete")
    print(f"\n{summary(rows, options.seed, begun)}", end="")
    return int(any(row.findings for row in rows))


def _run(part: Part, numbers: range, rows: list[runner.Row], options: argparse.Namespace, begun: float) -> None:
    """The trials of a class, counted in the last of `rows`; findings are printed, and the table is kept up to date."""
    row, written = rows[-1], 0.0
    for number, verdict in runner.progress(part, options.seed, numbers, row):
        if verdict.outcome == "finding" and len(row.findings) <= SHOWN:
            which = f"--only {shlex.quote(part.name)} --seed {options.seed} --first {number} --number 1"
            print(f"FINDING {part.name}, seed {options.seed}, number {number}: {verdict.text}")
            print(f"    again: python -m tests.campaign {which}", flush=True)
        if options.table and time.monotonic() - written > 5:
            written = time.monotonic()
            options.table.write_text(summary(rows, options.seed, begun), encoding="utf-8")
    said = f"skipped: {row.skipped}" if row.skipped else f"{row.tried} tried, {len(row.findings)} findings"
    print(f"{part.name:32} {said}, {row.seconds:.0f} s", flush=True)
    if options.lines:
        print(*(f"    {line[:160]}" for line in sorted(set(row.lines))[:15]), sep="\n")
    if options.table:
        options.table.write_text(summary(rows, options.seed, begun), encoding="utf-8")


def summary(rows: list[runner.Row], seed: int, begun: float) -> str:
    """Seed, commit, date and time, and the table."""
    seconds = time.monotonic() - begun
    head = f"Seed {seed}, commit {commit()}, {datetime.date.today()}, {seconds / 60:.0f} minutes."
    return f"{head}\n\n{runner.table(rows)}\n"


def commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=runner.ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
