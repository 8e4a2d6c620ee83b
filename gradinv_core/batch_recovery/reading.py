"""Labels of a batch whose directions are known: one recovery each, what it counts for, and whether all add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.batch_recovery.addition import adds_up, misfit
from gradinv_core.batch_recovery.direction import Direction
from gradinv_core.batch_recovery.row_space import RowSpace
from gradinv_core.batch_recovery.split import SplitBatch, split_batch
from gradinv_core.label_recovery import Doubt, LabelRecovery, Status
from gradinv_core.label_recovery.request import Options, check_request
from gradinv_core.label_recovery.solve import solve_heads
from gradinv_core.label_recovery.what_came import in_sent_units

__all__ = ["LastLayer", "Reading", "read_batch"]

_MOST_SAMPLES = 64  # in the search for a number of samples that explains the weights
_WHOLE = 0.02  # how near to whole numbers the samples of a direction must come


@dataclass(frozen=True)
class LastLayer:
    """The head's parameters, and whether its bias sent a gradient.

    Attributes:
        weight: (C, d).
        bias: (C,) or None.
        biased: whether the bias gradient is the gradient's last column.
    """

    weight: Array
    bias: Array | None
    biased: bool


@dataclass(frozen=True)
class Reading:
    """What the directions say.

    Attributes:
        answers: one for each direction.
        counts: how many samples each of them stands for.
        misfit: what they leave of the gradient, relative to it.
        expected: what noise is expected to leave.
    """

    answers: tuple[LabelRecovery, ...]
    counts: tuple[int, ...]
    misfit: float
    expected: float

    @property
    def samples(self) -> int:
        """Of the whole batch."""
        return sum(self.counts)

    @property
    def unique(self) -> int:
        """How many labels are unique."""
        return sum(answer.status is Status.UNIQUE for answer in self.answers)

    @property
    def adds_up(self) -> bool:
        """Whether noise explains what the answers leave of the gradient."""
        return adds_up(self.misfit, self.expected)


def read_batch(
    space: RowSpace, directions: Sequence[Direction], layer: LastLayer, options: Options, samples: int | None
) -> Reading | None:
    """Read every label; None where the directions are not independent.

    Args:
        space: the row space.
        directions: as many as it has dimensions.
        layer: the head.
        options: of the label recovery.
        samples: how many samples the batch has, if that was said.
    """
    known_scale = options.gradient_scale == "known"
    number = max(samples or 0, space.size)
    shares = np.full(space.size, 1 / number)
    split = split_batch(space, directions, layer.weight, layer.bias, layer.biased, shares, options.loss)
    if split is None:
        return None
    answers = _answer(split, options)
    counts = np.ones(space.size, dtype=int)
    if known_scale and any(answer.doubt is not Doubt.NONE for answer in answers):
        counted = _counts(answers, number, samples)
        if counted is not None:
            split = split.with_shares(counted / counted.sum())
            counts, answers = counted, _answer(split, options)
    left, expected = misfit(space, split, answers, layer.weight, layer.bias, known_scale)
    return Reading(tuple(answers), tuple(int(count) for count in counts), left, expected)


def _answer(split: SplitBatch, options: Options) -> list[LabelRecovery]:
    """One label recovery for each direction."""
    biased = split.bias_grads is not None
    answers = solve_heads(split.heads, split.bias_grads, check_request(split.heads, options, biased))
    noise = float(split.heads.residual[0])
    return [replace(in_sent_units(answer, options.loss), noise=noise) for answer in answers]


def _counts(answers: Sequence[LabelRecovery], number: int, samples: int | None) -> np.ndarray | None:
    """(K,) how many samples each direction stands for, read off the factors; None where they say nothing.

    A feature that m of N samples share arrives with m / N of the weight. The weights of a mean add up to one; where one
    direction's alone is open, it is what the others leave.
    """
    weights = np.array([_weight(answer) for answer in answers]) / number
    unknown = np.isnan(weights)
    if unknown.sum() > 1:
        return None
    if unknown.any():
        weights[unknown] = 1 - np.nansum(weights)
    for total in range(number, (samples or _MOST_SAMPLES) + 1):
        counts = weights * total
        whole = np.rint(counts)
        if whole.sum() == total and (whole >= 1).all() and np.abs(counts - whole).max() < _WHOLE:
            return None if (whole * number == total).all() else whole.astype(int)
    return None


def _weight(answer: LabelRecovery) -> float:
    """Of a sample in the mean, in units of what was assumed; NaN where its label does not tell."""
    if answer.status is Status.UNIQUE:
        return 1.0
    return answer.factor if answer.doubt is Doubt.RESCALED else np.nan
