"""The input of one convolution, from its output and its weight gradient, as Gaussian inference (our derivation).

For an input x with output z and gradient delta at the output, two linear systems hold:

    A x = z - b          (the convolution itself)
    M x = dL/dW          (the weight gradient is the correlation of x with delta)

Every equation is weighted by its own noise: z by the precision passed down from the layer above, the weight gradient by
float rounding or by the noise that was added to it. A weak prior holds what neither of them reaches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
import torch
from torch import nn

from gradinv_core.arrays import Array, unit_roundoff
from gradinv_core.image_recovery.activations import Range
from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.convolution_matrix import correlation_blocks, output_matrix
from gradinv_core.image_recovery.read_back import Arriving

__all__ = ["SUM_ROUNDINGS", "ConvolutionEquations", "Solution", "convolution_equations", "noise_scale", "solve_dense"]

SUM_ROUNDINGS = 1 / 6
"""A float32 sum of n products errs by about sqrt(n) times this many units of its typical size."""

_REFINEMENTS = 2  # of the normal equations' solution: they square the condition number, the residuals do not
_SMALLEST_PRIOR = 1e-14  # of the largest diagonal entry: below, Cholesky would meet rounding only
_ROUNDINGS = 0.5  # float32 sums of a weight gradient err by about this many units of their root sum of squares
_FEWEST_CHECKS = 20  # surplus equations below which the noise is not re-estimated from the misfit


@dataclass(frozen=True)
class ConvolutionEquations:
    """Both linear systems of one convolution, with the noise of every equation.

    Attributes:
        forward: A, (outputs, inputs) sparse.
        output: (outputs,) z - b.
        believed: belief about z, whose precision weights the first system.
        blocks: M, (groups, rows, pixels); each input channel of a group meets the same one.
        gradient: dL/dW, sorted as (groups, rows, channels per group).
        weights: (groups, rows) inverse variance of the second system's rows.
        prior_mean: (inputs,) first guess.
        prior_precision: how strongly it holds.
    """

    forward: sparse.csr_array
    output: torch.Tensor
    believed: Belief
    blocks: torch.Tensor
    gradient: torch.Tensor
    weights: torch.Tensor
    prior_mean: torch.Tensor
    prior_precision: float

    @property
    def count(self) -> int:
        """Equations that carry information: of outputs believed in, and of rows that a gradient reaches."""
        rows = (self.blocks != 0).any(2).sum() * self.gradient.shape[2]
        return int((self.believed.diagonal > 0).sum()) + int(rows)

    def misfits(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What x (inputs,) leaves unexplained of the output (outputs,) and of the gradient, shaped like it."""
        of_output = self.output - torch.from_numpy(self.forward @ x.numpy())
        groups, _, pixels = self.blocks.shape
        return of_output, self.gradient - self.blocks @ x.reshape(groups, -1, pixels).transpose(1, 2)

    def pull(self, of_output: torch.Tensor, of_gradient: torch.Tensor) -> torch.Tensor:
        """A^T and M^T, weighted, applied to such misfits: (inputs,)."""
        back = torch.from_numpy(self.forward.T @ self.believed.apply(of_output).numpy())
        return back + (self.blocks.transpose(1, 2) @ (self.weights[..., None] * of_gradient)).transpose(1, 2).flatten()

    def chi_square(self, x: torch.Tensor) -> float:
        """Weighted misfit of both systems; its expectation is the number of surplus equations."""
        of_output, of_gradient = self.misfits(x)
        return float(of_output @ self.believed.apply(of_output)) + float(
            (self.weights[..., None] * of_gradient**2).sum()
        )

    def relative_misfit(self, x: torch.Tensor) -> float:
        """``|dL/dW - M x| / |dL/dW|``."""
        norm = float(self.gradient.norm())
        return float(self.misfits(x)[1].norm()) / norm if norm > 0 else 0.0

    def contradiction(self, x: torch.Tensor) -> float:
        """Share of the larger of both systems that x contradicts beyond the noise; of the outputs, known ones count."""
        of_output, of_gradient = self.misfits(x)
        known, reached = self.believed.diagonal > 0, self.weights > 0
        allowed_output = float(self.believed.std[known].square().sum())
        allowed_gradient = float((1 / self.weights[reached]).sum()) * self.gradient.shape[2]
        return max(
            _beyond(of_output[known], self.output[known], allowed_output),
            _beyond(of_gradient[reached], self.gradient[reached], allowed_gradient),
        )


def _beyond(misfit: torch.Tensor, data: torch.Tensor, allowed: float) -> float:
    """Relative size of a misfit that is more than three standard deviations of noise allow."""
    total = float(data.square().sum())
    return (max(0.0, float(misfit.square().sum()) - 9 * allowed) / total) ** 0.5 if total > 0 else 0.0


@dataclass(frozen=True)
class Solution:
    """The input of a layer.

    Attributes:
        belief: about it.
        rank: how many of its entries the equations determine better than the prior does.
        scale: variance of the noise, relative to what was assumed.
    """

    belief: Belief
    rank: int
    scale: float


