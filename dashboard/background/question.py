"""Which picture an attack is about: small enough to travel, and the same for everybody who asks the same."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass

import torch

from gradinv_core.experiments.scenario import Scenario

__all__ = ["Question", "digest"]


def digest(image: torch.Tensor) -> str:
    """Name of a picture's content: two visitors' pictures must never be mistaken for each other."""
    return hashlib.sha256(image.numpy().tobytes()).hexdigest()


@dataclass(frozen=True, eq=False)
class Question:
    """One scenario.

    Attributes:
        scenario: what is played.
        own_image: (3, h, w) picture of the visitor's own, where the scenario asks for it; None otherwise.
    """

    scenario: Scenario
    own_image: torch.Tensor | None = None

    @property
    def private(self) -> bool:
        """Whether a visitor's own picture is in it: its answer is for that visitor alone."""
        return self.own_image is not None

    @property
    def key(self) -> Hashable:
        """The same for equal questions, the visitor's own picture included."""
        return self.scenario, None if self.own_image is None else digest(self.own_image)
