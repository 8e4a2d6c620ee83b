"""What is read off many gradient matrices at once, where they lie: NumPy's arrays, or tensors on any device.

The same lines serve both, in float64. Of N matrices of C x d entries only vectors as long as C or d come back.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch

from gradinv_core.arrays import Array
from gradinv_core.errors import RankError

__all__ = ["ROUNDING", "Reduction", "reduce_gradients"]

ROUNDING = 1e-6
"""A relative residual below this is rounding of float32 entries, not noise."""

_COLUMNS = 256  # columns from which the noise is measured: its standard deviation to 4 %
_REFUSE = 0.5  # a relative residual above this leaves no single sample to speak of

_Values: TypeAlias = Any
"""float64 arrays, or tensors of one device: what is done to them is spelled alike in NumPy and PyTorch."""


class Reduction(NamedTuple):
    """The leading singular triplets ``value * left right^T`` of N matrices, and what they leave.

    Attributes:
        left: (N, C) of length 1.
        value: (N,) of the matrix divided by its scale; 1 where it vanished.
        right: (N, d) of length 1.
        along: (N, C) ``W right``.
        scale: (N,) factor taken out of the matrix, so that its squares stay within float64.
        vanished: (N,) whether the matrix is zero.
        row_noise: (N, C) standard deviation of the noise in each row's entries, of the matrix divided by its scale.
        residual: (N,) norm of what is not rank one, relative to ``value``.
    """

    left: Array
    value: Array
    right: Array
    along: Array
    scale: Array
    vanished: np.ndarray
    row_noise: Array
    residual: Array


def reduce_gradients(
    gradients: Array | torch.Tensor, weight: Array, noise_std: float | None = None, first: int = 0
) -> Reduction:
    """Reduce N gradients of a head.

    Args:
        gradients: (N, C, d) float64, finite; as tensors they are worked on where they lie.
        weight: (C, d) head weights.
        noise_std: standard deviation of the noise on each entry, if known.
        first: number of the first sample, for messages.

    Raises:
        RankError: a gradient is not rank one, as that of a batch.
    """
    xp: Any = torch if isinstance(gradients, torch.Tensor) else np
    scaled, norms, scale, vanished = _in_range(gradients, xp)
    left, value, right = _leading_triplet(scaled, norms, xp)
    value = xp.where(vanished, 1.0, value)
    along = right @ _beside(right, weight).T
    step = max(1, scaled.shape[2] // _COLUMNS)  # a few hundred columns tell as much as thousands
    rest = scaled[:, :, ::step] - (left * value[:, None])[:, :, None] * right[:, None, ::step]
    row_rest = _squares(rest, xp) * (scaled.shape[2] / rest.shape[2])
    left, value, right, along, scale, vanished, row_rest = (
        np.asarray(part.cpu() if xp is torch else part)
        for part in (left, value, right, along, scale, vanished, row_rest)
    )
    noise = None if noise_std is None else noise_std / scale
    row_noise, residual = _row_noise(rest, row_rest, left, value, scaled.shape[2], noise, first, xp)
    return Reduction(left, value, right, along, scale, vanished, row_noise, residual)


def _squares(matrices: _Values, xp: Any) -> _Values:
    """(N, C) sum of the squares of each row."""
    if xp is torch:
        return torch.linalg.vector_norm(matrices, dim=2).square()  # its einsum is a matrix product for each row
    return xp.einsum("ncd,ncd->nc", matrices, matrices)


def _beside(values: _Values, array: np.ndarray) -> _Values:
    """An array where the values are."""
    return torch.from_numpy(array).to(values) if isinstance(values, torch.Tensor) else array


def _in_range(gradients: _Values, xp: Any) -> tuple[_Values, _Values, _Values, _Values]:
    """Gradients whose squares stay within float64, these by rows, the factor (N,) taken out, and which are zero."""
    with np.errstate(all="ignore"):
        norms = _squares(gradients, xp)
        power = norms.sum(1)
    fine = (power > 1e-250) & (power < 1e250)
    if bool(fine.all()):
        return gradients, norms, xp.ones_like(power), ~fine
    peak = xp.amax(abs(gradients), (1, 2))
    scale = xp.where(peak == 0, 1.0, peak)
    scaled = gradients / scale[:, None, None]
    return scaled, _squares(scaled, xp), scale, peak == 0


def _leading_triplet(
    matrices: _Values, norms: _Values, xp: Any, iterations: int = 40
) -> tuple[_Values, _Values, _Values]:
    """Leading singular triplets of (N, C, d) by power iteration from the largest row: (N, C), (N,), (N, d)."""
    numbers = _beside(norms.argmax(1), np.arange(len(norms)))
    right = matrices[numbers, norms.argmax(1)]
    right = right / xp.clip(_length(right, xp), 1e-300, None)[:, None]
    for _ in range(iterations):
        previous = right
        left = xp.matmul(matrices, right[:, :, None])[:, :, 0]
        left = left / xp.clip(_length(left, xp), 1e-300, None)[:, None]
        right = xp.matmul(left[:, None, :], matrices)[:, 0]
        value = _length(right, xp)
        right = right / xp.clip(value, 1e-300, None)[:, None]
        if float(abs(right - previous).max()) < 1e-7:  # the error squares with every step: the next would not show
            break
    return left, value, right


def _length(vectors: _Values, xp: Any) -> _Values:
    """Euclidean length along the last axis: (N, d) -> (N,)."""
    return torch.linalg.vector_norm(vectors, dim=1) if xp is torch else xp.sqrt(xp.einsum("nd,nd->n", vectors, vectors))


def _row_noise(
    rest: _Values,
    row_rest: Array,
    left: Array,
    value: Array,
    width: int,
    noise_std: Array | None,
    first: int,
    xp: Any,
) -> tuple[Array, Array]:
    """Noise standard deviation of the entries of each row (N, C), and the relative rank-one residual (N,).

    Row by row, because rounding noise follows the size of the row while privacy noise does not.

    Args:
        rest: (N, C, k) what is not rank one, in k of the d columns, where the gradients lie.
        row_rest: (N, C) its squares, as they would add up over all columns.
        left: (N, C) of the triplets.
        value: (N,) of the triplets.
        width: d.
        noise_std: (N,) of the noise on each entry, if known.
        first: number of the first sample.
        xp: of ``rest``, NumPy or PyTorch.
    """
    total = row_rest.sum(1)
    residual = np.sqrt(total) / value
    # Projection took the share left_i**2 of row i's own noise away with the signal.
    freedom = max(width - 1, 1) * np.clip(1 - left**2, 0.05, 1.0)
    noise = np.sqrt(row_rest / freedom)
    suspicious = residual > ROUNDING
    if noise_std is not None:
        noise = np.maximum(noise_std[:, None], np.where(suspicious[:, None], 0.0, noise))
        suspicious &= total > 2 * noise_std**2 * left.shape[1] * width
    for index in np.flatnonzero(suspicious):
        # Noise spreads over all directions; a second sample stands in one.
        one = rest[index : index + 1]
        squares = _squares(one, xp)
        second = float(_leading_triplet(one, squares, xp)[1][0])
        rows, columns = rest.shape[1] - 1, rest.shape[2] - 1
        spread = (np.sqrt(rows) + np.sqrt(columns)) ** 2 / max(rows * columns, 1)
        structured = second**2 > min(1.5 * spread, 0.98) * float(squares.sum())
        if residual[index] > _REFUSE or (structured and residual[index] > 0.05):
            which = f" (sample {first + index})" if first or len(rest) > 1 else ""
            raise RankError(
                f"weight_grad: expected the gradient of one sample, which is rank one; got one{which} with "
                f"{residual[index]:.0%} of its norm outside rank one. Pass the gradient of a single sample, "
                f"or noise_std if noise this large was added."
            )
        if structured:
            noise[index] = np.maximum(noise[index], second * np.sqrt(width / rest.shape[2]))
    return noise, residual
