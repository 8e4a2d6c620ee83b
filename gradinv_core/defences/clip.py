"""Clipping: the whole gradient, all parameters together, is scaled down to a largest length.

It bounds what one sample can contribute, which is what the noise of differential privacy is measured against (Abadi et
al. 2016, "Deep Learning with Differential Privacy"). By itself it hides one number: all directions and all ratios of
the gradient stay exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from gradinv_core.arrays import is_number
from gradinv_core.defences.announced import Announced
from gradinv_core.defences.defence import Defence, DefenceContext, norm_of
from gradinv_core.errors import OptionError

__all__ = ["Clip"]

_LARGEST_NORM = 1e9
_BELOW = 1 - 1e-4  # of the norm: a shortened gradient has that norm to rounding


@dataclass(frozen=True)
class Clip(Defence):
    """Scale the gradient by ``min(1, norm / its own L2 norm)``.

    Attributes:
        norm: the largest L2 norm that is sent, above 0 and at most 1e9.

    Raises:
        OptionError: ``norm`` is out of range.
    """

    norm: float
    name: ClassVar[str] = "clip"

    def __post_init__(self) -> None:
        if not (is_number(self.norm) and 0 < self.norm <= _LARGEST_NORM):
            raise OptionError(
                f"clip: expected a norm above 0 and at most {_LARGEST_NORM:g}, got {self.norm!r}; 1 is usual."
            )

    def apply(
        self,
        gradients: Mapping[str, torch.Tensor],
        context: DefenceContext,  # noqa: ARG002
    ) -> dict[str, torch.Tensor]:
        """The gradients, shortened if they are longer than ``norm``."""
        norm = norm_of(gradients)
        factor = min(1.0, self.norm / norm) if norm > 0 else 1.0
        return {name: gradient * factor for name, gradient in gradients.items()}

    def announce(self, announced: Announced, clip_norm: float | None) -> None:  # noqa: ARG002
        """A gradient that is as long as the norm may have been longer."""
        announced.scale_known &= announced.length < self.norm * _BELOW and not announced.lengthless

    def clip_norm_after(self, clip_norm: float | None) -> float:
        """The tighter of the two norms."""
        return self.norm if clip_norm is None else min(self.norm, clip_norm)
