"""What a search for the image hands back."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gradinv_core.image_recovery.result import Step
from gradinv_core.label_recovery import LabelRecovery

__all__ = ["MatchResult"]


@dataclass(frozen=True)
class MatchResult:
    """The best image found, and the way there.

    Attributes:
        image: (channels, height, width) float64, the image of lowest loss.
        soft_label: (C,) float64, the label its gradient was computed with.
        losses: (iteration, loss) pairs of the restart that won, at most about a thousand.
        steps: what to play back of that restart; the last one shows ``image``.
        stopped: whether it was stopped before its end.
        loss: of ``image``.
        restart: number of the restart that won, from 1.
        inner_layers: names of the fully connected layers whose exact inputs were terms of their own.
        route: how the gradients were computed: "sequential" (by hand), "autograd", or "stacked" (autograd, several
            restarts at once).
        label: the label recovery, if this search made one.
        note: what went wrong on the way, in one sentence; empty when nothing did.
        seconds: wall time.
    """

    image: torch.Tensor
    soft_label: torch.Tensor
    losses: tuple[tuple[int, float], ...]
    steps: tuple[Step, ...]
    stopped: bool
    loss: float
    restart: int
    inner_layers: tuple[str, ...]
    route: str
    label: LabelRecovery | None
    note: str
    seconds: float
