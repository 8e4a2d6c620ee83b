"""The observed head: everything the curious server reads off the gradient of the last fully connected layer.

For logits ``z = W x + b`` and cross-entropy, ``dL/dW = a x^T`` with ``a = softmax(z) - y``: rank one. The leading
singular triplet gives ``x`` and ``a`` up to the one unknown scalar ``lambda_r = 1 / a_r``; what is left over is the
noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from gradinv_core.arrays import Array, ArrayLike, as_array, is_number, unit_roundoff
from gradinv_core.errors import OptionError, RankError, ShapeError
from gradinv_core.losses import CROSS_ENTROPY, TrainingLoss

__all__ = ["OTHER_LOSS", "ObservedHead", "factor_heads", "predicted"]

OTHER_LOSS = 1e-2
"""A sum of the gradient's rows above this share of its norm is no rounding of residuals of ordinary size."""

_ROUNDING = 1e-6  # a relative residual below this is rounding of float32 entries, not noise
_COLUMNS = 256  # columns from which the noise is measured: its standard deviation to 4 %
_REFUSE = 0.5  # a relative residual above this leaves no single sample to speak of
_CERTAIN = 5.0  # standard deviations of added noise that a sum of rows may reach


@dataclass(frozen=True)
class ObservedHead:
    """Rank-one view of N independent head gradients that share one weight matrix.

    Attributes:
        weight: (C, d) head weights W.
        bias: (C,) what is added to the logits: the head's bias b, and what an announced loss adds; zeros for neither.
        has_bias: whether anything is added at all.
        row: (N,) index r of the gradient row of largest norm.
        row_gradient: (N, d) that row ``g_r``, denoised by the singular triplet; ``x = lambda_r g_r``.
        ratios: (N, C) ``c = a / a_r``; ``c_r = 1``.
        products: (N, C) ``u = W g_r``, so that the logits are ``lambda u + b``.
        ratio_std: (N, C) standard deviation of each ratio from additive noise in the gradient.
        product_std: (N, C) the same for the products.
        rounding: (N,) relative precision of the client's arithmetic (2**-24 for float32).
        residual: (N,) norm of what is not rank one, relative to the gradient's norm.
        vanished: (N,) True where the gradient is exactly zero; the other fields are placeholders there.
        row_sum: (N,) length of the sum of all rows, relative to the gradient's and beyond what added noise explains:
            the residuals of softmax cross-entropy add up to zero whatever the label, so this is rounding, or another
            loss.
        column_sum: (N,) the same of the sum of all columns, which nothing makes zero.
        class_weights: (C,) those of the loss over the largest of them, None without.
    """

    weight: Array
    bias: Array
    has_bias: bool
    row: np.ndarray
    row_gradient: Array
    ratios: Array
    products: Array
    ratio_std: Array
    product_std: Array
    rounding: Array
    residual: Array
    vanished: np.ndarray
    row_sum: Array
    column_sum: Array
    class_weights: Array | None = None

    def __len__(self) -> int:
        return len(self.row)

    @property
    def classes(self) -> int:
        """Number of classes C."""
        return self.weight.shape[0]

    def take(self, index: np.ndarray) -> ObservedHead:
        """The heads at ``index`` alone."""
        if len(index) == len(self) and (len(self) == 1 or np.array_equal(index, np.arange(len(self)))):
            return self
        parts = vars(self)
        return ObservedHead(**parts | {name: parts[name][index] for name in _PER_HEAD})


_PER_HEAD = (
    *("row", "row_gradient", "ratios", "products", "ratio_std", "product_std", "rounding", "residual", "vanished"),
    *("row_sum", "column_sum"),
)


