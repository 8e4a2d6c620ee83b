"""The normal equations of one convolution, written out as a matrix, and their solution to the gradient's own rounding.

Residuals always come from the equations themselves, in float64. The matrix is only what turns a residual into a step:
where it is conditioned well enough, its factor may be float32, which takes half the time, and conjugate gradients
remove what that loses (mixed precision refinement: Higham and Mary 2022, section 8).
"""

from __future__ import annotations

from math import frexp

import torch

from gradinv_core.image_recovery.cholesky import Factor, factorise
from gradinv_core.image_recovery.convolution import ConvolutionEquations
from gradinv_core.image_recovery.gram import output_gram
from gradinv_core.image_recovery.result import Stop

__all__ = ["CoarseFactorError", "NormalEquations"]

_SMALLEST_PRIOR = 1e-14  # of the largest diagonal entry: below, Cholesky would meet rounding only
_REFINEMENTS = 1  # of a float64 factor's solution: it squares the condition number, the residuals do not
_ITERATIONS = 10  # a float32 factor that needs more is too coarse for error bars, too
_SETTLED = 1e-4  # squared standard deviations, per unknown, by which its solution may be off
_SINGLE_PIVOT = 1e-5  # smallest pivot, relative to its own diagonal entry, that a float32 factor gets right ...
_SINGLE_BARS = 1e-9  # ... and from which its inverse may be float32: the root of it counts there
_ROWS = 256  # unknowns whose variances are worked out together


class CoarseFactorError(ArithmeticError):
    """A float32 factor is too coarse for these equations."""


