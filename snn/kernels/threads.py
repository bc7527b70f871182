"""Dividing a kernel's work among threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import torch

WORTH_A_THREAD = 1 << 16
"""Values that repay handing them to another thread."""


def parallel_for(job: Callable[[int, int], None], items: int, values: int) -> None:
    """job(low, high) over 0 … items, among as many threads as torch may use and the number of `values` repays."""
    threads = min(torch.get_num_threads(), items, max(1, values // WORTH_A_THREAD))
    if threads <= 1:
        job(0, items)
        return
    edges = [items * i // threads for i in range(threads + 1)]
    for done in [_pool(threads).submit(job, low, high) for low, high in pairwise(edges)]:
        done.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="kernels")
