"""The client's side of a comparison: what an answer is held against, once the server has given it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from gradinv_core.experiments.client.training_step import ClientStep
from gradinv_core.metrics import cosine_similarity, max_abs_error, relative_error

__all__ = ["EXACT_PATTERN", "RIGHT_FEATURE", "RIGHT_LABEL", "Truth"]

RIGHT_LABEL = 1e-3
"""Largest error of a share that an answer called certain may have: the server's own rule."""

RIGHT_FEATURE = 1e-2
"""Relative error that a feature called known may have: the server's own rule."""

EXACT_PATTERN = 0.9999
"""Cosine from which two lists of numbers differ in their size alone."""


@dataclass(frozen=True)
class Truth:
    """What an answer is held against; of several samples their average, for that is what one direction holds.

    Attributes:
        client: the client's side.
    """

    client: ClientStep

    @property
    def pictures(self) -> int:
        """How many were trained on."""
        return 1 + len(self.client.others)

    @property
    def label(self) -> torch.Tensor:
        """(C,) soft label."""
        return self.client.mean.label

    @property
    def feature(self) -> torch.Tensor:
        """(d,) input of the last layer."""
        return self.client.mean.feature

    @property
    def image(self) -> torch.Tensor:
        """(3, h, w) picture as the network saw it."""
        return self.client.mean.image

    def label_error(self, label: torch.Tensor) -> float:
        """Largest error of a share."""
        return max_abs_error(label, self.label)

    def feature_error(self, feature: torch.Tensor) -> float:
        """Length of the difference over the length of the truth."""
        return relative_error(feature, self.feature)

    def pattern(self, feature: torch.Tensor) -> float:
        """Cosine of the angle between a feature and the true one; 0 where one of them is zero."""
        if not bool(feature.any()) or not bool(self.feature.any()):
            return 0.0
        return cosine_similarity(feature, self.feature)

    def answers(self, label: torch.Tensor, feature: torch.Tensor) -> bool:
        """Whether an answer that claims to be certain is right."""
        return self.label_error(label) <= RIGHT_LABEL and self.feature_error(feature) <= RIGHT_FEATURE

    def scale(self, row_gradient: npt.NDArray[np.float64]) -> float:
        """The true lambda of a row (d,)."""
        return self.client.scale_of(row_gradient)
