"""What announced defences mean for the released gradient: which scale, which noise, which entries are missing.

Every defence says by `Defence.announce` what it means; a server that was told of a pipeline collects that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

__all__ = ["Announced"]


@dataclass
class Announced:
    """The defences in the terms of a recovery.

    Attributes:
        gradients: what was released.
        head_weight: name of the last layer's weight.
        length: of the gradient at the stage that the walk has reached, in released units: never too small.
        lengthless: whether what went missing could have had any length.
        scale_known: whether the gradient certainly was not shortened.
        variance: of the noise added to each entry, in the units of the released gradient.
        noise_after: for each kind of defence, the part of that noise's standard deviation which was added after it.
        quantised: bits of the grid, None for none.
        pruned: share of each tensor's entries that is missing, 0 for none.
        dropped: share of the head's rows that is missing, 0 for none.
        perturbed: share of the head's columns that is missing, 0 for none.
        signs_only: whether only signs were sent.
    """

    gradients: Mapping[str, torch.Tensor]
    head_weight: str
    length: float
    lengthless: bool = False
    scale_known: bool = True
    variance: float = 0.0
    noise_after: dict[type, float] = field(default_factory=dict)
    quantised: int | None = None
    pruned: float = 0.0
    dropped: float = 0.0
    perturbed: float = 0.0
    signs_only: bool = False

    @property
    def noise(self) -> float:
        """Standard deviation of the noise added to each entry, in the units of the released gradient."""
        return self.variance**0.5

    @property
    def entries(self) -> int:
        """Number of entries of all gradients together."""
        return sum(gradient.numel() for gradient in self.gradients.values())

    def add_energy(self, energy: float) -> None:
        """Count a squared length that went missing."""
        self.length = float((self.length**2 + energy) ** 0.5)
