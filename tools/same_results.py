"""Whether two runs of one benchmark gave the same bits: `python tools/same_results.py results/smoke PATH/smoke`.

With `--declared` before them, files that the rules do not declare are left out, such as the exported networks: an
object store does not have them. Compared are, of every cell, the weights, the predictions, the curves and all metrics
but measured times and memory. Exit status 0 and one line if all are equal; otherwise one line for each difference.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from snn.benchmark.layout import PHASES

MEASURED = ("seconds", "memory", "_mb", "peak")
"""Parts of the names of what is measured of the machine rather than computed."""


def measured(name: str) -> bool:
    return any(part in name for part in MEASURED)


def rows(path: Path) -> list[tuple[tuple[str, str], ...]]:
    """A table's rows without what is measured."""
    with open(path, newline="", encoding="utf-8") as f:
        return [
            tuple((key, value) for key, value in row.items() if not measured(key))
            for row in csv.DictReader(f)
            if not measured(row.get("metric") or row.get("curve") or "")
        ]


def same(a: Path, b: Path) -> bool:
    """Whether two files of the same name hold the same results."""
    if a.suffix == ".csv":
        return rows(a) == rows(b)
    if a.suffix == ".npz":
        with np.load(a) as x, np.load(b) as y:
            return set(x.files) == set(y.files) and all(np.array_equal(x[name], y[name]) for name in x.files)
    if a.suffix == ".pt":
        x, y = (torch.load(path, weights_only=True) for path in (a, b))
        return equal(x, y)
    return True  # records name the machine and the times


def equal(x: object, y: object) -> bool:
    if isinstance(x, dict) and isinstance(y, dict):
        return x.keys() == y.keys() and all(equal(x[key], y[key]) for key in x)
    if isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor):
        return torch.equal(x, y)
    return bool(x == y)


def names_of(root: Path, declared: bool) -> set[Path]:
    """The files of all cells of a run."""
    return {
        path.relative_to(root)
        for path in (root / "cells").rglob("*.*")
        if path.is_file() and (not declared or path.name in PHASES.get(path.parent.name, ()))
    }


def main(first: Path, second: Path, declared: bool = False) -> int:
    names = [names_of(root, declared) for root in (first, second)]
    different = sorted(names[0] ^ names[1]) + sorted(
        name for name in names[0] & names[1] if not same(first / name, second / name)
    )
    for name in different:
        print(f"different: {name}")
    if not names[0]:
        print(f"{first}: no cells")
        return 1
    if not different:
        print(f"same bits: {len(names[0])} files of {len(list((first / 'cells').rglob('train/record.json')))} cells")
    return int(bool(different))


if __name__ == "__main__":
    *options, first, second = sys.argv[1:]
    sys.exit(main(Path(first), Path(second), declared=options == ["--declared"]))
