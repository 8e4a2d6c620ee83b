"""Cholesky's factorisation by blocks, in place: nearly all of it is matrix products, and Stop is asked between blocks.

LAPACK's own takes about twice as long on one thread, copies the matrix, and cannot be interrupted. Blocks on the
diagonal are inverted outright, so that solving is products too; the rest is the textbook's left-looking order (Golub
and Van Loan 2013, section 4.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.stopping import ask

__all__ = ["Factor", "factorise"]

_BLOCK = 192  # rows at a time; 128 to 256 are as fast
_EXACT_DRAWS = 4  # times as many draws are made as were asked for, where that makes them exact


@dataclass(frozen=True)
class Factor:
    """``matrix = L L^T``.

    Attributes:
        lower: (n, n) L on and below the diagonal; above it stands whatever stood there before.
        corners: inverses of the blocks on L's diagonal.
        unit: what some other matrix, which somebody may have in mind, was divided by to get this one.
    """

    lower: torch.Tensor
    corners: tuple[torch.Tensor, ...]
    unit: float = 1.0

    @property
    def is_single(self) -> bool:
        """Whether it is float32."""
        return self.lower.dtype == torch.float32

    @property
    def pivots(self) -> torch.Tensor:
        """(n,) variances of each entry with those before it known, inverted."""
        return self.lower.diagonal().square()

    def solve(self, right: torch.Tensor, stop: Stop | None = None) -> torch.Tensor:
        """``matrix^-1 right`` for (n,) or (n, k)."""
        solution = self.half_solve(right, stop)
        for start, end, corner in reversed(list(self._blocks())):
            ask(stop)
            rest = solution[start:end] - self.lower[end:, start:end].T @ solution[end:]
            solution[start:end] = corner.T @ rest
        return solution

    def half_solve(self, right: torch.Tensor, stop: Stop | None = None) -> torch.Tensor:
        """``L^-1 right`` for (n,) or (n, k): the squares of its columns are ``right^T matrix^-1 right``."""
        solution = right.clone()
        for start, end, corner in self._blocks():
            ask(stop)
            solution[start:end] = corner @ (right[start:end] - self.lower[start:end, :start] @ solution[:start])
        return solution

    def inverse(self, dtype: torch.dtype, stop: Stop | None = None) -> torch.Tensor:
        """``L^-1`` (n, n), zero above the diagonal; the sums of its columns' squares are ``matrix^-1``'s diagonal.

        Args:
            dtype: float32 does for error bars: what it loses is its rounding times the root of the condition number.
            stop: asked between blocks of rows.
        """
        inverse = torch.zeros_like(self.lower, dtype=dtype)
        for start, end, corner in self._blocks():
            ask(stop)
            own = corner.to(dtype)
            inverse[start:end, start:end] = own
            left = own @ self.lower[start:end, :start].to(dtype)
            for first in range(0, start, _BLOCK):  # rows above `first` are zero in these columns
                columns = slice(first, first + _BLOCK)
                known = inverse[first:start, columns]
                inverse[start:end, columns].addmm_(left[:, first:], known, beta=0, alpha=-1)
        return inverse

    def draws(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Errors (n, k) whose mean square is the covariance ``matrix^-1``, and its diagonal (n,) as they show it.

        Drawn at random, always the same ones; a small matrix gets as many as it has columns, and then they are exact.
        Given the blocks after it, a block's variances are known outright; only what those add is read off the draws
        (Rao and Blackwell).

        Args:
            count: k, or less where that makes them exact.
        """
        size, dtype = len(self.lower), self.lower.dtype
        if size <= _EXACT_DRAWS * count:
            errors = size**0.5 * self.inverse(dtype).T
            return errors, errors.square().mean(1)
        errors = torch.randn(size, count, dtype=dtype, generator=torch.Generator().manual_seed(0))
        variances = torch.empty(size, dtype=dtype)
        for start, end, corner in reversed(list(self._blocks())):
            expected = corner.T @ (self.lower[end:, start:end].T @ errors[end:])
            errors[start:end] = corner.T @ errors[start:end] - expected
            variances[start:end] = corner.square().sum(0) + expected.square().mean(1)
        return errors, variances

    def _blocks(self) -> list[tuple[int, int, torch.Tensor]]:
        starts = range(0, len(self.lower), _BLOCK)
        return [(start, start + len(corner), corner) for start, corner in zip(starts, self.corners, strict=True)]


def factorise(matrix: torch.Tensor, stop: Stop | None = None) -> Factor:
    """Factor a symmetric positive definite matrix (n, n), of which the lower half is read and overwritten.

    Args:
        matrix: float32 or float64.
        stop: asked between blocks of columns.

    Raises:
        torch.linalg.LinAlgError: it is not positive definite to working precision.
        StoppedError: the work was stopped.
    """
    size = len(matrix)
    corners: list[torch.Tensor] = []
    for start in range(0, size, _BLOCK):
        ask(stop)
        end = min(start + _BLOCK, size)
        here, below = matrix[start:end, start:end], matrix[end:, start:end]
        if start:
            done = matrix[start:end, :start]
            here.addmm_(done, done.T, alpha=-1)
            below.addmm_(matrix[end:, :start], done.T, alpha=-1)
        corner = torch.linalg.cholesky(here)
        here.copy_(corner)
        unit = torch.eye(end - start, dtype=matrix.dtype)
        corners.append(torch.linalg.solve_triangular(corner, unit, upper=False))
        if end < size:
            # Where the corner is nearly singular, its inverse would leave an error that breaks the rest; float32 is not
            # for such matrices.
            if matrix.dtype == torch.float32:
                below.copy_(below @ corners[-1].T)
            else:
                below.copy_(torch.linalg.solve_triangular(corner.T, below, upper=True, left=False))
    return Factor(matrix, tuple(corners))
