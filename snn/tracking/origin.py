"""Which working copy a run on a shared server belongs to: a random id, kept in a file beside the local store.

The tag `snn.origin` of each run holds the id. A sync replaces and removes runs of its own id alone, so everything rests
on no two folders having the same one. **The rule**: an id belongs to the very file that it was written into.

* A copy of the folder (`cp -r`, `rsync`, also to the same path on another machine, or unpacked from an archive) holds
  the id in another file. It draws a new id, says so, and makes runs of its own; those of the original stay.
* A folder that was moved or renamed on its file system, or that several machines or containers have mounted, holds
  the same file. It keeps its id, and there are no second runs.
* A folder that came back from a backup or moved to another disk cannot be told from a copy. The same holds where a file
  system gives files new numbers at each mount. The runs are then made a second time; the old ones are deleted by hand.

Files are told apart by their inode number. Two machines that were set up alike can have the same number for a file, so
on another host than the one that wrote it the file must also be unchanged since, which no copy is.

SNN_MLFLOW_ORIGIN in the environment names the working copy instead. It is needed where jobs share no folder (pods with
an object store), and where two folders hold the very same file: a snapshot or an image of a whole disk (a virtual
machine, btrfs, a container image with results in it). Whoever sets it answers for no two working copies having the same
name.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import sys
from pathlib import Path
from typing import Any

from snn.errors import ConfigError
from snn.runtime.files import read_json, replacing
from snn.tracking.lock import locked

VARIABLE = "SNN_MLFLOW_ORIGIN"
LOCAL = "local"  # the origin of all runs in a local store
WRITING = 60.0  # seconds that may pass between making the file and its last change, which is its renaming


def origin(store: Path) -> str:
    """The id of the working copy whose local store would be in the folder `store`; drawn where it has none.

    Raises ConfigError where SNN_MLFLOW_ORIGIN is no name, OSError where the file cannot be written.
    """
    if name := os.environ.get(VARIABLE, "").strip():
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,60}", name) or name == LOCAL:
            raise ConfigError(f"{VARIABLE}={name!r}: expected up to 60 letters, digits, dots, hyphens, underscores")
        return name
    path = store.with_name(f".{store.name}.origin")
    if own := _own(path):
        return own
    with locked(store.with_name(f".{store.name}.lock")):
        if own := _own(path):  # another job was faster
            return own
        if path.exists():
            print(
                f"warning: {path} was written in another folder: this one is a copy. Its MLflow runs are made anew; "
                f"those of the original (tag snn.origin = {_read(path).get('id', 'unknown')!r}) are left alone",
                file=sys.stderr,
                flush=True,
            )
        return _draw(path)


def _own(path: Path) -> str | None:
    """The id in the file if it was written into this very file."""
    seal = _read(path)
    try:
        status = path.stat()
        unchanged = abs(status.st_ctime - seal["written"]) < WRITING
        same = status.st_ino == seal["inode"] and (unchanged or seal["host"] == socket.gethostname())
        same = same and status.st_nlink == 1  # `cp -l` gives two folders one file
        return str(seal["id"]) if same else None
    except (OSError, KeyError, TypeError):
        return None


def _read(path: Path) -> dict[str, Any]:
    """What the file says; nothing where it is absent or damaged."""
    try:
        seal = read_json(path)
    except (FileNotFoundError, ValueError):
        return {}
    return seal if isinstance(seal, dict) else {}


def _draw(path: Path) -> str:
    """Write a new id and the marks of the file that holds it."""
    with replacing(path) as temporary:  # a renamed file keeps its inode number
        status = temporary.stat()  # the time is that of the file system, which may be another machine's
        drawn = secrets.token_hex(8)
        seal = {"id": drawn, "host": socket.gethostname(), "inode": status.st_ino, "written": status.st_ctime}
        temporary.write_text(json.dumps(seal, indent=1) + "\n", encoding="utf-8")
    return drawn
