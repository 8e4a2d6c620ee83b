"""The landscape over lambda_r: the pseudo-label at every candidate, and the variance loss the paper searches.

Logits are linear in lambda: with ``u = W g_r`` computed once, ``y_hat(lambda) = softmax(lambda u + b) - c / lambda``
costs O(C) per candidate instead of O(C d). The entries of ``y_hat`` sum to 1 for every lambda, so that sum tells
nothing.
"""

from __future__ import annotations

import numpy as np
import torch

from gradinv_core.arrays import Array, ArrayLike, as_array, keep_type, to_tensor
from gradinv_core.errors import OptionError, ShapeError
from gradinv_core.head.factors import ObservedHead, factor_heads
from gradinv_core.head.over_classes import inner, largest, total
from gradinv_core.head.structures import LabelStructure, label_structure

__all__ = [
    "LAMBDA_GRID",
    "head_probabilities",
    "label_parts",
    "pseudo_labels",
    "variance_loss",
    "variance_losses",
    "variance_of",
]


def _grid() -> Array:
    """Both signs of |lambda| = 1 + t: t fine from 1e-6, where untrained networks live, to 1e6, then coarse to 1e34.

    Trained networks reach 1e3; beyond 1e6 lie predictions right to the last digit, whose residual has underflowed.
    """
    steps = np.concatenate([[0.0], np.geomspace(1e-6, 1e6, 780), np.geomspace(1e6, 1e34, 281)[1:]])
    return np.concatenate([-(1 + steps[::-1]), 1 + steps])


LAMBDA_GRID: Array = _grid()
"""Every lambda a gradient of known scale can hide behind: |a_r| <= 1, so |lambda_r| >= 1."""


def head_probabilities(head: ObservedHead, scales: Array) -> Array:
    """softmax(lambda u + b): scales (N, K) -> probabilities (N, K, C)."""
    logits = scales[..., None] * head.products[:, None, :] + head.bias
    logits -= largest(logits)[..., None]
    np.exp(logits, out=logits)
    logits /= total(logits)[..., None]
    return logits


def label_parts(head: ObservedHead, scales: Array) -> tuple[Array, Array]:
    """The label as a straight line in the residual ``a_r``: ``y = q - a_r c``, with q and c (N, K, C) each.

    For plain cross-entropy q is the prediction p and c are the ratios. With class weights w the residual is
    ``a = S p - w y``; as y sums to 1, ``S = (1 + sum a/w) / sum p/w`` follows, and y is the same straight line with
    ``q = softmax(z - log w)`` and ``c/w - q sum c/w`` in place of c (our derivation).
    """
    probabilities = head_probabilities(head, scales)
    if head.class_weights is None:
        ratios = head.ratios[:, None, :]
        return probabilities, ratios if scales.shape[1] == 1 else np.broadcast_to(ratios, probabilities.shape)
    weighted = (head.ratios / head.class_weights)[:, None, :]
    return probabilities, weighted - total(weighted)[..., None] * probabilities


def pseudo_labels(head: ObservedHead, scales: Array) -> Array:
    """The soft label that each candidate lambda implies (paper, eq. for the pseudo-label).

    Args:
        head: N observed heads.
        scales: (N, K) candidate values of lambda_r, none of them 0.

    Returns:
        (N, K, C) pseudo-labels. Each sums to 1; only near the truth are they all in [0, 1] and structured.
    """
    probabilities, ratios = label_parts(head, scales)
    return probabilities - ratios / scales[..., None]


def variance_losses(
    head: ObservedHead,
    scales: Array,
    structure: LabelStructure,
    scale_free: bool = False,
    amplitude: Array | None = None,
) -> Array:
    """Variance loss of N heads at (N, K) candidates, over the classes that should share one value: (N, K).

    The paper's loss is the variance of the pseudo-label there. It also tends to 0 as |lambda| grows, because softmax
    saturates and c/lambda vanishes: false minima at infinity. The scale-free loss (ours) divides by the larger of the
    two variances it is the difference of; it tends to 1 at infinity and to the rounding floor at the truth.

    ``amplitude`` (N, K) is ``a_r`` where it is not 1 / lambda, because the gradient's scale is unknown.
    """
    probabilities, ratios = label_parts(head, scales)
    residuals = ratios * (1 / scales if amplitude is None else amplitude)[..., None]
    return variance_of(probabilities, residuals, structure, scale_free)


def variance_of(probabilities: Array, residuals: Array, structure: LabelStructure, scale_free: bool) -> Array:
    """The same loss from p and a = p - y themselves: both (..., C) -> (...)."""
    labels = probabilities - residuals
    mask = structure.constrained(labels)
    shares = mask / np.maximum(mask.sum(-1, keepdims=True), 1)
    if structure.offset is not None:
        labels = labels - structure.offset
    loss = _shared_variance(labels, shares)
    if not scale_free:
        return loss
    size = np.maximum(_shared_variance(residuals, shares), _shared_variance(probabilities, shares))
    tiny = np.finfo(np.float64).tiny
    return np.where(size > tiny, loss / np.maximum(size, tiny), 1.0)  # nothing minus nothing agrees on nothing


def _shared_variance(values: Array, shares: Array) -> Array:
    """Population variance over the last axis, of entries that count by their share: 0 for those left out."""
    centred = values - inner(values, shares)[..., None]
    return inner(np.square(centred, out=centred), shares)


def variance_loss(
    scales: ArrayLike,
    weight: ArrayLike,
    weight_grad: ArrayLike,
    bias: ArrayLike | None = None,
    label_format: str | LabelStructure = "unknown",
    scale_free: bool = False,
) -> torch.Tensor:
    """The curve the one unknown scalar is hidden in.

    Args:
        scales: (K,) candidate values of lambda_r, none of them 0.
        weight: (C, d) head weights.
        weight_grad: (C, d) their gradient, from one sample.
        bias: (C,) head bias, or None.
        label_format: which classes are compared: "smoothing" leaves out the top entry, "mixup" and "unknown" the top
            two.
        scale_free: divide by the natural size of the loss (see `variance_losses`); False is the paper's loss.

    Returns:
        (K,) losses, float64.

    Raises:
        ShapeError, NonFiniteError, RankError: as `recover_label`.
        OptionError: a scale is 0, or the format has no structure to compare ("any").
    """
    candidates = as_array(scales, "scales", "candidates")
    if not np.all(candidates):
        raise OptionError("scales: expected lambdas other than 0, got 0; a zero lambda would mean a zero feature.")
    weight_grads = keep_type(weight_grad, "weight_grad")[None]
    if np.ndim(weight_grads) != 3:
        raise ShapeError(f"weight_grad: expected 2 axes (classes, features), got shape {np.shape(weight_grads)[1:]}.")
    head = factor_heads(weight, weight_grads, bias)
    structure = label_structure(label_format, head.classes)
    if structure is None:
        raise OptionError(
            "label_format: 'any' assumes no structure, so it has no variance loss; name a structured format."
        )
    return to_tensor(variance_losses(head, candidates[None], structure, scale_free)[0])
