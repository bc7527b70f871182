"""Whether a file of HDF5 can be read: tried in a process of its own.

The HDF5 library trusts what it reads: on a damaged file it may crash, never return, or ask for any amount of memory.
This file is therefore also a script (`python _hdf5.py PATH`), which reads everything once and says what is wrong. It
imports nothing of the project.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

MAX_COMPRESSION = 1100  # of deflate, which HDF5 uses: 1032
MAX_ITEMS, MAX_DEPTH = 100_000, 20  # of groups and data sets
REFUSED = 3  # exit status of the script
SECONDS, BYTES_PER_SECOND = 30, 10_000_000  # patience


def fault(path: Path) -> str | None:
    """Why reading the whole file fails, or would need more memory than its size explains; None if it does not."""
    limit = SECONDS + path.stat().st_size / BYTES_PER_SECOND
    # -P: the script's folder holds a `nir.py` that must not shadow the package.
    command = [sys.executable, "-P", __file__, str(path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}  # where this process finds h5py
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit, env=environment
        )
    except subprocess.TimeoutExpired:
        return f"HDF5 does not finish reading it within {limit:.0f} s"
    if done.returncode == REFUSED:
        return done.stdout.strip()
    return f"HDF5 fails reading it, with exit status {done.returncode}" if done.returncode else None


def read_all(path: str) -> None:
    """Read every data set; raises `ValueError` for what no writer of NIR makes.

    A few bytes may declare a data set of a terabyte (what is not stored reads as 0), or a tree of links to the same
    groups that a reader would follow again and again.
    """
    import h5py

    items, declared = 0, 0
    limit = MAX_COMPRESSION * Path(path).stat().st_size
    with h5py.File(path, "r") as file:
        groups = [(file, 0)]
        while groups:
            group, depth = groups.pop()
            for name in group:
                items += 1
                if items > MAX_ITEMS or depth > MAX_DEPTH:
                    raise ValueError("it holds too many groups")
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise ValueError(f"{name[:80]!r} is a link to another place")
                item = group[name]
                if isinstance(item, h5py.Group):
                    groups.append((item, depth + 1))
                    continue
                declared += item.nbytes
                if declared > limit:
                    raise ValueError(f"{name[:80]!r} declares more data than a file of its size can hold")
                item[()]


if __name__ == "__main__":
    try:
        read_all(sys.argv[1])
    except Exception as error:  # h5py raises many kinds; all of them say that the file cannot be read
        print(f"{(str(error).splitlines() or [type(error).__name__])[0][:200]}".encode("ascii", "replace").decode())
        sys.exit(REFUSED)
