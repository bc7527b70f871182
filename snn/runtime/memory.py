"""The C library's allocator, told to keep what is freed."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h
_LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Large tensors come from the heap and go back to it, not to the kernel; whether that could be arranged.

    glibc maps every large block anew and unmaps it when freed. A training step that makes the same tensors as the one
    before then pays for each page again, to be zeroed at its first touch: up to half of the time of a small network.
    For the process, at once, with the same numbers. The process keeps its peak until it ends, which a training job
    would reach again in the next step anyway.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST)) and bool(mallopt(_TRIM_THRESHOLD, _LARGEST))
