"""Sending fewer bits: every entry rounded to a grid, or reduced to its sign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from gradinv_core.defences.announced import Announced
from gradinv_core.defences.defence import Defence, DefenceContext
from gradinv_core.errors import OptionError

__all__ = ["Quantise", "Sign", "levels_per_side"]

_BITS = range(2, 17)


@dataclass(frozen=True)
class Quantise(Defence):
    """Round each tensor to ``2**bits - 1`` evenly spaced levels from minus to plus its largest magnitude.

    Zero is a level, and so are the two ends. Rounding is to the nearest level, without chance.

    Attributes:
        bits: per entry, a whole number from 2 to 16.

    Raises:
        OptionError: ``bits`` is out of range.
    """

    bits: int
    name: ClassVar[str] = "quantise"

    def __post_init__(self) -> None:
        if isinstance(self.bits, bool) or not isinstance(self.bits, int) or self.bits not in _BITS:
            raise OptionError(
                f"quantise: expected a whole number of bits from {_BITS[0]} to {_BITS[-1]}, got {self.bits!r}; "
                f"for a single bit use the defence 'sign'."
            )

    def apply(
        self,
        gradients: Mapping[str, torch.Tensor],
        context: DefenceContext,  # noqa: ARG002
    ) -> dict[str, torch.Tensor]:
        """The gradients on their grids, computed in float64 and returned in their own type."""
        rounded = {}
        for name, gradient in gradients.items():
            exact = gradient.double()
            step = exact.abs().max() / levels_per_side(self.bits)
            level = (exact / torch.where(step > 0, step, torch.ones_like(step))).round()
            rounded[name] = (level * step).to(gradient.dtype)
        return rounded

    def announce(self, announced: Announced, clip_norm: float | None) -> None:  # noqa: ARG002
        """Every entry may be off by half a step of its tensor's grid."""
        announced.quantised = self.bits
        steps = [
            (tensor.numel(), float(tensor.abs().max()) / levels_per_side(self.bits))
            for tensor in announced.gradients.values()
        ]
        announced.length += sum(entries * (step / 2) ** 2 for entries, step in steps) ** 0.5


@dataclass(frozen=True)
class Sign(Defence):
    """Send of every entry its sign, times the tensor's mean magnitude (signSGD, Bernstein et al. 2018, scaled)."""

    name: ClassVar[str] = "sign"

    def apply(
        self,
        gradients: Mapping[str, torch.Tensor],
        context: DefenceContext,  # noqa: ARG002
    ) -> dict[str, torch.Tensor]:
        """One magnitude per tensor; entries that are exactly zero stay zero."""
        return {name: gradient.sign() * gradient.abs().mean() for name, gradient in gradients.items()}

    def announce(self, announced: Announced, clip_norm: float | None) -> None:  # noqa: ARG002
        """Sizes are gone, and with them the length."""
        announced.signs_only, announced.scale_known = True, False


def levels_per_side(bits: int) -> int:
    """Number of positive levels of `Quantise`: 1 for 2 bits, 127 for 8."""
    return int(2 ** (bits - 1) - 1)
