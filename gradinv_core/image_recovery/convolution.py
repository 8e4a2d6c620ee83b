"""The input of one convolution, from its output and its weight gradient, as Gaussian inference (our derivation).

For an input x with output z and gradient delta at the output, two linear systems hold:

    A x = z - b          (the convolution itself)
    M x = dL/dW          (the weight gradient is the correlation of x with delta)

Every equation is weighted by its own noise: z by the precision passed down from the layer above, the weight gradient by
float rounding or by the noise that was added to it. A weak prior holds what neither of them reaches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sparse
import torch
from torch import nn

from gradinv_core.arrays import unit_roundoff
from gradinv_core.image_recovery.activations import Range
from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.convolution_matrix import correlation_blocks, output_bias, output_matrix
from gradinv_core.image_recovery.read_back import Arriving

__all__ = ["SUM_ROUNDINGS", "ConvolutionEquations", "convolution_equations"]

SUM_ROUNDINGS = 1 / 6
"""A float32 sum of n products errs by about sqrt(n) times this many units of its typical size."""

_ROUNDINGS = 0.5  # float32 sums of a weight gradient err by about this many units of their root sum of squares


@dataclass(frozen=True)
class ConvolutionEquations:
    """Both linear systems of one convolution, with the noise of every equation.

    Attributes:
        shape: (channels, height, width) of the input.
        forward: A, (outputs, inputs) sparse.
        output: (outputs,) z - b.
        believed: belief about z, whose precision weights the first system.
        blocks: M, (groups, rows, pixels); each input channel of a group meets the same one.
        gradient: dL/dW, sorted as (groups, rows, channels per group).
        weights: (groups, rows) inverse variance of the second system's rows.
        prior_mean: (inputs,) first guess.
        prior_precision: how strongly it holds; (inputs,) where that differs.
    """

    shape: tuple[int, ...]
    forward: sparse.csr_array
    output: torch.Tensor
    believed: Belief
    blocks: torch.Tensor
    gradient: torch.Tensor
    weights: torch.Tensor
    prior_mean: torch.Tensor
    prior_precision: float | torch.Tensor

    @property
    def counts(self) -> tuple[int, int]:
        """Equations that carry information: of outputs believed in, and of rows that a gradient reaches."""
        rows = int((self.blocks != 0).any(2).sum()) * self.gradient.shape[2]
        return int((self.believed.diagonal > 0).sum()), rows

    def misfits(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What x (inputs,) leaves unexplained of the output (outputs,) and of the gradient, shaped like it."""
        of_output = self.output - torch.from_numpy(self.forward @ x.numpy())
        groups, _, pixels = self.blocks.shape
        return of_output, self.gradient - self.blocks @ x.reshape(groups, -1, pixels).transpose(1, 2)

    def pull(self, of_output: torch.Tensor, of_gradient: torch.Tensor) -> torch.Tensor:
        """A^T and M^T, weighted, applied to such misfits: (inputs,)."""
        back = torch.from_numpy(self.forward.T @ self.believed.apply(of_output).numpy())
        return back + (self.blocks.transpose(1, 2) @ (self.weights[..., None] * of_gradient)).transpose(1, 2).flatten()

    def normal(self, columns: torch.Tensor) -> torch.Tensor:
        """``A^T P A + M^T W M`` times columns (inputs, k), all of them at once."""
        groups, _, pixels = self.blocks.shape
        of_output = self.believed.apply(torch.from_numpy(self.forward @ columns.numpy()))
        seen = self.blocks @ columns.reshape(groups, -1, pixels, columns.shape[1]).transpose(1, 2).flatten(2)
        back = (self.blocks.transpose(1, 2) @ (self.weights[..., None] * seen)).unflatten(2, (-1, columns.shape[1]))
        return torch.from_numpy(self.forward.T @ of_output.numpy()) + back.transpose(1, 2).reshape(columns.shape)

    def with_weights(self, weights: torch.Tensor) -> ConvolutionEquations:
        """The same equations with other weights (groups, rows) of the second system."""
        return replace(self, weights=weights)

    def chi_squares(self, x: torch.Tensor) -> tuple[float, float]:
        """Weighted misfits of both systems; their expectations are the numbers of surplus equations."""
        of_output, of_gradient = self.misfits(x)
        gradient = float((self.weights[..., None] * of_gradient**2).sum())
        return float(of_output @ self.believed.apply(of_output)), gradient

    def relative_misfit(self, x: torch.Tensor) -> float:
        """``|dL/dW - M x| / |dL/dW|``."""
        norm = float(self.gradient.norm())
        return float(self.misfits(x)[1].norm()) / norm if norm > 0 else 0.0

    def contradiction(self, x: torch.Tensor) -> float:
        """Share of the larger of both systems that x contradicts beyond the noise; of the outputs, known ones count."""
        of_output, _ = self.misfits(x)
        known = self.believed.diagonal > 0
        allowed_output = float(self.believed.std[known].square().sum())
        return max(_beyond(of_output[known], self.output[known], allowed_output), self.gradient_contradiction(x))

    def gradient_contradiction(self, x: torch.Tensor) -> float:
        """Share of the weight gradient that x contradicts beyond the noise."""
        _, of_gradient = self.misfits(x)
        reached = self.weights > 0
        allowed = float((1 / self.weights[reached]).sum()) * self.gradient.shape[2]
        return _beyond(of_gradient[reached], self.gradient[reached], allowed)


