"""A two-sided logarithmic axis for lambda: negative to the left, positive to the right, between them a gap."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from dashboard.drawing.number_text import power_of_ten

__all__ = ["LambdaScale"]

_GAP = 0.16  # share of the axis that the lambdas too small to be possible take
_MARGIN = 0.25  # of a half, beyond its last power of ten: infinity
_MOST_TICKS = 3  # powers of ten on each side, besides infinity: a phone has room for no more


@dataclass(frozen=True)
class LambdaScale:
    """Where a lambda stands.

    Attributes:
        lowest: exponent of the smallest |lambda| drawn; 0, because |lambda| >= 1, unless the gradient was multiplied.
        highest: exponent of the largest one before infinity.
    """

    lowest: int
    highest: int

    @classmethod
    def around(cls, scales: Iterable[float]) -> "LambdaScale":
        """An axis that has room for these lambdas; infinite ones stand at its ends."""
        sizes = [abs(scale) for scale in scales if math.isfinite(scale) and scale != 0]
        exponents = [math.log10(size) for size in sizes if size > 1e-300]
        lowest = min(0, math.floor(min(exponents, default=0.0) + 1e-6))
        return cls(lowest, max(lowest + 1, 1, math.ceil(max(exponents, default=1.0) - 1e-6)))

    @property
    def _half(self) -> float:
        """Length of one side, in decades."""
        return (self.highest - self.lowest) * (1 + _MARGIN)

    @property
    def _inner(self) -> float:
        """Where a side begins."""
        return self._half * _GAP / (1 - _GAP)

    @property
    def end(self) -> float:
        """Position of infinity."""
        return self._inner + self._half

    def position(self, scale: float) -> float:
        """Where on the axis a lambda stands; one that is too small stands at the gap's edge."""
        if math.isinf(scale):
            return math.copysign(self.end, scale)
        decades = math.log10(max(abs(scale), 10.0**self.lowest)) - self.lowest
        return math.copysign(min(self._inner + decades, self.end), scale)

    def stretches(self, low: float, high: float) -> list[tuple[float, float]]:
        """Positions of an interval of lambda, in two parts if it crosses the gap."""
        if low < 0 < high:
            return [(self.position(low), -self._inner), (self._inner, self.position(high))]
        return [(self.position(low), self.position(high))]

    @property
    def _exponents(self) -> list[int]:
        step = math.ceil((self.highest - self.lowest) / (_MOST_TICKS - 1))
        return list(range(self.lowest, self.highest + 1, step))

    @property
    def tick_positions(self) -> list[float]:
        """From minus infinity to infinity."""
        right = [*(self.position(10.0**exponent) for exponent in self._exponents), self.end]
        return [*(-place for place in reversed(right)), *right]

    @property
    def tick_texts(self) -> list[str]:
        """One for each position: -10 to the 4, -1, 1, 10 to the 4, infinity."""
        right = [_power(exponent) for exponent in self._exponents] + ["∞"]
        return [*(f"−{text}" for text in reversed(right)), *right]


def _power(exponent: int) -> str:
    """Small ones in full: a phone shows them best so."""
    return {1: "10", 2: "100"}.get(exponent, power_of_ten(exponent))
