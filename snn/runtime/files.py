"""Files that are either whole or absent, and their checksums."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import math
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_UMASK = threading.Lock()


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the place of `path` in one step.

    A job that is killed, or a disk that fills up, leaves the old file (or none), never half of a new one. The temporary
    file of a killed job is removed when the file is written again: its writer holds a lock on it as long as it lives.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path.parent, path.name)
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield temporary
        with open(temporary, "rb+") as f:
            os.fsync(f.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp gives its owner alone a right to read
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(fd)


def remove_abandoned(folder: Path, name: str = "") -> None:
    """Remove what writers that were killed have left in `folder`: of the file `name`, or of all files.

    A temporary file of `replacing` that is being written is locked, and stays. The engine's are not: whoever asks
    for all files sees to it that nobody writes there.
    """
    prefix = f".{name}." if name else "."
    for path in list(folder.glob("*.tmp")) if folder.is_dir() else []:
        if path.name.startswith(prefix) and path.is_file():
            with suppress(OSError), open(path, "rb") as f:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def _umask() -> int:
    """The process's umask. It can only be read by setting it."""
    with _UMASK:
        umask = os.umask(0o077)
        os.umask(umask)
    return umask


@contextmanager
def exclusive(path: str | Path) -> Iterator[None]:
    """Hold the lock file `path` while entered; waits, with a line that says so, for another process that holds it.

    The lock goes with the process, however it ends. Where the file system has no locks, there is none.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{path.parent}: another process is at work here; waiting for its end", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP):
                raise
        yield


def write_text(path: str | Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: str | Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: str | Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """The value of a JSON file. ValueError where it is none, or holds a number that is not finite."""
    return json.loads(Path(path).read_text(encoding="utf-8"), parse_float=_finite, parse_constant=_finite)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is no finite number")
    return value


def sha256(path: str | Path) -> str:
    """Hex digest of a file's bytes, read in pieces."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
