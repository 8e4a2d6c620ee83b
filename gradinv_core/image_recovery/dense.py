"""Layers of a few thousand unknowns: normal equations, factored. Exact error bars for the square of that in memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sparse
import torch

from gradinv_core.arrays import Array
from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.convolution import ConvolutionEquations
from gradinv_core.image_recovery.solution import FEWEST_CHECKS, Solution, noise_scale

__all__ = ["normal_matrix", "solve_dense"]

_REFINEMENTS = 1  # of the normal equations' solution: they square the condition number, the residuals do not
_SMALLEST_PRIOR = 1e-14  # of the largest diagonal entry: below, Cholesky would meet rounding only
_BALANCINGS = 4
_TOLERATED = 10.0  # ratio of the two systems' noise variances, to what was assumed, that is left alone ...
_BALANCED = 2.0  # ... and that is worth no further round


def normal_matrix(equations: ConvolutionEquations) -> torch.Tensor:
    """``A^T P A + M^T W M``, (inputs, inputs), without the prior."""
    return _assemble(_of_output(equations), _of_gradient(equations), 1.0)


def solve_dense(equations: ConvolutionEquations) -> Solution:
    """Solve by Cholesky's factorisation.

    The surplus equations check the noise that was assumed. Where one of the two systems fits far worse beside the other
    than it should, its weight is set anew (variance components: Helmert 1907) and the equations are solved again; what
    both have in common makes all error bars grow or shrink.
    """
    of_output, of_gradient = _of_output(equations), _of_gradient(equations)
    tolerated, share = _TOLERATED, 1.0
    for remaining in reversed(range(_BALANCINGS)):
        matrix = _assemble(of_output, of_gradient, share)
        prior = torch.as_tensor(equations.prior_precision, dtype=torch.float64)
        prior = prior.clamp(min=_SMALLEST_PRIOR * float(matrix.diagonal().max()))
        matrix.diagonal().add_(prior)
        factor = torch.linalg.cholesky(matrix)
        x = equations.prior_mean
        for _ in range(1 + _REFINEMENTS):
            gradient = equations.pull(*equations.misfits(x)) - prior * (x - equations.prior_mean)
            x = x + torch.cholesky_solve(gradient[:, None], factor)[:, 0]
        covariance = torch.cholesky_inverse(factor)
        rank = len(x) - float((prior * covariance.diagonal()).sum())
        spent = share * sum(float((covariance[here, here] * block).sum()) for here, block in of_gradient)
        ratio = _imbalance(equations, x, rank, spent)
        if 1 / tolerated < ratio < tolerated or not remaining:
            break
        tolerated = _BALANCED
        equations = replace(equations, weights=equations.weights / ratio)
        share /= ratio
    scale = noise_scale(equations, x, rank)
    matrix /= scale
    return Solution(equations, Belief(x, matrix, (covariance.diagonal() * scale).sqrt()), round(rank))


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


def _of_output(equations: ConvolutionEquations) -> torch.Tensor:
    back = sparse.csr_array(equations.forward.T)
    believed = equations.believed
    if believed.is_diagonal:
        matrix = torch.from_numpy((back * believed.precision.numpy() @ equations.forward).toarray())
        if believed.common is not None:
            pull, share = believed.shared_pull
            seen = torch.from_numpy(back @ pull.numpy())
            matrix.addr_(seen, seen, alpha=-share)
        return matrix
    half: Array = back @ believed.matrix().numpy()
    return torch.from_numpy(back @ np.ascontiguousarray(half.T))


def _of_gradient(equations: ConvolutionEquations) -> list[tuple[slice, torch.Tensor]]:
    """Diagonal blocks ``M^T W M``, one per input channel: no channel's pixels meet another's there."""
    groups, _, pixels = equations.blocks.shape
    channels = equations.gradient.shape[2]
    blocks: list[tuple[slice, torch.Tensor]] = []
    for group in range(groups):
        rows = equations.blocks[group]
        block = rows.T @ (equations.weights[group][:, None] * rows)
        starts = range(group * channels * pixels, (group + 1) * channels * pixels, pixels)
        blocks += [(slice(start, start + pixels), block) for start in starts]
    return blocks


def _assemble(of_output: torch.Tensor, of_gradient: list[tuple[slice, torch.Tensor]], share: float) -> torch.Tensor:
    matrix = of_output.clone()
    for here, block in of_gradient:
        matrix[here, here].add_(block, alpha=share)
    return matrix
