"""Dividing a kernel's work among threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import torch

WORTH_A_THREAD = 1 << 16
"""Number of values from which on handing them to another thread takes less time than it saves."""


def parallel_for(job: Callable[[int, int], None], items: int, values: int) -> None:
    """Call job(low, high) for consecutive ranges that together are 0 ≤ i < items, on torch's number of threads.

    values: how many values the job touches in all; few of them are not worth another thread.
    """
    threads = min(torch.get_num_threads(), items, max(1, values // WORTH_A_THREAD))
    if threads <= 1:
        job(0, items)
        return
    edges = [items * i // threads for i in range(threads + 1)]
    for future in [_pool(threads).submit(job, low, high) for low, high in pairwise(edges)]:
        future.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="kernels")
