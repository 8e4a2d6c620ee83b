"""Additive noise: independent draws on every entry, sized against the clip norm.

Only Gaussian noise after clipping carries an (epsilon, delta) guarantee (Abadi et al. 2016). Unclipped, the noise
follows the gradient's own length, which bounds nothing. Laplace noise at the same standard deviation protects against
the L1 norm, which clipping by the L2 norm does not bound usefully in so many dimensions; it is here for comparison.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from gradinv_core.arrays import is_number
from gradinv_core.defences.announced import Announced
from gradinv_core.defences.defence import Defence, DefenceContext, norm_of
from gradinv_core.errors import OptionError

__all__ = ["AdditiveNoise", "GaussianNoise", "LaplaceNoise"]

_LARGEST_MULTIPLIER = 1e3
_CERTAIN = 5.0  # standard deviations


@dataclass(frozen=True)
class AdditiveNoise(Defence):
    """Noise of one standard deviation on every entry: multiplier times the clip norm in force.

    Where nothing was clipped, the gradient's own L2 norm takes the clip norm's place.

    Attributes:
        multiplier: standard deviation of the noise in units of that norm, above 0 and at most 1000.

    Raises:
        OptionError: ``multiplier`` is out of range.
    """

    multiplier: float

    def __post_init__(self) -> None:
        if not (is_number(self.multiplier) and 0 < self.multiplier <= _LARGEST_MULTIPLIER):
            raise OptionError(
                f"{self.name}: expected a multiplier above 0 and at most {_LARGEST_MULTIPLIER:g}, "
                f"got {self.multiplier!r}; leave the defence out for no noise."
            )

    def apply(self, gradients: Mapping[str, torch.Tensor], context: DefenceContext) -> dict[str, torch.Tensor]:
        """The gradients plus noise of standard deviation ``multiplier * norm``."""
        norm = norm_of(gradients) if context.clip_norm is None else context.clip_norm
        return {
            name: gradient + self.multiplier * norm * self._draw(gradient, context.generator)
            for name, gradient in gradients.items()
        }

    def announce(self, announced: Announced, clip_norm: float | None) -> None:
        """Where nothing was clipped, the noise's size follows a norm that is known less the noise's own part."""
        entries = announced.entries
        norm = clip_norm or announced.length / (1 + entries * self.multiplier**2) ** 0.5
        std = self.multiplier * norm
        announced.variance += std**2
        # An upper bound of the norm before the noise was added; the spread covers Laplace noise as well.
        spread = (6 * entries * std**4 + 4 * announced.length**2 * std**2) ** 0.5
        announced.length = max(announced.length**2 - entries * std**2 + _CERTAIN * spread, 0.0) ** 0.5

    @abstractmethod
    def _draw(self, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Independent draws of mean 0 and standard deviation 1, of the shape, type and device of ``like``."""


@dataclass(frozen=True)
class GaussianNoise(AdditiveNoise):
    """Normal noise. After `Clip` this is the Gaussian mechanism, the one defence here with a provable budget."""

    name: ClassVar[str] = "gaussian"

    def _draw(self, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return torch.randn(like.shape, generator=generator, dtype=like.dtype).to(like.device)


@dataclass(frozen=True)
class LaplaceNoise(AdditiveNoise):
    """Laplace noise of the same standard deviation; no (epsilon, delta) is claimed for it."""

    name: ClassVar[str] = "laplace"

    def _draw(self, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        # The difference of two exponential draws is Laplace with scale 1 and variance 2.
        first, second = (torch.empty(like.shape, dtype=like.dtype).exponential_(generator=generator) for _ in range(2))
        return ((first - second) / 2**0.5).to(like.device)
