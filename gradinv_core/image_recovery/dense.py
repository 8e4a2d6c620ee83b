"""Layers of a few thousand unknowns: normal equations, factored. Exact error bars for the square of that in memory."""

from __future__ import annotations

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
_LARGE = 1024  # unknowns from which float32 is worth trying, and somebody might want to stop on the way


def solve_dense(equations: ConvolutionEquations, stop: Stop | None = None, *, handed_down: bool = True) -> Solution:
    """Solve by Cholesky's factorisation.

    The surplus equations check the noise that was assumed. Where one of the two systems fits far worse beside the other
    than it should, its weight is set anew (variance components: Helmert 1907) and the equations are solved again; what
    both have in common makes all error bars grow or shrink.

    Args:
        equations: both systems.
        stop: asked between the expensive parts.
        handed_down: whether the next layer needs the precision to the last digit; the picture's is nobody's input.

    Raises:
        StoppedError: the work was stopped.
        torch.linalg.LinAlgError: the equations are too badly conditioned for float64.
    """
    size = len(equations.prior_mean)
    large, normal = size >= _LARGE, None
    stop = stop if large else None
    if large and sum(equations.counts) > size:  # else some unknown is open: a condition float32 cannot see
        normal = NormalEquations(equations, torch.float64 if handed_down else torch.float32, stop)
        try:
            return _solve(normal, torch.float32, stop, exact_bars=not handed_down)
        except CoarseFactorError:
            pass
    if normal is None or normal.matrix.dtype != torch.float64:
        normal = NormalEquations(equations, torch.float64, stop)
    return _solve(normal, torch.float64, stop, exact_bars=True)


def _solve(normal: NormalEquations, dtype: torch.dtype, stop: Stop | None, *, exact_bars: bool) -> Solution:
    """Solve with a factor of this type, and balance the two systems."""
    tolerated = _TOLERATED
    for remaining in reversed(range(_BALANCINGS)):
        factor = normal.factor(dtype, stop)
        x = normal.solve(factor)
        variances, spent = normal.covariance(factor, stop) if exact_bars else normal.sampled_covariance(factor)
        rank = len(x) - float((normal.prior * variances).sum())
        ratio = _imbalance(normal.equations, x, rank, spent)
        if 1 / tolerated < ratio < tolerated or not remaining:
            break
        tolerated = _BALANCED
        normal.divide_weights(ratio)
    scale = noise_scale(normal.equations, x, rank)
    precision = Precision.of(normal.matrix).scaled(torch.full_like(x, (normal.unit / scale) ** 0.5))
    return Solution(normal.equations, Belief(x, precision, (variances * scale).sqrt()), round(rank))


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