def factor_heads(
    weight: ArrayLike,
    weight_grads: ArrayLike,
    bias: ArrayLike | None = None,
    noise_std: float | None = None,
    first: int = 0,
    loss: TrainingLoss = CROSS_ENTROPY,
) -> ObservedHead:
    """Factor N head gradients.

    Args:
        weight: (C, d) head weights.
        weight_grads: (N, C, d) gradients of the head weights, one per sample.
        bias: (C,) head bias, or None for a bias-free head.
        noise_std: standard deviation of the noise added to each gradient entry, when the server knows it. Without it
            the noise is measured: it is what is not rank one.
        first: number of the first sample, for messages about a part of a larger batch.
        loss: what the client minimises. With a temperature or class weights, everything is seen in the terms of plain
            cross-entropy: logits divided by the temperature, gradients by the loss's unit, and the label that is the
            weighted one's (our derivation, see `landscape.label_parts`).

    Returns:
        The observed heads, in float64.

    Raises:
        ShapeError, NonFiniteError: the arrays do not fit together or are not finite.
        RankError: a gradient is not rank one, as that of a batch.
        OptionError: ``noise_std`` is negative or not finite.
    """
    if noise_std is not None and not (is_number(noise_std) and noise_std >= 0):
        raise OptionError(f"noise_std: expected a number >= 0 or None, got {noise_std!r}.")
    w = as_array(weight, "weight", "classes features")
    g = as_array(weight_grads, "weight_grad", "samples classes features")
    b = np.zeros(len(w)) if bias is None else as_array(bias, "bias", "classes")
    if g.shape[1:] != w.shape:
        raise ShapeError(
            f"weight_grad: expected the shape of weight {w.shape}, got {g.shape[1:]}; "
            f"pass the gradient of the last fully connected layer, classes first."
        )
    if b.shape != w.shape[:1] and b.shape == w.shape[1:]:
        raise ShapeError(
            f"weight: expected one row per entry of the bias ({len(b)}), got {w.shape}, which is stored features "
            f"first; pass weight.T and weight_grad.T."
        )
    if b.shape != w.shape[:1]:
        raise ShapeError(f"bias: expected one entry per class ({len(w)}), got {b.shape[0]}.")

    class_weights = loss.relative_weights(len(w))
    if not loss.is_plain:
        w, b, g = w / loss.temperature, b / loss.temperature, g / loss.unit
        b = b if class_weights is None else b - np.log(class_weights)
        noise_std = None if noise_std is None else noise_std / loss.unit
    g, scale, vanished = _in_range(g)
    left, value, right = _leading_triplet(g)
    value = np.where(vanished, 1.0, value)
    row = np.abs(left).argmax(1)
    left_row = left[np.arange(len(row)), row][:, None]
    left_row = np.where(left_row == 0, 1.0, left_row)

    row_noise, residual = _row_noise(g, left, value, right, None if noise_std is None else noise_std / scale, first)
    row_gradient = left_row * value[:, None] * right * scale[:, None]
    right_noise = np.sqrt(np.einsum("nc,nc->n", left**2, row_noise**2))  # value * std of each entry of `right`
    weight_norm = _length(w)
    row_sum, column_sum = np.abs(left.sum(1)), np.abs(right.sum(1))
    explained = _CERTAIN * np.sqrt((row_noise**2).sum(1)) / value
    rounding = np.maximum(unit_roundoff(weight_grads), np.where(residual < _ROUNDING, 2.5 * residual, 0.0))
    return ObservedHead(
        weight=w,
        bias=b,
        has_bias=bias is not None or class_weights is not None,
        row=row,
        row_gradient=row_gradient,
        ratios=left / left_row,
        products=row_gradient @ w.T,
        ratio_std=row_noise / (value[:, None] * np.abs(left_row)),
        product_std=np.abs(left_row) * (right_noise * scale)[:, None] * weight_norm,
        rounding=rounding,
        residual=residual,
        vanished=vanished,
        row_sum=np.where(vanished, 0.0, np.maximum(row_sum - explained, 0.0)),
        column_sum=column_sum,
        class_weights=class_weights,
    )


def _in_range(gradients: Array) -> tuple[Array, Array, np.ndarray]:
    """Gradients whose squares stay within float64, the factor (N,) taken out of them, and which ones are zero."""
    with np.errstate(all="ignore"):
        power = np.einsum("ncd,ncd->n", gradients, gradients)
    if np.all((power > 1e-250) & (power < 1e250)):
        return gradients, np.ones(len(power)), np.zeros(len(power), dtype=bool)
    peak = np.abs(gradients).max((1, 2))
    scale = np.where(peak == 0, 1.0, peak)
    return gradients / scale[:, None, None], scale, peak == 0


