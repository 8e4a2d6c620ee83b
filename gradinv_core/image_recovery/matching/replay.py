"""A step recorded once on a GPU and played again: launching its kernels one by one takes longer than they run."""

from __future__ import annotations

import torch

from gradinv_core.image_recovery.matching.objective import Candidate, StackedSlope
from gradinv_core.image_recovery.matching.stacked_descent import StackedLoss

__all__ = ["recorded"]

_WARM_UP = 3  # evaluations in which libraries choose their kernels and take their memory


def recorded(objective: StackedLoss, candidate: Candidate) -> StackedLoss:
    """The objective as a recording (a CUDA graph); itself where something in it cannot be recorded.

    Args:
        objective: of a stack; on a CPU it is returned as it is.
        candidate: of the shape that it will be asked for.

    Returns:
        The same function for stacks of this shape. Its answer's memory is used again for the next.
    """
    if candidate.image.device.type != "cuda":
        return objective
    try:
        return _Recording(objective, candidate)
    except RuntimeError:  # as where a layer looks at its values on the CPU
        return objective


class _Recording:
    """One evaluation, with the memory it reads and writes."""

    def __init__(self, objective: StackedLoss, candidate: Candidate) -> None:
        self._here = candidate.clone()
        beside, ours = torch.cuda.Stream(), torch.cuda.current_stream()
        beside.wait_stream(ours)
        with torch.cuda.stream(beside):
            for _ in range(_WARM_UP):
                objective(self._here)
        ours.wait_stream(beside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._slope = objective(self._here)

    def __call__(self, candidate: Candidate) -> StackedSlope:
        self._here.image.copy_(candidate.image)
        if self._here.logits is not None and candidate.logits is not None:
            self._here.logits.copy_(candidate.logits)
        self._graph.replay()
        return self._slope
