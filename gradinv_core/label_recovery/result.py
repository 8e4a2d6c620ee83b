"""The answer of label recovery, and the honest sentence that goes with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite

import torch

__all__ = ["UNIQUE_LABEL", "UNIQUE_SCALE", "Candidate", "Doubt", "LabelRecovery", "Status", "Window"]

UNIQUE_LABEL = 1e-3
"""An answer is called unique only if no label entry can be off by more than this."""

UNIQUE_SCALE = 1e-2
"""lambda, hence the feature, is called known only if it can be off by no more than this fraction."""


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


class Doubt(StrEnum):
    """What the gradient itself says against having been a plain one: one sample, one step, cross-entropy, no factor."""

    NONE = "none"
    ROW_SUMS = "rows that do not add up"
    RESCALED = "rescaled"
    TEMPERATURE = "temperature"
    FORMAT = "no known format"


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
        condition: what a "unique" rests on that the gradient cannot show, as the end of a sentence that begins with
            "if"; empty where everything was tested.
        doubt: what speaks against a plain gradient; `Doubt.NONE` where nothing does.
        factor: of which honest gradient this one is a multiple, as far as it shows: 0.25 for a quarter of one.
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
    condition: str = ""
    doubt: Doubt = Doubt.NONE
    factor: float = 1.0

    @property
    def feature_known(self) -> bool:
        """Whether one narrow range of lambda is left, so that the feature is known even where the label is not.

        A bias gradient fixes the feature whatever the loss, the label and the gradient's scale were.
        """
        if len(self.intervals) != 1:
            return False
        low, high = self.intervals[0]
        return isfinite(self.scale) and high - low <= 2 * UNIQUE_SCALE * abs(self.scale)