def _beyond(misfit: torch.Tensor, data: torch.Tensor, allowed: float) -> float:
    """Relative size of a misfit that is more than three standard deviations of noise allow."""
    total = float(data.square().sum())
    return (max(0.0, float(misfit.square().sum()) - 9 * allowed) / total) ** 0.5 if total > 0 else 0.0


def convolution_equations(
    layer: nn.Conv2d,
    input_shape: tuple[int, ...],
    arriving: Arriving,
    gradient: torch.Tensor,
    noise_std: float,
    limits: Range,
    prior: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> ConvolutionEquations:
    """Write both systems down.

    Args:
        layer: the convolution.
        input_shape: (channels, height, width) of its input.
        arriving: belief and gradient at its output, flattened.
        gradient: dL/dW in the shape of the weight.
        noise_std: of the noise added to each gradient entry; rounding comes on top.
        limits: what the input can be: the prior.
        prior: (inputs,) first guess and (inputs,) its precision, where they differ from input to input.
    """
    forward = output_matrix(layer, input_shape)
    outputs, groups = layer.out_channels, layer.groups
    target = arriving.belief.mean - output_bias(layer, forward.shape[0])
    row_size = float(np.sqrt(forward.power(2).sum() / forward.shape[0]))
    centre: float | torch.Tensor = limits.centre
    precision: float | torch.Tensor
    if prior is not None:
        centre, precision = prior
        size = float((centre.square() + 1 / precision).mean().sqrt())
    elif limits.spread is None:  # the outputs tell how large the inputs are; the prior allows them three times that
        size = _typical_size(arriving.belief, target, row_size)
        precision = (3 * size) ** -2
    else:
        precision = limits.spread**-2
        size = (limits.centre**2 + limits.spread**2) ** 0.5
    rounding = unit_roundoff(gradient)

    # (outputs, channels, taps) -> (groups, outputs per group * taps, channels)
    by_group = gradient.double().cpu().reshape(groups, outputs // groups, layer.in_channels // groups, -1)
    by_group = by_group.permute(0, 1, 3, 2)
    loudness, blur = (part.reshape(outputs, -1).norm(dim=1) for part in (arriving.delta, arriving.delta_std))
    row_std = (noise_std**2 + size**2 * ((_ROUNDINGS * rounding * loudness) ** 2 + blur**2)).sqrt()
    weights = torch.where(loudness > 0, row_std.clamp(min=1e-300) ** -2.0, 0.0)
    sum_rounding = SUM_ROUNDINGS * layer.weight[0].numel() ** 0.5 * rounding
    return ConvolutionEquations(
        shape=input_shape,
        forward=forward,
        output=target,
        believed=arriving.belief.with_own_noise(sum_rounding * (target.abs() + row_size * size)),
        blocks=torch.from_numpy(correlation_blocks(layer, input_shape, arriving.delta)),
        gradient=by_group.reshape(groups, -1, by_group.shape[-1]),
        weights=weights.reshape(groups, -1).repeat_interleave(by_group.shape[2], dim=1),
        prior_mean=torch.zeros(forward.shape[1], dtype=torch.float64) + centre,
        prior_precision=precision,
    )


def _typical_size(believed: Belief, output: torch.Tensor, row_size: float) -> float:
    """Size of inputs that would make outputs of the observed size."""
    known = believed.diagonal
    if not bool(known.any()):
        return 1.0
    loudness = float((known * output**2).sum() / known.sum()) ** 0.5
    return loudness / max(row_size, 1e-30) + 1e-12
