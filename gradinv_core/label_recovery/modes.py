"""What a solver hands back: the separate ranges of lambda that explain the gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from scipy.special import ndtri

__all__ = ["Mode", "Search", "interval_sigmas"]


class Mode(NamedTuple):
    """One connected range of lambdas consistent with the gradient at its noise level.

    Attributes:
        scale: the best lambda_r inside.
        low: lower end, may be -inf.
        high: upper end, may be inf.
        amplitude: a_r at the best lambda; 1 / scale unless the gradient's scale is unknown.
        misfit: chi-square of the best lambda per degree of freedom.
        freedom: degrees of freedom left to verify it; 0 without a structure.
        uncertainty: largest change of any label entry over the range, plus two standard deviations of noise.
        hidden_factor: largest change of any label entry under a factor on the gradient that would go unnoticed; 0 where
            the gradient's scale is one of the unknowns.
        factor_pull: by how much chi-square falls if such a factor is allowed for, as in `FactorTrace`.
    """

    scale: float
    low: float
    high: float
    amplitude: float
    misfit: float
    freedom: int
    uncertainty: float
    hidden_factor: float = 0.0
    factor_pull: float = 0.0


@dataclass(frozen=True)
class Search:
    """Outcome of one solver on one head.

    Attributes:
        modes: every range it found, best first; empty when nothing is consistent.
        complete: whether it proved that there are no others.
        evaluations: how many candidate lambdas it evaluated.
        strained: whether the structure fits far better than by chance, but not to the gradient's own rounding. Coarser
            arithmetic does that, and so do several local steps or another loss: it is no proof.
    """

    modes: tuple[Mode, ...]
    complete: bool
    evaluations: int
    strained: bool = False


def interval_sigmas(confidence: float) -> float:
    """Half width of a two-sided interval of this confidence, in standard deviations (0.95 -> 1.96)."""
    return float(ndtri(0.5 + confidence / 2))
