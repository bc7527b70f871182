"""Compiling kernels with Numba, whose import takes half a second: import this module where a kernel is first used."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

from numba import njit


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
