"""The answer to a batch: one label recovery for each sample, and what stands behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import overload

import torch

from gradinv_core.label_recovery import LabelRecovery, Status

__all__ = ["BatchRecovery", "Evidence", "Obstacle"]


class Obstacle(StrEnum):
    """What kept a batch from being read in full."""

    NONE = "none"
    VANISHED = "the gradient is zero"
    DROWNED = "noise above everything"
    NO_ZEROS = "features without zeros"
    NEGATIVE = "features of both signs"
    HIDDEN = "directions that were not found"
    FULL_RANK = "as many directions as the head can show"
    DOES_NOT_ADD_UP = "answers that do not add up"
    FEWER_VISIBLE = "fewer directions than samples"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Evidence:
    """What speaks for one direction being one sample's feature.

    Attributes:
        zeros: columns in which it vanishes.
        spare: how many of them no mixture of the samples could have by choice.
        proven: whether these zeros or the layer below prove it; otherwise its label had to.
        samples: how many samples of the batch share this feature.
        passed: whether it was the layer below, which gives this very feature and none beside it.
    """

    zeros: int
    spare: int
    proven: bool
    samples: int = 1
    passed: bool = False


@dataclass(frozen=True)
class BatchRecovery(Sequence[LabelRecovery]):
    """Soft labels and features of a batch: a sequence of one `LabelRecovery` for each different feature.

    Samples that share their feature, as a picture that is in the batch twice, count as one, with the mean of their
    labels; ``evidence`` tells how many they are.

    Attributes:
        answers: in no order that the gradient would know.
        evidence: for each of them; empty where no direction was found.
        directions: how many directions stand out of the noise.
        found: how many of them were found to be features.
        samples: how many samples the batch has, as far as the weights tell or it was said.
        noise: norm of what lies outside these directions, relative to the gradient's.
        misfit: what the answers, put together, leave of the gradient, relative to it; NaN where there are too few.
        expected_misfit: what noise is expected to leave.
        obstacle: what kept it from being read in full.
        message: one sentence for a human.
        programs: linear programs solved.
        seconds: wall time.
    """

    answers: tuple[LabelRecovery, ...]
    evidence: tuple[Evidence, ...]
    directions: int
    found: int
    samples: int
    noise: float
    misfit: float
    expected_misfit: float
    obstacle: Obstacle
    message: str
    programs: int = 0
    seconds: float = 0.0

    @overload
    def __getitem__(self, index: int) -> LabelRecovery: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[LabelRecovery, ...]: ...

    def __getitem__(self, index: int | slice) -> LabelRecovery | tuple[LabelRecovery, ...]:
        return self.answers[index]

    def __len__(self) -> int:
        return len(self.answers)

    @property
    def unique(self) -> int:
        """How many labels are unique."""
        return sum(answer.status is Status.UNIQUE for answer in self.answers)

    @property
    def labels(self) -> torch.Tensor:
        """(K, C) the labels."""
        return torch.stack([answer.label for answer in self.answers])

    @property
    def features(self) -> torch.Tensor:
        """(K, d) the features."""
        return torch.stack([answer.feature for answer in self.answers])
