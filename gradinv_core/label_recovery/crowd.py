"""Many heads read off a GPU at once, answered by several threads: the GPU is done long before one of them would be.

NumPy lets go of Python's lock while it computes, so threads share the work; every part of it is what it would be alone.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.head import ObservedHead
from gradinv_core.label_recovery.request import Request
from gradinv_core.label_recovery.result import LabelRecovery
from gradinv_core.label_recovery.solve import solve_heads

__all__ = ["solve_crowd"]

_PART_ENTRIES = 2**14  # label entries of a part: long enough for NumPy, short enough for a processor's own cache
_MOST_THREADS = 8  # beyond it they wait for Python's lock


def solve_crowd(head: ObservedHead, bias_grads: Array | None, request: Request) -> list[LabelRecovery]:
    """`solve_heads` in parts, several at a time.

    Args:
        head: N observed heads.
        bias_grads: (N, C) gradients of the head bias in the head's units, or None.
        request: the checked options.
    """
    size = max(1, _PART_ENTRIES // head.classes)
    parts = [np.arange(start, min(start + size, len(head))) for start in range(0, len(head), size)]

    def solve(part: np.ndarray) -> list[LabelRecovery]:
        return solve_heads(head.take(part), None if bias_grads is None else bias_grads[part], request)

    threads = min(_MOST_THREADS, os.cpu_count() or 1, len(parts))
    if threads == 1:
        return [answer for part in parts for answer in solve(part)]
    with ThreadPoolExecutor(threads) as pool:
        return [answer for answers in pool.map(solve, parts) for answer in answers]
