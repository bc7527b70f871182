"""Measure our numerical code against its rivals: a table here, and the figures in files beside it.

    python -m benchmarks            all
    python -m benchmarks engine     one

Every module of this folder with a function `run()` takes part. It returns rows of `name`, `ours`, `rival`, `unit` and
`ratio`, where a ratio above 1 is in our favour. `latest.json` holds the last figures of each module, `history.jsonl`
gets a line a run, so that a commit that made something slower can be found.
"""

from __future__ import annotations

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

HERE = Path(__file__).resolve().parent


def modules() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def circumstances() -> dict[str, Any]:
    """Where, when and on what the figures were taken."""
    git = ["git", "-C", str(HERE), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    done = subprocess.run(git, capture_output=True, text=True)
    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        cpu = next((line.split(": ")[1] for line in info.read_text().splitlines() if "model name" in line), cpu)
    return {
        "commit": done.stdout.strip() or "unknown",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "hardware": {"cpu": cpu, "cores": os.cpu_count()},
        "versions": {"python": platform.python_version()} | {name: version(name) for name in ("torch", "spikingjelly")},
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Aligned text; numbers to three significant digits."""
    lines = [("", "ours", "rival", "unit", "ratio")]
    lines += [(r["name"], *(f"{r[k]:,.4g}" for k in ("ours", "rival")), r["unit"], f"{r['ratio']:.2f}") for r in rows]
    wide = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(line, "<>><>", wide, strict=True)).rstrip()
        for line in lines
    )


def main(names: list[str]) -> int:
    if unknown := set(names) - set(modules()):
        print(f"error: no benchmark {', '.join(sorted(unknown))} (known: {', '.join(modules())})", file=sys.stderr)
        return 2
    latest = HERE / "latest.json"
    known = json.loads(latest.read_text()) if latest.exists() else {}
    for name in names or modules():
        module = importlib.import_module(f"benchmarks.{name}")
        if not hasattr(module, "run"):
            continue
        print(f"{name}: {(module.__doc__ or '').strip().splitlines()[0]}", flush=True)
        rows = module.run()
        print(table(rows) + "\n", flush=True)
        known[name] = {**circumstances(), "rows": rows}
        latest.write_text(json.dumps(known, indent=1) + "\n")
        with open(HERE / "history.jsonl", "a") as history:
            history.write(json.dumps({"benchmark": name, **known[name]}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
