"""Compiling kernels with Numba, whose import takes half a second: import this module where a kernel is first used."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from numba import njit
from numba.core import event


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Numba's `njit` of `function`, without the GIL, its machine code cached on disk.

    Numba caches beside the source file, or else in the user's cache folder. Where neither can be written to, the
    function is compiled in memory, anew in each process, and one line on stderr names the remedy.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        _warn_of_missing_cache()
        return njit(**options)(function)


@cache  # once a process: every kernel meets the same folders
def _warn_of_missing_cache() -> None:
    print(
        "warning: no folder to cache compiled kernels in, so each process compiles them anew, which takes seconds; "
        "set NUMBA_CACHE_DIR to a writable folder",
        file=sys.stderr,
        flush=True,
    )


class Uninterrupted(event.Listener):
    """Signals that end a process wait while Numba compiles in its main thread.

    LLVM hands the machine code over to a Python function. An exception in there, such as that of Ctrl-C, is printed and
    lost: the process would go on, and fail later for want of the code. Blocking the signals is not enough: the system
    hands them to another thread, and Python handles them in the main one all the same.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.depth = 0  # compiling a function compiles those that it calls
        self.before: dict[int, Any] = {}
        self.came: list[int] = []

    def on_start(self, event: event.Event) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        self.depth += 1
        if self.depth == 1:
            handlers = {number: signal.getsignal(number) for number in self.SIGNALS}
            self.before = {number: handler for number, handler in handlers.items() if handler is not None}
            for number in self.before:
                signal.signal(number, lambda number, frame: self.came.append(number))

    def on_end(self, event: event.Event) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        self.depth -= 1
        if self.depth == 0:
            for number, handler in self.before.items():
                signal.signal(number, handler)
            came, self.came = self.came, []
            for number in came:
                signal.raise_signal(number)


event.register("numba:compile", Uninterrupted())
