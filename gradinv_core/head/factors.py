"""The observed head: everything the curious server reads off the gradient of the last fully connected layer.

For logits ``z = W x + b`` and cross-entropy, ``dL/dW = a x^T`` with ``a = softmax(z) - y``: rank one. The leading
singular triplet gives ``x`` and ``a`` up to the one unknown scalar ``lambda_r = 1 / a_r``; what is left over is the
noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from gradinv_core.arrays import Array, ArrayLike, as_array, as_values, is_number, unit_roundoff
from gradinv_core.errors import OptionError, ShapeError
from gradinv_core.head.reduction import ROUNDING, reduce_gradients
from gradinv_core.losses import CROSS_ENTROPY, TrainingLoss

__all__ = ["OTHER_LOSS", "ObservedHead", "factor_heads", "predicted"]

OTHER_LOSS = 1e-2
"""A sum of the gradient's rows above this share of its norm is no rounding of residuals of ordinary size."""

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
        weight_grads: (N, C, d) gradients of the head weights, one per sample. Tensors on a GPU are read there; what
            leaves it is as long as C or d.
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
    g = as_values(weight_grads, "weight_grad", "samples classes features")
    b = np.zeros(len(w)) if bias is None else as_array(bias, "bias", "classes")
    if g.shape[1:] != w.shape:
        raise ShapeError(
            f"weight_grad: expected the shape of weight {w.shape}, got {tuple(g.shape[1:])}; "
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
    left, value, right, along, scale, vanished, row_noise, residual = reduce_gradients(g, w, noise_std, first)
    row = np.abs(left).argmax(1)
    left_row = left[np.arange(len(row)), row][:, None]
    left_row = np.where(left_row == 0, 1.0, left_row)

    factor = left_row * (value * scale)[:, None]
    right_noise = np.sqrt(np.einsum("nc,nc->n", left**2, row_noise**2))  # value * std of each entry of `right`
    weight_norm = np.sqrt(np.einsum("cd,cd->c", w, w))
    row_sum, column_sum = np.abs(left.sum(1)), np.abs(right.sum(1))
    explained = _CERTAIN * np.sqrt((row_noise**2).sum(1)) / value
    rounding = np.maximum(unit_roundoff(weight_grads), np.where(residual < ROUNDING, 2.5 * residual, 0.0))
    return ObservedHead(
        weight=w,
        bias=b,
        has_bias=bias is not None or class_weights is not None,
        row=row,
        row_gradient=factor * right,
        ratios=left / left_row,
        products=factor * along,
        ratio_std=row_noise / (value[:, None] * np.abs(left_row)),
        product_std=np.abs(left_row) * (right_noise * scale)[:, None] * weight_norm,
        rounding=rounding,
        residual=residual,
        vanished=vanished,
        row_sum=np.where(vanished, 0.0, np.maximum(row_sum - explained, 0.0)),
        column_sum=column_sum,
        class_weights=class_weights,
    )


def predicted(weight: torch.Tensor, bias: torch.Tensor | None, feature: torch.Tensor) -> torch.Tensor:
    """(C,) softmax of ``W x + b`` in float64: what a head (C, d) predicts from a recovered feature (d,)."""
    logits = weight.detach().double().cpu() @ feature
    return torch.softmax(logits if bias is None else logits + bias.detach().double().cpu(), 0)
