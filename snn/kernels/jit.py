"""Compiling kernels. Importing Numba takes half a second: import this module where a kernel is first used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Numba's `njit`, kept on disk where a place for it can be written to."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # no writable cache folder: compile anew in each process
        return njit(**options)(function)
