"""Foreign native code in a process of its own, so that no damaged file can end or silence this one.

The child process is forked at the first call and serves all later ones; it ends with this process. Where a file crashes
it, the next call starts another one.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from snn.data.format import EVENT
from snn.errors import DataError

EVENTS, MESSAGE, REASON = b"+", b"!", b"-"
"""First byte of an answer: events, the message of a `DataError`, or the reason of any other failure."""


def isolated(decode: Callable[..., np.ndarray], file: Path, what: str, *arguments: Any) -> np.ndarray:
    """`decode(file, *arguments)`, `EVENT` records, computed in the child process.

    decode: a function of a module. Whatever goes wrong there, an exception, a panic of Rust code or a crash, is a
    `DataError` here that calls the file `what` ("no intact .aedat4 recording"); what the decoder prints is dropped.
    """
    try:
        connection = _Child.connection()
        connection.send((decode, file, arguments))
        answer = connection.recv_bytes()
    except (EOFError, OSError):
        _Child.current = None
        answer = REASON + b"its decoder crashed"
    if answer[:1] == EVENTS:
        return np.frombuffer(bytearray(memoryview(answer)[1:]), EVENT)
    text = answer[1:].decode(errors="replace")
    if answer[:1] == MESSAGE:
        raise DataError(text)
    reason = " ".join(text.split())[:200]
    raise DataError(f"{file}: {what} ({reason}); delete it, or replace it by an intact copy")


class _Child:
    """The child process of this process, if it has one already."""

    current: tuple[int, Connection] | None = None
    """(the process that started it, the connection to it): a fork of this process needs a child of its own."""

    @classmethod
    def connection(cls) -> Connection:
        if cls.current is None or cls.current[0] != os.getpid():
            context = get_context("fork")
            ours, childs = context.Pipe()
            context.Process(target=_serve, args=(childs, ours), daemon=True).start()
            childs.close()
            cls.current = os.getpid(), ours
        return cls.current[1]


def _serve(connection: Connection, parents: Connection) -> None:
    """In the child: answer until the other process closes its end, or is no more."""
    parents.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        os.dup2(nowhere, output)
    sys.stdout = sys.stderr = os.fdopen(nowhere, "w")
    while True:
        try:
            decode, file, arguments = connection.recv()
        except EOFError:
            os._exit(0)
        try:
            answer = EVENTS + decode(file, *arguments).tobytes()
        except DataError as error:
            answer = MESSAGE + str(error).encode(errors="replace")
        except BaseException as error:  # panics of Rust code are no `Exception`
            answer = REASON + (str(error) or type(error).__name__).encode(errors="replace")
        connection.send_bytes(answer)
