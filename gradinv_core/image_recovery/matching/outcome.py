"""How one restart ended."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Outcome"]


@dataclass(frozen=True)
class Outcome:
    """How one restart ended.

    Attributes:
        iterations: steps taken.
        stopped: the caller asked to stop.
        overflowed: the loss or its derivative was no longer a finite number.
    """

    iterations: int
    stopped: bool = False
    overflowed: bool = False

    @classmethod
    def completed(cls, iterations: int) -> Outcome:
        """To its end."""
        return cls(iterations)

    @classmethod
    def halted(cls, iterations: int) -> Outcome:
        """Because the caller asked."""
        return cls(iterations, stopped=True)

    @classmethod
    def broken(cls, iterations: int) -> Outcome:
        """Because of NaN or infinity."""
        return cls(iterations, overflowed=True)
