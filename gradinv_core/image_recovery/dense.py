"""Layers of a few thousand unknowns: normal equations, factored. Exact error bars for the square of that in memory."""

from __future__ import annotations

from dataclasses import replace

import torch

from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.convolution import ConvolutionEquations
from gradinv_core.image_recovery.normal_equations import CoarseFactorError, NormalEquations
from gradinv_core.image_recovery.precision import Precision
from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.solution import FEWEST_CHECKS, Solution, noise_scale

__all__ = ["solve_dense"]

_BALANCINGS = 4
_TOLERATED = 10.0  # ratio of the two systems' noise variances, to what was assumed, that is left alone ...
_BALANCED = 2.0  # ... and that is worth no further round
_COUNTING_DRAWS = 96  # errors drawn to see what each system determines: to a few unknowns in a thousand ...
_BAR_DRAWS = 256  # ... and where the error bars are read off them
_LARGE = 1024  # unknowns from which float32 is worth trying, and somebody might want to stop on the way


def solve_dense(equations: ConvolutionEquations, stop: Stop | None = None, *, exact_bars: bool = True) -> Solution:
    """Solve by Cholesky's factorisation.

    The surplus equations check the noise that was assumed. Where one of the two systems fits far worse beside the other
    than it should, its weight is set anew (variance components: Helmert 1907) and the equations are solved again; what
    both have in common makes all error bars grow or shrink.

    Where float32 can tell the matrix from a singular one, it changes no direction's precision by a noticeable share:
    the factor is float32, and so is the precision that is handed down.

    Args:
        equations: both systems.
        stop: asked between the expensive parts of a large layer.
        exact_bars: whether the error bars of a large layer have to be right to more than 3 %.

    Raises:
        StoppedError: the work was stopped.
        torch.linalg.LinAlgError: the equations are too badly conditioned for float64.
    """
    size = len(equations.prior_mean)
    if size < _LARGE:
        return _solve(NormalEquations(equations, torch.float64), None, exact_bars=False)  # no draws: they are exact
    if sum(equations.counts) > size:  # else some unknown is open, a condition that float32 cannot see
        try:
            return _solve(NormalEquations(equations, torch.float32, stop), stop, exact_bars=exact_bars)
        except CoarseFactorError:
            pass
    return _solve(NormalEquations(equations, torch.float64, stop), stop, exact_bars=True)


def _solve(normal: NormalEquations, stop: Stop | None, *, exact_bars: bool) -> Solution:
    """Solve, and balance the two systems."""
    tolerated = _TOLERATED
    for remaining in reversed(range(_BALANCINGS)):
        factor = normal.factor(stop)
        x = normal.solve(factor)
        variances, spent = normal.sampled_covariance(factor, _COUNTING_DRAWS if exact_bars else _BAR_DRAWS)
        ratio = _imbalance(normal.equations, x, normal.rank(variances), spent)
        if 1 / tolerated < ratio < tolerated or not remaining:
            break
        tolerated = _BALANCED
        normal.divide_weights(ratio)
    if exact_bars:
        variances = normal.variances(factor, stop)
    rank = normal.rank(variances)
    scale = noise_scale(normal.equations, x, rank)
    unit = normal.unit / scale
    precision = Precision.of(normal.matrix).scaled(torch.full_like(x, unit**0.5))
    belief = Belief(x, precision, (variances * scale).sqrt())
    kept = None if factor.is_single else replace(factor, unit=unit)
    return Solution(normal.equations, belief, round(rank), kept)


def _imbalance(equations: ConvolutionEquations, x: torch.Tensor, rank: float, spent_on_gradient: float) -> float:
    """How much noisier the weight gradient is than assumed, beside the output; 1 where too few equations are left.

    Args:
        equations: both systems.
        x: (inputs,) their solution.
        rank: unknowns both determine.
        spent_on_gradient: share of them that the weight gradient determines.
    """
    surplus = (equations.counts[0] - (rank - spent_on_gradient), equations.counts[1] - spent_on_gradient)
    of_output, of_gradient = (
        chi_square / left if left > FEWEST_CHECKS else 1.0
        for chi_square, left in zip(equations.chi_squares(x), surplus, strict=True)
    )
    return max(of_gradient, 1e-12) / max(of_output, 1e-12)
