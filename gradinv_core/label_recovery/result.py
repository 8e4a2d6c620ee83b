"""The answer of label recovery, and the honest sentence that goes with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import torch

__all__ = ["Candidate", "LabelRecovery", "Status", "Window"]


class Status(StrEnum):
    """How much the gradient pins down."""

    UNIQUE = "unique"
    AMBIGUOUS = "ambiguous"
    VANISHED = "vanished"


class Window(StrEnum):
    """Through which window lambda_r leaked."""

    LABEL_STRUCTURE = "label structure"
    SIMPLEX = "simplex"
    BIAS = "bias"
    LAYER_BELOW = "layer below"
    NONE = "none"


@dataclass(frozen=True)
class Candidate:
    """One lambda that explains the gradient.

    Attributes:
        scale: lambda_r.
        label: (C,) the soft label it implies.
        loss: its scale-free variance loss (0 where the answer rests on no label structure).
    """

    scale: float
    label: torch.Tensor
    loss: float


@dataclass(frozen=True)
class LabelRecovery:
    """Soft label and last-layer feature read off one head gradient.

    Attributes:
        label: (C,) best soft label, float64; entries sum to 1.
        feature: (d,) best last-layer feature ``lambda_r g_r``, float64.
        scale: lambda_r of the best candidate.
        row: r, the gradient row of largest norm.
        label_format: the format read off the label: "hard", "smoothing", "mixup", "mixup+smoothing", or "any" when the
            label has no structure that was found.
        loss: scale-free variance loss of the best candidate.
        status: "unique", "ambiguous" or "vanished".
        message: one sentence for a human.
        intervals: every lambda consistent with the gradient at its noise level, as (low, high) pieces; may reach
            infinity.
        candidates: best first; one per interval.
        window: where the answer came through.
        solver: which solver answered: "closed_form", "scan", "bias", "layer_below", "swarm" or "lbfgs".
        evaluations: how many lambdas were evaluated.
        seconds: wall time.
        noise: norm of what is not rank one in the gradient, relative to its norm.
    """

    label: torch.Tensor
    feature: torch.Tensor
    scale: float
    row: int
    label_format: str
    loss: float
    status: Status
    message: str
    intervals: list[tuple[float, float]] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    window: Window = Window.NONE
    solver: str = "auto"
    evaluations: int = 0
    seconds: float = 0.0
    noise: float = 0.0
