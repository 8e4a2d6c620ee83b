"""Completing a rank-one matrix of which some entries are missing, or known to a rounding step only.

Our derivation. A head gradient is ``a x^T``. On the entries that are there, ``log|G_ij| = log|a_i| + log|x_j|`` is
linear, so weighted least squares solves it at once, up to one common scale; signs follow from the leading singular
pair, which on non-negative connected data has no zero and no change of sign (Perron and Frobenius). Rounding to a grid
is no noise: neighbouring entries are rounded the same way, and averaging does not help. It is an interval,
``|a_i x_j - G_ij| <= step / 2``, and the intervals of a row have a common part that holds ``a_i``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gradinv_core.arrays import Array

__all__ = ["RankOne", "complete"]

_SWEEPS = 60
_ROUNDING = 2.0**-24  # of the entries as they were sent
_NOTHING = 1e-300


@dataclass(frozen=True)
class RankOne:
    """The factors, and how well each entry of them is known.

    Attributes:
        left: (C,) factor of the rows; 0 where a row is unknown.
        right: (d,) factor of the columns; 0 where a column is unknown.
        left_std: (C,) standard deviations of the left factor, relative to its largest entry, which is the reference.
        right_std: (d,) standard deviations of the right factor.
        rows: (C,) which rows are known.
        columns: (d,) which columns are known.
    """

    left: Array
    right: Array
    left_std: Array
    right_std: Array
    rows: np.ndarray
    columns: np.ndarray

    @property
    def matrix(self) -> Array:
        """(C, d) the completion; zero where it is unknown."""
        return np.outer(self.left, self.right)

    def equivalent_noise(self) -> float:
        """Standard deviation of independent noise on every entry that would leave the factors as uncertain as this."""
        length, features = float(np.linalg.norm(self.right)), max(int(self.columns.sum()), 1)
        of_rows = float(self.left_std.max(initial=0.0)) * length
        of_columns = float(np.linalg.norm(self.left)) * float(np.linalg.norm(self.right_std)) / features**0.5
        return max(of_rows, of_columns)


def complete(matrix: Array, known: np.ndarray, noise: float = 0.0, half_step: Array | float = 0.0) -> RankOne:
    """The rank-one matrix that agrees with the known entries.

    Args:
        matrix: (C, d) entries; those that are not known are ignored.
        known: (C, d) boolean.
        noise: standard deviation of independent noise on each known entry.
        half_step: half the step of the grid the known entries were rounded to, one number or (d,); 0 for none. Used
            where there is no noise, which would blur the grid.

    Returns:
        The factors. Rows and columns that no chain of known entries connects to the largest part are unknown.
    """
    usable = known & (matrix != 0)
    if not usable.any():
        nobody = np.zeros(len(matrix), dtype=bool)
        left, right = np.zeros(len(matrix)), np.zeros(matrix.shape[1])
        return RankOne(left, right, left.copy(), right.copy(), nobody, np.zeros(matrix.shape[1], dtype=bool))
    rows, columns = _largest_part(matrix, usable)
    usable &= rows[:, None] & columns
    left, right, left_std, right_std = _logarithmic_fit(matrix, usable, noise)
    if np.any(half_step) and noise == 0:
        # A row that rounded to nothing still says that it is small.
        rows, columns = rows | known[:, columns].any(1), columns | known[rows].any(0)
        inside = known & rows[:, None] & columns
        left, right, left_std, right_std = _within_steps(matrix, inside, half_step, left, right)
    elif noise > 0:
        left, right = _alternate(matrix, usable, left, right)
    return RankOne(left, right, left_std, right_std, rows, columns)


def _largest_part(matrix: Array, usable: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (C,) and columns (d,) of the connected part that holds most of the matrix's energy."""
    classes, features = matrix.shape
    row, column = np.nonzero(usable)
    total = classes + features
    graph = coo_array((np.ones(len(row)), (row, column + classes)), shape=(total, total))
    _, part = connected_components(graph, directed=False)
    energy = np.bincount(part[row], weights=matrix[row, column] ** 2, minlength=int(part.max()) + 1)
    inside = part == int(energy.argmax())
    return inside[:classes], inside[classes:]


