"""Pack the finished cells of a benchmark into one file, and unpack them elsewhere.

    python tools/cells.py pack cells.tar.xz --configfile config/nmnist.yaml config/nmnist/0to7.yaml
    python tools/cells.py unpack cells.tar.xz --configfile config/nmnist.yaml config/nmnist/0to7.yaml

A run of hours can so go on on another machine, and whoever reads a report has the networks and predictions behind it.
Packed are the phases that the configuration plans and whose token is that of the present configuration and code: what
a run would not do again. Unpacking looks at the archive in the same way, and leaves alone what is there with the same
token. Both say how many phases they left out. Logs, checkpoints of unfinished trainings and cells of other frameworks
are not in the archive.

Unpack where the data set is converted already (`snakemake --until convert --configfile ...`): Snakemake makes cells
anew that are older than their store. It does not know how unpacked cells were made, so that it will not see a later
change of code or configuration: unpack into an empty folder of results then.
"""

from __future__ import annotations

import argparse
import io
import json
import lzma
import os
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from snn.benchmark.cell import Cell
from snn.benchmark.plan import Plan
from snn.cli import planned
from snn.errors import DataError, UserError
from snn.runtime import files
from snn.runtime.planning import without_torch


def phases(plan: Plan) -> Iterator[tuple[Cell, str, list[Path]]]:
    """(cell, phase, its files), the record last. Cells of other frameworks are left out: not all files are ours."""
    for cell in plan.all_cells:
        if plan.is_foreign(cell):
            continue
        for phase in plan.phases(cell):
            yield cell, phase, plan.layout.cell(cell).files(phase)


def pack(plan: Plan, archive: Path) -> tuple[int, int]:
    """Write the archive; returns the numbers of phases that are in it and that the plan has."""
    content, packed, total = io.BytesIO(), 0, 0
    with tarfile.open(fileobj=content, mode="w:xz", preset=9) as tar:
        for cell, phase, paths in phases(plan):
            total += 1
            folder = plan.layout.cell(cell)
            if not all(path.exists() for path in paths):
                continue
            if folder.record(phase).get("token") != plan.token(cell, phase):
                continue
            packed += 1
            for path in paths:
                member = tarfile.TarInfo(path.relative_to(plan.layout.results).as_posix())
                member.size = path.stat().st_size
                tar.addfile(member, io.BytesIO(path.read_bytes()))
    archive.parent.mkdir(parents=True, exist_ok=True)
    files.write_bytes(archive, content.getvalue())
    return packed, total


def unpack(plan: Plan, archive: Path) -> tuple[int, int, int]:
    """Write what fits; returns the numbers of phases that were written, were there already, and are missing still."""
    for dataset in plan.datasets:
        missing = [path for path in plan.layout.store_files(dataset) if not path.exists()]
        if missing:
            raise DataError(
                f"{missing[0]}: not there; convert first: snakemake --cores 1 --until convert, same overlays"
            )
    written, there, absent = 0, 0, 0
    try:
        with tarfile.open(archive) as tar:
            members = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]
    except (tarfile.TarError, lzma.LZMAError, EOFError, ValueError) as error:
        raise DataError(f"{archive}: not an archive of cells ({error})") from None
    now = time.time()
    for cell, phase, paths in phases(plan):
        folder, token = plan.layout.cell(cell), plan.token(cell, phase)
        content = [members.get(path.relative_to(plan.layout.results).as_posix()) for path in paths]
        if folder.is_complete(phase) and folder.record(phase).get("token") == token:
            there += 1
        elif None not in content and _token(content[-1]) == token:
            for path, data in zip(paths, content, strict=True):
                path.parent.mkdir(parents=True, exist_ok=True)
                files.write_bytes(path, data)  # type: ignore[arg-type]
                os.utime(path, (now, now))  # none is older than what it was made from
            written += 1
        else:
            absent += 1
    return written, there, absent


def _token(record: bytes | None) -> str:
    """The token of a record in the archive."""
    try:
        return str(json.loads(record or b"")["token"])
    except (ValueError, KeyError, TypeError):
        return ""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], epilog=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("action", choices=["pack", "unpack"])
    parser.add_argument("archive", type=Path, help="a .tar.xz")
    parser.add_argument("--configfile", nargs="+", type=Path, default=[], help="overlays on config/config.yaml")
    options = parser.parse_args(argv)
    try:
        with without_torch():
            plan = planned(options)
        if options.action == "pack":
            packed, total = pack(plan, options.archive)
            size = options.archive.stat().st_size / 1e6
            print(f"packed {packed} of {total} phases into {options.archive} ({size:.1f} MB)")
        else:
            written, there, absent = unpack(plan, options.archive)
            print(f"unpacked {written} phases; {there} were there already, {absent} are still to be made")
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
