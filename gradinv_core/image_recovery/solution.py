"""What solving a layer's equations gives, and how the equations that are left over check the noise assumed."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.cholesky import Factor
from gradinv_core.image_recovery.convolution import ConvolutionEquations
from gradinv_core.image_recovery.read_back import Arriving

__all__ = ["FEWEST_CHECKS", "Solution", "Solved", "noise_scale"]

FEWEST_CHECKS = 20
"""Surplus equations below which the noise is not re-estimated from the misfit."""


@dataclass(frozen=True)
class Solution:
    """The input of a layer.

    Attributes:
        equations: those that were solved, with their noise as it turned out to be.
        belief: about the input.
        rank: how many of its entries the equations determine better than the prior does.
        factor: of the belief's precision, divided by the factor's unit, where it is float64; None elsewhere.
    """

    equations: ConvolutionEquations
    belief: Belief
    rank: int
    factor: Factor | None = None


@dataclass(frozen=True)
class Solved:
    """The input of a layer, and how it was found.

    Attributes:
        arriving: belief and gradient at the input.
        output: (outputs,) what the layer makes of it, bias included.
        equations: how many there were.
        rank: how many unknowns they determine.
        misfit: relative misfit of the weight gradient.
        disagreement: the same, as far as it is beyond the noise expected, and before bounds and smoothness had a say.
        contradiction: likewise, but of the input as it is handed down.
        completed: whether bounds and smoothness had to close what the equations left open.
        convergence: of the completion.
        smoothed: share of the unknowns that smoothness decided rather than the equations.
        objection: squared standard deviations, per direction, by which the equations object to the completion; 0 where
            no unit can be on the wrong side of a ReLU, so that only smoothness can be at fault.
        estimated: whether its errors are estimates, handed down as if they were independent.
    """

    arriving: Arriving
    output: torch.Tensor
    equations: int
    rank: int
    misfit: float
    disagreement: float
    contradiction: float
    completed: bool = False
    convergence: tuple[float, ...] = ()
    smoothed: float = 0.0
    objection: float = 0.0
    estimated: bool = False


def noise_scale(equations: ConvolutionEquations, x: torch.Tensor, rank: float) -> float:
    """Variance of the noise, relative to what was assumed, as the surplus equations show it.

    Args:
        equations: both systems.
        x: (inputs,) their solution.
        rank: unknowns they determine.
    """
    surplus = sum(equations.counts) - rank
    scale = sum(equations.chi_squares(x)) / max(surplus, FEWEST_CHECKS)
    return max(scale, 1e-6 if surplus > FEWEST_CHECKS else 1.0)
