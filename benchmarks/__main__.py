"""Measure our numerical code against its rivals: a table here, and the figures in files beside it.

    python -m benchmarks                  all
    python -m benchmarks engine training  parts: every module of this folder with a function `run(quick)`
    python -m benchmarks --quick          a smoke run with tiny sizes; its figures mean nothing and are not kept
    python -m benchmarks --table          the last figures as a table for docs/speed.md

`run` returns rows of `name`, `ours`, `rival`, `unit` and `ratio`; a ratio above 1 is in our favour, whatever the unit.
It raises `Unequal` where the contestants' results differ. `latest.json` is the list of the last rows of all parts,
`history.jsonl` gets a line a run (date, commit, machine, rows), so that a commit that made something slower can be
found. What is measured, and how: docs/speed.md.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks._measure import LOADED, Row, Unequal

HERE = Path(__file__).resolve().parent


def parts() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def circumstances() -> dict[str, Any]:
    """Where, when and on what the figures were taken."""
    git = ["git", "-C", str(HERE), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    done = subprocess.run(git, capture_output=True, text=True)
    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        cpu = next((line.split(": ")[1] for line in info.read_text().splitlines() if "model name" in line), cpu)
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": done.stdout.strip() or "unknown",
        "machine": {"cpu": cpu, "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 2)},
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "spikingjelly", "numba", "tonic")},
    }


def _cells(rows: list[Row]) -> list[tuple[str, ...]]:
    def number(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    return [
        (r.name, number(r.ours, ",.4g"), number(r.rival, ",.4g"), r.unit, number(r.ratio, ".2f"),
         number(r.wall, ".2f"), number(r.loaded, ".0%"))
        for r in rows
    ]  # fmt: skip


def table(rows: list[Row]) -> str:
    """Aligned text. `wall` is the ratio by the wall's clock, `others` the share of it that went to other processes."""
    lines = [("", "ours", "rival", "unit", "ratio", "wall", "others"), *_cells(rows)]
    wide = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(line, "<>><>>>", wide, strict=True)).rstrip()
        for line in lines
    )


def markdown(folder: Path) -> str:
    """The rows of `latest.json` for the docs, and which runs they are of."""
    if not (folder / "latest.json").exists():
        return f"error: {folder / 'latest.json'} is missing: run python -m benchmarks first"
    rows = json.loads((folder / "latest.json").read_text())
    runs = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    last = {run["part"]: run for run in runs}
    lines = [
        f"`{part}`: {run['date'][:10]}, commit {run['commit']}, "
        f"{run['machine']['cpu']}, {run['machine']['cores']} cores"
        + (", **on a loaded machine**" if run["loaded"] else "")
        for part, run in sorted(last.items())
    ]
    lines = ["; ".join(lines) + ".", "", "| | ours | rival | unit | ratio |", "| --- | ---: | ---: | --- | ---: |"]
    cells = _cells([Row(**row) for row in rows])
    return "\n".join([*lines, *("| " + " | ".join(c[:5]) + " |" for c in cells)])


def keep(part: str, rows: list[Row], loaded: bool, folder: Path) -> None:
    """The part's rows in place of its last ones in `latest.json`, and a line of history."""
    latest = folder / "latest.json"
    known = json.loads(latest.read_text()) if latest.exists() else []
    known = [row for row in known if not row["name"].startswith(f"{part}: ")] + [row.public() for row in rows]
    latest.write_text(json.dumps(sorted(known, key=lambda row: row["name"].split(": ")[0]), indent=1) + "\n")
    with open(folder / "history.jsonl", "a") as history:
        line = {**circumstances(), "part": part, "loaded": loaded, "rows": [vars(row) for row in rows]}
        history.write(json.dumps(line) + "\n")


def measure(part: str, quick: bool, folder: Path) -> None:
    module = importlib.import_module(f"benchmarks.{part}")
    print(f"{part}: {(module.__doc__ or '').strip().splitlines()[0]}", flush=True)
    before = os.getloadavg()[0]
    rows = [Row(**vars(row) | {"name": f"{part}: {row.name}"}) for row in module.run(quick)]
    print(table(rows), flush=True)
    shares = [row.loaded for row in rows if row.loaded is not None]
    loaded = max(shares, default=0.0) > LOADED
    if loaded:
        print(
            f"warning: the machine was loaded: others had up to {max(shares):.0%} of the time (load average "
            f"{before:.1f} before); take processor times and ratios for it, wall times and two threads not at all",
            flush=True,
        )
    print(flush=True)
    if not quick:
        keep(part, rows, loaded, folder)


def main(arguments: list[str] | None = None, folder: Path = HERE) -> int:
    parser = argparse.ArgumentParser("python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(parts())}; all unless given")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, nothing kept")
    parser.add_argument("--table", action="store_true", help="print the last figures as Markdown")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(parts()):
        print(f"error: no benchmark {', '.join(sorted(unknown))} (known: {', '.join(parts())})", file=sys.stderr)
        return 2
    if options.table:
        print(markdown(folder))
        return 0
    try:
        for part in options.parts or parts():
            measure(part, options.quick, folder)
    except Unequal as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
