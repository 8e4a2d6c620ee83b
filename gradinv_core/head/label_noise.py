"""How unsure a pseudo-label is at a given lambda: noise of the gradient and rounding of the client, propagated."""

from __future__ import annotations

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.head.factors import ObservedHead
from gradinv_core.head.over_classes import inner

__all__ = ["label_variance", "pseudo_label_std", "softmax_variance", "weighted_sum"]

_FLOOR = 1e-45  # standard deviation of an entry whose gradient underflowed in float32
_LOGIT_ROUNDINGS = 4.0  # rounding errors, in units of the unit roundoff, of a logit of size one; and of a softmax
_VALUE_ROUNDINGS = 1.5  # entry or residual. Bounds read off LeNet and ResNet gradients in float32, not fitted to each.


def pseudo_label_std(head: ObservedHead, scales: Array, probabilities: Array, amplitude: Array) -> Array:
    """Standard deviation of each pseudo-label entry at fixed lambda, (N, K, C).

    Two sources, to first order: additive noise of the gradient reaches the residual a and, through the feature, the
    logits; rounding in the client's forward pass reaches logits, softmax and a. Rows of W are taken as uncorrelated.
    """
    return np.sqrt(label_variance(head, probabilities, softmax_variance(head, scales, probabilities), amplitude))


def softmax_variance(head: ObservedHead, scales: Array, probabilities: Array) -> Array:
    """Variance (N, K, C) of the softmax: what reaches it through the logits."""
    size = np.abs(scales)[..., None]
    largest_logit = size * np.abs(head.products).max(-1)[:, None, None] + np.abs(head.bias).max()
    of_rounding = _LOGIT_ROUNDINGS * head.rounding[:, None, None] * (1 + largest_logit)
    logit_variance = (size * head.product_std[:, None, :]) ** 2 + of_rounding**2
    # d softmax_i = p_i (dz_i - sum_j p_j dz_j)
    squared = probabilities**2
    variance: Array = logit_variance * (1 - 2 * probabilities)
    variance += inner(squared, logit_variance)[..., None]
    np.maximum(variance, 0.0, out=variance)
    variance *= squared
    return variance


def label_variance(head: ObservedHead, probabilities: Array, of_softmax: Array, amplitude: Array) -> Array:
    """Variance (N, K, C): that of the softmax, and what reaches the residual directly."""
    size, ratios, ratio_std = np.abs(amplitude)[..., None], np.abs(head.ratios), head.ratio_std
    variance = of_softmax
    if head.class_weights is not None:
        ratios, ratio_std = ratios / head.class_weights, ratio_std / head.class_weights
        variance = variance * (1 + amplitude[..., None] * weighted_sum(head)) ** 2
        variance += (size * probabilities) ** 2 * (ratio_std**2).sum(-1)[:, None, None]
    rounded: Array = size * ratios[:, None, :]
    rounded += probabilities
    rounded *= _VALUE_ROUNDINGS * head.rounding[:, None, None]
    rounded *= rounded
    rounded += variance
    rounded += (size * ratio_std[:, None, :]) ** 2
    rounded += _FLOOR**2
    return rounded


def weighted_sum(head: ObservedHead) -> Array:
    """``sum c / w`` of every head, (N, 1, 1): what class weights add to the prediction's share of the label."""
    weights = np.ones(head.classes) if head.class_weights is None else head.class_weights
    total: Array = (head.ratios / weights).sum(-1)[:, None, None]
    return total
