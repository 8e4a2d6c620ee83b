"""What the rows of a batch's head gradient span, and how many samples stand out of its noise.

The averaged gradient of N samples is ``G = sum_k w_k a_k x_k^T`` with weights ``w_k = 1 / N``. Its rows are mixtures of
the features x_k: as many singular values stand above the noise as there are different features. The noise shows without
knowing any of them: the residuals ``a_k = p_k - y_k`` add up to zero over the classes, so the sum of all rows is noise
and nothing else (our derivation).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import svds

from gradinv_core.arrays import Array

__all__ = ["RowSpace", "row_space", "rows_below"]

_STANDS_OUT = 2.0  # times the largest singular value that pure noise of the measured size would have
_ROUNDINGS = 8.0  # of the largest singular value: below lies rounding of the client's arithmetic
_SILENT = 6.0  # standard deviations: a column below this says nothing of any sample


@dataclass(frozen=True)
class RowSpace:
    """The rows of a gradient (C, D), where D counts the bias gradient as one more column if there is one.

    Attributes:
        gradient: (C, D) as it came.
        left: (C, K) singular vectors on the side of the classes.
        values: (K,) singular values of the K samples that are looked for, largest first.
        basis: (K, D) orthonormal rows that span what is left without noise.
        live: (D,) columns that say anything at all.
        variance: (C, D) of the noise on each entry: what lies outside the directions, by row, and the rounding
            of the entry itself.
        noise: norm of what lies outside these K directions, relative to the gradient's.
        visible: how many singular values stand out of the noise.
        rounding: relative precision of the client's arithmetic.
    """

    gradient: Array
    left: Array
    values: Array
    basis: Array
    live: np.ndarray
    variance: Array
    noise: float
    visible: int
    rounding: float

    @property
    def size(self) -> int:
        """K, the number of directions."""
        return len(self.values)

    def std_of(self, coefficients: Array) -> Array:
        """(D,) standard deviation by noise of the entries of ``coefficients @ basis``; coefficients are (K,)."""
        return np.sqrt((self.left @ (coefficients / self.values)) ** 2 @ self.variance)


def row_space(gradient: Array, rounding: float, noise_std: float | None, at_most: int) -> RowSpace:
    """Count the samples that stand out of the noise, and span their features.

    Args:
        gradient: (C, D), not zero.
        rounding: relative precision of the client's arithmetic.
        noise_std: of the noise on every entry if it was announced; measured otherwise.
        at_most: largest number of directions to keep.
    """
    classes, columns = gradient.shape
    left, values, basis = np.linalg.svd(gradient, full_matrices=False)
    of_sums = float(np.linalg.norm(gradient.sum(0))) / (classes * columns) ** 0.5
    loudest = max(of_sums, noise_std or 0.0) * (classes**0.5 + columns**0.5)
    visible = int((values > max(_STANDS_OUT * loudest, _ROUNDINGS * rounding * values[0])).sum())
    kept = max(1, min(visible, at_most))
    return _spanned(gradient, left[:, :kept], values[:kept], basis[:kept], visible, rounding, noise_std)


def rows_below(gradient: Array, size: int, rounding: float, noise_std: float | None) -> RowSpace | None:
    """What the rows of a lower layer's gradient span, where the head has told how many samples there are.

    Args:
        gradient: (units, inputs), not zero.
        size: K, how many directions to keep.
        rounding: relative precision of the client's arithmetic.
        noise_std: of the noise on every entry if it was announced.

    Returns:
        The row space; None where the layer is too small to leave anything over.
    """
    smaller = min(gradient.shape)
    if size >= smaller:
        return None
    left, values, basis = svds(gradient, size, v0=np.ones(smaller))  # a fixed start: no draw
    order = np.argsort(-values)
    if values[order[-1]] <= np.finfo(float).eps * values[order[0]]:
        return None
    return _spanned(gradient, left[:, order], values[order], basis[order], size, rounding, noise_std)


def _spanned(
    gradient: Array, left: Array, values: Array, basis: Array, visible: int, rounding: float, noise_std: float | None
) -> RowSpace:
    """The row space of the singular vectors that are kept, with the noise that they leave."""
    (classes, columns), kept = gradient.shape, len(values)
    rest = gradient - (left * values) @ basis
    # The projection took a row's own noise away with the signal, as far as the row is part of it.
    freedom = max(columns - kept, 1) * np.clip(1 - (left**2).sum(1), 1 / classes, 1.0)
    of_rows = np.maximum(np.square(rest).sum(1) / freedom, (noise_std or 0.0) ** 2)
    variance = of_rows[:, None] + np.square(rounding * gradient)
    return RowSpace(
        gradient=gradient,
        left=left,
        values=values,
        basis=basis,
        live=np.square(gradient).sum(0) > _SILENT**2 * variance.sum(0),
        variance=variance,
        noise=float(np.linalg.norm(rest) / np.linalg.norm(gradient)),
        visible=visible,
        rounding=rounding,
    )
