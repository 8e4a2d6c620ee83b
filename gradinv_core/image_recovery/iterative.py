"""Large layers: the same equations, solved by conjugate gradients without ever forming their matrix."""

from __future__ import annotations

from collections.abc import Callable

import torch

from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.convolution import ConvolutionEquations
from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.solution import Solution, noise_scale
from gradinv_core.image_recovery.stopping import ask

__all__ = ["solve_iteratively"]

_ITERATIONS = 6000
_TOLERANCE = 1e-9  # relative residual at which the solution stands
_PROBES = 16  # random signs from which the error bars are estimated, to about 1 / sqrt(2 * 16) each
_BAR_ITERATIONS = 150
_BAR_TOLERANCE = 1e-3
_ASKED = 25  # rounds between questions whether to stop

Operator = Callable[[torch.Tensor], torch.Tensor]


def solve_iteratively(equations: ConvolutionEquations, stop: Stop | None = None) -> Solution:
    """Conjugate gradients on the normal equations, preconditioned by their diagonal.

    Memory is a few times the convolution's own sparse matrix. The error bars are estimates: the diagonal of the
    inverse, probed with random signs (Bekas, Kokiopoulou and Saad 2007). They are handed down as independent, which
    below an inner layer makes bars too narrow, see `vouching`.

    Args:
        equations: of a large layer.
        stop: asked now and then.

    Raises:
        StoppedError: the work was stopped.
    """
    prior = torch.as_tensor(equations.prior_precision, dtype=torch.float64).expand(len(equations.prior_mean))
    diagonal = _diagonal(equations) + prior

    def apply(columns: torch.Tensor) -> torch.Tensor:
        return equations.normal(columns) + prior[:, None] * columns

    start = equations.prior_mean
    right = equations.pull(*equations.misfits(start))
    x = start + _conjugate_gradients(apply, right[:, None], diagonal, _ITERATIONS, _TOLERANCE, stop)[:, 0]
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (len(x), _PROBES), generator=generator).double() * 2 - 1
    probed = _conjugate_gradients(apply, signs, diagonal, _BAR_ITERATIONS, _BAR_TOLERANCE, stop)
    variance = (signs * probed).mean(1).clamp(min=0) + 1 / diagonal  # never surer than with all others known
    # Too few equations leave at least so much open, which a probe that is cut short does not see.
    open_variance = max(0, len(x) - sum(equations.counts)) * float((1 / prior).mean())
    variance = variance + max(0.0, open_variance - float(variance.sum())) / len(x)
    rank = max(0.0, len(x) - float((prior * variance).sum()))
    scale = noise_scale(equations, x, rank)
    std = (variance * scale).sqrt()
    return Solution(equations, Belief.independent(x, std), round(rank))


def _diagonal(equations: ConvolutionEquations) -> torch.Tensor:
    """Diagonal of the normal matrix (n,), each output taken for itself."""
    of_output = torch.from_numpy(equations.forward.power(2).T @ equations.believed.diagonal.numpy())
    of_gradient = (equations.weights[..., None] * equations.blocks**2).sum(1)  # (groups, pixels)
    return of_output + of_gradient.repeat_interleave(equations.gradient.shape[2], dim=0).flatten()


def _conjugate_gradients(
    apply: Operator,
    right: torch.Tensor,
    diagonal: torch.Tensor,
    iterations: int,
    tolerance: float,
    stop: Stop | None = None,
) -> torch.Tensor:
    """Solve for every column of ``right`` (n, k) at once."""
    solution = torch.zeros_like(right)
    residual = right.clone()
    scaled = residual / diagonal[:, None]
    direction = scaled.clone()
    energy = (residual * scaled).sum(0)
    goal = tolerance**2 * energy
    for count in range(iterations):
        if count % _ASKED == 0:
            ask(stop)
        image = apply(direction)
        step = energy / (direction * image).sum(0).clamp(min=1e-300)
        solution += step * direction
        residual -= step * image
        scaled = residual / diagonal[:, None]
        renewed = (residual * scaled).sum(0)
        if bool((renewed <= goal).all()):
            break
        direction = scaled + (renewed / energy.clamp(min=1e-300)) * direction
        energy = renewed
    return solution