def _logarithmic_fit(matrix: Array, usable: np.ndarray, noise: float) -> tuple[Array, Array, Array, Array]:
    """Least squares in the logarithms: left (C,), right (d,) and their standard deviations."""
    size = np.where(usable, np.abs(matrix), 1.0)
    # The standard deviation of a logarithm is the relative one of the entry.
    weight = np.where(usable, 1.0 / ((noise / size) ** 2 + _ROUNDING**2), 0.0)
    log = np.log(size)
    per_row, per_column = weight.sum(1), weight.sum(0)
    share = weight / np.maximum(per_column, _NOTHING)
    system = np.diag(per_row) - share @ weight.T
    aim = (weight * log).sum(1) - share @ (weight * log).sum(0)
    reference = int((np.where(usable, matrix, 0.0) ** 2).sum(1).argmax())
    others = np.flatnonzero(usable.any(1) & (np.arange(len(matrix)) != reference))
    rows = np.zeros(len(matrix))
    rows_std = np.zeros(len(matrix))
    if others.size:
        inverse = np.linalg.pinv(system[np.ix_(others, others)], hermitian=True)
        rows[others] = inverse @ aim[others]
        rows_std[others] = np.sqrt(np.maximum(np.diag(inverse), 0.0))
    columns = (weight * (log - rows[:, None])).sum(0) / np.maximum(per_column, _NOTHING)
    columns_std = 1 / np.sqrt(np.maximum(per_column, _NOTHING))
    left_sign, right_sign = _signs(np.where(usable, matrix, 0.0))
    left = np.where(usable.any(1), left_sign * np.exp(rows), 0.0)
    right = np.where(usable.any(0), right_sign * np.exp(columns), 0.0)
    return left, right, np.abs(left) * rows_std, np.abs(right) * np.where(right != 0, columns_std, 0.0)


def _signs(matrix: Array) -> tuple[Array, Array]:
    """Signs of the factors, from the leading singular pair of the matrix with zeros for what is missing."""
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    return np.sign(left[:, 0]), np.sign(right[0])


def _alternate(matrix: Array, usable: np.ndarray, left: Array, right: Array) -> tuple[Array, Array]:
    """Least squares in the entries themselves, one factor at a time: where noise is large, logarithms are biased."""
    seen = np.where(usable, matrix, 0.0)
    for _ in range(_SWEEPS):
        left = seen @ right / np.maximum(usable @ right**2, _NOTHING)
        right = left @ seen / np.maximum(left**2 @ usable, _NOTHING)
    return left, right


def _within_steps(
    matrix: Array, inside: np.ndarray, half_step: Array | float, left: Array, right: Array
) -> tuple[Array, Array, Array, Array]:
    """Factors whose products stay within half a step of the known entries, from the middles of their intervals."""
    lowest, highest = matrix - half_step, matrix + half_step

    def middle(low: Array, high: Array, mask: np.ndarray, factor: Array, axis: int) -> tuple[Array, Array]:
        divisor = np.where(factor == 0, 1.0, factor)
        one, other = low / divisor, high / divisor
        counts = mask & (factor != 0)
        bottom = np.where(counts, np.minimum(one, other), -np.inf).max(axis)
        top = np.where(counts, np.maximum(one, other), np.inf).min(axis)
        free = ~np.isfinite(bottom) | ~np.isfinite(top)
        bottom, top = np.where(free, 0.0, bottom), np.where(free, 0.0, top)
        return (bottom + top) / 2, np.abs(top - bottom) / 2

    width = np.zeros(len(left))
    column_width = np.zeros(len(right))
    for _ in range(_SWEEPS):
        left, width = middle(lowest, highest, inside, right[None, :], 1)
        moved, column_width = middle(lowest, highest, inside, left[:, None], 0)
        right = (right + moved) / 2  # half way: whole steps can swing between two sides of a corner
    return left, right, width, column_width
