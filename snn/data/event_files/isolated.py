"""Foreign native code in a process of its own, so that no damaged file can end or silence this one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from snn.data.format import EVENT
from snn.errors import DataError


def isolated(decode: Callable[[Path], np.ndarray], file: Path, what: str) -> np.ndarray:
    """`decode(file)`, `EVENT` records, computed in a child process.

    Whatever goes wrong there, an exception, a panic of Rust code or a crash, is a `DataError` here that calls the file
    `what` ("no intact .aedat4 recording"); what the decoder prints is dropped.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(decode, file, write)
    os.close(write)
    with open(read, "rb") as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    if answer[:1] == b"+":
        return np.frombuffer(bytearray(memoryview(answer)[1:]), EVENT)
    if answer[:1] == b"!":
        raise DataError(answer[1:].decode(errors="replace"))
    reason = " ".join(answer[1:].decode(errors="replace").split())[:200] or "its decoder crashed"
    raise DataError(f"{file}: {what} ({reason}); delete it, or replace it by an intact copy")


def _answer(decode: Callable[[Path], np.ndarray], file: Path, pipe: int) -> None:
    """In the child: write b"+" and the events, b"!" and a message, or b"-" and a reason to the pipe, and end."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for output in (1, 2):
            os.dup2(nowhere, output)
        sys.stdout = sys.stderr = os.fdopen(nowhere, "w")
        try:
            answer = b"+" + decode(file).tobytes()
        except DataError as error:
            answer = b"!" + str(error).encode(errors="replace")
        except BaseException as error:  # panics of Rust code are no `Exception`
            answer = b"-" + (str(error) or type(error).__name__).encode(errors="replace")
        with open(pipe, "wb") as f:
            f.write(answer)
    finally:
        os._exit(0)