def convolution_equations(
    layer: nn.Conv2d,
    input_shape: tuple[int, ...],
    arriving: Arriving,
    gradient: torch.Tensor,
    noise_std: float,
    limits: Range,
) -> ConvolutionEquations:
    """Write both systems down.

    Args:
        layer: the convolution.
        input_shape: (channels, height, width) of its input.
        arriving: belief and gradient at its output, flattened.
        gradient: dL/dW in the shape of the weight.
        noise_std: of the noise added to each gradient entry; rounding comes on top.
        limits: what the input can be: the prior.
    """
    forward = output_matrix(layer, input_shape)
    outputs, groups = layer.out_channels, layer.groups
    bias = torch.zeros(outputs) if layer.bias is None else layer.bias.detach().cpu()
    target = arriving.belief.mean - bias.double().repeat_interleave(forward.shape[0] // outputs)
    row_size = float(np.sqrt(forward.power(2).sum() / forward.shape[0]))
    if limits.spread is None:  # the outputs tell how large the inputs are; the prior allows them three times that
        size = _typical_size(arriving.belief, target, row_size)
        spread = 3 * size
    else:
        spread = limits.spread
        size = (limits.centre**2 + spread**2) ** 0.5
    rounding = unit_roundoff(gradient)

    # (outputs, channels, taps) -> (groups, outputs per group * taps, channels)
    by_group = gradient.double().cpu().reshape(groups, outputs // groups, layer.in_channels // groups, -1)
    by_group = by_group.permute(0, 1, 3, 2)
    loudness, blur = (part.reshape(outputs, -1).norm(dim=1) for part in (arriving.delta, arriving.delta_std))
    row_std = (noise_std**2 + size**2 * ((_ROUNDINGS * rounding * loudness) ** 2 + blur**2)).sqrt()
    weights = torch.where(loudness > 0, row_std.clamp(min=1e-300) ** -2.0, 0.0)
    sum_rounding = SUM_ROUNDINGS * layer.weight[0].numel() ** 0.5 * rounding
    return ConvolutionEquations(
        forward=forward,
        output=target,
        believed=arriving.belief.with_own_noise(sum_rounding * (target.abs() + row_size * size)),
        blocks=torch.from_numpy(correlation_blocks(layer, input_shape, arriving.delta)),
        gradient=by_group.reshape(groups, -1, by_group.shape[-1]),
        weights=weights.reshape(groups, -1).repeat_interleave(by_group.shape[2], dim=1),
        prior_mean=torch.full((forward.shape[1],), limits.centre, dtype=torch.float64),
        prior_precision=spread**-2,
    )


def _typical_size(believed: Belief, target: torch.Tensor, row_size: float) -> float:
    """Size of inputs that would make outputs of the observed size."""
    known = believed.diagonal
    if not bool(known.any()):
        return 1.0
    loudness = float((known * target**2).sum() / known.sum()) ** 0.5
    return loudness / max(row_size, 1e-30) + 1e-12


def normal_matrix(equations: ConvolutionEquations) -> torch.Tensor:
    """``A^T P A + M^T W M``, (inputs, inputs), without the prior."""
    back = sparse.csr_array(equations.forward.T)
    believed = equations.believed
    if believed.is_diagonal:
        matrix = torch.from_numpy((back * believed.precision.numpy() @ equations.forward).toarray())
    else:
        half: Array = back @ believed.precision.numpy()
        matrix = torch.from_numpy(back @ np.ascontiguousarray(half.T))
    groups, _, pixels = equations.blocks.shape
    channels = equations.gradient.shape[2]
    for group in range(groups):
        block = equations.blocks[group]
        added = block.T @ (equations.weights[group][:, None] * block)
        for channel in range(channels):
            start = (group * channels + channel) * pixels
            matrix[start : start + pixels, start : start + pixels] += added
    return matrix


def solve_dense(equations: ConvolutionEquations) -> Solution:
    """Solve by Cholesky's factorisation: exact error bars, memory of the square of the unknowns.

    The surplus equations check the noise that was assumed: where they fit worse (or better) than it says, all error
    bars grow (or shrink) by the same factor.
    """
    matrix = normal_matrix(equations)
    prior = max(equations.prior_precision, _SMALLEST_PRIOR * float(matrix.diagonal().max()))
    matrix.diagonal().add_(prior)
    factor = torch.linalg.cholesky(matrix)
    x = equations.prior_mean
    for _ in range(1 + _REFINEMENTS):
        gradient = equations.pull(*equations.misfits(x)) - prior * (x - equations.prior_mean)
        x = x + torch.cholesky_solve(gradient[:, None], factor)[:, 0]
    variance = torch.cholesky_inverse(factor).diagonal()
    rank = len(x) - prior * float(variance.sum())
    scale = noise_scale(equations, x, rank)
    belief = Belief(x, matrix / scale, (variance * scale).sqrt())
    return Solution(belief, round(rank), scale)


def noise_scale(equations: ConvolutionEquations, x: torch.Tensor, rank: float) -> float:
    """Variance of the noise, relative to what was assumed, as the surplus equations show it."""
    surplus = equations.count - rank
    scale = equations.chi_square(x) / max(surplus, _FEWEST_CHECKS)
    return max(scale, 1e-6 if surplus > _FEWEST_CHECKS else 1.0)
