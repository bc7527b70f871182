"""A lock between processes, on file systems that have one."""

from __future__ import annotations

import errno
import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of this file, which is made where needed; waits for whoever holds it.

    Some mounts of network file systems (Lustre without `-o flock`, NFS without its lock daemon) have no locks. The
    work then goes on without one, after one warning.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                raise
            _warn(error.strerror)
        yield


@cache
def _warn(reason: str) -> None:
    print(
        f"warning: the file system of the results has no locks ({reason}); going on without: let no two "
        "`snn mlflow-sync` of one benchmark run at the same time",
        file=sys.stderr,
        flush=True,
    )