def _leading_triplet(matrices: Array, iterations: int = 40) -> tuple[Array, Array, Array]:
    """Leading singular triplets of (N, C, d) by power iteration from the largest row: (N, C), (N,), (N, d)."""
    norms = np.einsum("ncd,ncd->nc", matrices, matrices)
    right = matrices[np.arange(len(norms)), norms.argmax(1)]
    right = right / np.maximum(_length(right), 1e-300)[:, None]
    for _ in range(iterations):
        previous = right
        left = np.matmul(matrices, right[:, :, None])[:, :, 0]
        left /= np.maximum(_length(left), 1e-300)[:, None]
        right = np.matmul(left[:, None, :], matrices)[:, 0]
        value = _length(right)
        right = right / np.maximum(value, 1e-300)[:, None]
        if np.abs(right - previous).max() < 1e-7:  # the error squares with every step: the next would not show
            break
    return left, value, right


def _length(vectors: Array) -> Array:
    """Euclidean length along the last axis: (N, d) -> (N,)."""
    squares: Array = np.einsum("nd,nd->n", vectors, vectors)
    return np.sqrt(squares)


def _row_noise(
    matrices: Array, left: Array, value: Array, right: Array, noise_std: Array | None, first: int
) -> tuple[Array, Array]:
    """Noise standard deviation of the entries of each row (N, C), and the relative rank-one residual (N,).

    Row by row, because rounding noise follows the size of the row while privacy noise does not. A few hundred columns
    tell as much as thousands.
    """
    step = max(1, matrices.shape[2] // _COLUMNS)
    rest = np.multiply((left * value[:, None])[:, :, None], right[:, None, ::step])
    np.subtract(matrices[:, :, ::step], rest, out=rest)
    row_rest = np.einsum("ncd,ncd->nc", rest, rest) * (matrices.shape[2] / rest.shape[2])
    total = row_rest.sum(1)
    residual = np.sqrt(total) / value
    # Projection took the share left_i**2 of row i's own noise away with the signal.
    freedom = max(matrices.shape[2] - 1, 1) * np.clip(1 - left**2, 0.05, 1.0)
    noise = np.sqrt(row_rest / freedom)
    suspicious = residual > _ROUNDING
    if noise_std is not None:
        noise = np.maximum(noise_std[:, None], np.where(suspicious[:, None], 0.0, noise))
        suspicious &= total > 2 * noise_std**2 * matrices[0].size
    if not suspicious.any():
        return noise, residual
    for index in np.flatnonzero(suspicious):
        # Noise spreads over all directions; a second sample stands in one.
        second = _leading_triplet(rest[index : index + 1])[1][0]
        rows, columns = rest.shape[1] - 1, rest.shape[2] - 1
        spread = (np.sqrt(rows) + np.sqrt(columns)) ** 2 / max(rows * columns, 1)
        structured = second**2 > min(1.5 * spread, 0.98) * float((rest[index] ** 2).sum())
        if residual[index] > _REFUSE or (structured and residual[index] > 0.05):
            which = f" (sample {first + index})" if first or len(matrices) > 1 else ""
            raise RankError(
                f"weight_grad: expected the gradient of one sample, which is rank one; got one{which} with "
                f"{residual[index]:.0%} of its norm outside rank one. Pass the gradient of a single sample, "
                f"or noise_std if noise this large was added."
            )
        if structured:
            noise[index] = np.maximum(noise[index], second * np.sqrt(step))
    return noise, residual


def predicted(weight: torch.Tensor, bias: torch.Tensor | None, feature: torch.Tensor) -> torch.Tensor:
    """(C,) softmax of ``W x + b`` in float64: what a head (C, d) predicts from a recovered feature (d,)."""
    logits = weight.detach().double().cpu() @ feature
    return torch.softmax(logits if bias is None else logits + bias.detach().double().cpu(), 0)