class NormalEquations:
    """``A^T P A + share M^T W M + prior``.

    Attributes:
        equations: both systems, their weights as they are now.
        matrix: (n, n), divided by ``unit``.
        unit: a power of two that keeps float32 from overflowing.
        prior: (n,) precision of the first guess, no smaller than rounding allows.
    """

    def __init__(self, equations: ConvolutionEquations, dtype: torch.dtype, stop: Stop | None = None) -> None:
        self.equations = equations
        self.unit = 2.0 ** frexp(float(equations.believed.diagonal.max()))[1]
        self.matrix = output_gram(equations.forward, equations.believed, equations.shape, dtype, self.unit, stop)
        self._of_gradient = _of_gradient(equations, self.unit, dtype)
        self._of_output = [self.matrix[here, here].clone() for here, _ in self._of_gradient]
        self._share = 1.0
        self._add_gradient()

    def divide_weights(self, ratio: float) -> None:
        """Trust the weight gradient less by this factor."""
        self.equations = self.equations.with_weights(self.equations.weights / ratio)
        self._share /= ratio
        self._add_gradient()

    def factor(self, stop: Stop | None = None) -> Factor:
        """Factor the matrix, and leave it as it is.

        Raises:
            CoarseFactorError: float32 does not do.
            torch.linalg.LinAlgError: float64 does not do.
            StoppedError: the work was stopped.
        """
        try:
            factor = factorise(self.matrix.clone(), stop)
        except torch.linalg.LinAlgError as error:
            if self.matrix.dtype == torch.float64:
                raise
            raise CoarseFactorError from error
        if factor.is_single and self._smallest_pivot(factor) < _SINGLE_PIVOT:
            raise CoarseFactorError
        return factor

    def solve(self, factor: Factor) -> torch.Tensor:
        """The solution (n,).

        Raises:
            CoarseFactorError: conjugate gradients do not settle quickly.
        """
        if factor.is_single:
            return self._conjugate_gradients(factor)
        x = self.equations.prior_mean
        for _ in range(1 + _REFINEMENTS):
            x = x + self._step(factor, self._residual(x))
        return x

    def rank(self, variances: torch.Tensor) -> float:
        """How many unknowns the equations determine rather than the prior, for variances (n,)."""
        return len(variances) - float((self.prior * variances).sum())

    def variances(self, factor: Factor, stop: Stop | None = None) -> torch.Tensor:
        """Variances (n,) of all unknowns.

        Error bars need two digits, and those of the inverse of a triangle in float32 are right to its rounding times
        the root of the condition number.
        """
        single = self._smallest_pivot(factor) > _SINGLE_BARS
        inverse = factor.inverse(torch.float32 if single else torch.float64, stop)
        squares = torch.zeros_like(self.prior)
        for rows in inverse.split(_ROWS):
            squares += rows.square().sum(0)
        return squares / self.unit

    def sampled_covariance(self, factor: Factor, draws: int) -> tuple[torch.Tensor, float]:
        """Variances (n,), and how many unknowns the weight gradient determines, from errors drawn at random.

        The second is the trace of ``M^T W M`` times the covariance.
        """
        errors, variances = factor.draws(draws)
        spent = sum(
            float((root.T @ errors[here]).square().sum())
            for (here, _), root in zip(self._of_gradient, self._roots(errors.dtype), strict=True)
        )
        return variances.double() / self.unit, spent / errors.shape[1]

    def _add_gradient(self) -> None:
        for (here, block), of_output in zip(self._of_gradient, self._of_output, strict=True):
            torch.add(of_output, block, alpha=self._share, out=self.matrix[here, here])
        largest = float(self.matrix.diagonal().max()) * self.unit
        given = torch.as_tensor(self.equations.prior_precision, dtype=torch.float64).expand(len(self.matrix))
        self.prior = given.clamp(min=_SMALLEST_PRIOR * largest)
        self.matrix.diagonal().add_((self.prior / self.unit).to(self.matrix.dtype))

    def _roots(self, dtype: torch.dtype) -> list[torch.Tensor]:
        """``(M^T W^(1/2) / unit^(1/2))`` for each input channel, (pixels, rows)."""
        weights = self.equations.weights[..., None] / self.unit
        roots = (weights.sqrt() * self.equations.blocks).transpose(1, 2).to(dtype)
        return [root for root in roots for _ in range(self.equations.gradient.shape[2])]

    def _smallest_pivot(self, factor: Factor) -> float:
        return float((factor.pivots / self.matrix.diagonal()).min())

    def _step(self, factor: Factor, residual: torch.Tensor) -> torch.Tensor:
        return factor.solve((residual / self.unit).to(factor.lower.dtype)).double()

    def _residual(self, x: torch.Tensor) -> torch.Tensor:
        equations = self.equations
        return equations.pull(*equations.misfits(x)) - self.prior * (x - equations.prior_mean)

    def _conjugate_gradients(self, factor: Factor) -> torch.Tensor:
        """Every residual is that of a point, not of a difference: its rounding shrinks along with it."""
        x = self.equations.prior_mean
        residual = self._residual(x)
        step = direction = self._step(factor, residual)
        energy = float(residual @ step)
        for _ in range(_ITERATIONS):
            if energy < _SETTLED * len(x):
                return x + step
            image = residual - self._residual(x + direction)
            curvature = float(direction @ image)
            if not curvature > 0:  # nor where it is not a number
                break
            length = energy / curvature
            x, residual = x + length * direction, residual - length * image
            step = self._step(factor, residual)
            before, energy = energy, float(residual @ step)
            direction = step + (energy / before) * direction
        raise CoarseFactorError


def _of_gradient(equations: ConvolutionEquations, unit: float, dtype: torch.dtype) -> list[tuple[slice, torch.Tensor]]:
    """Diagonal blocks ``M^T W M / unit``, one per input channel: no channel's pixels meet another's there."""
    groups, _, pixels = equations.blocks.shape
    channels = equations.gradient.shape[2]
    blocks: list[tuple[slice, torch.Tensor]] = []
    for group in range(groups):
        rows = equations.blocks[group]
        block = rows.T @ ((equations.weights[group][:, None] / unit) * rows)
        block = ((block + block.T) / 2).to(dtype)
        starts = range(group * channels * pixels, (group + 1) * channels * pixels, pixels)
        blocks += [(slice(start, start + pixels), block) for start in starts]
    return blocks
