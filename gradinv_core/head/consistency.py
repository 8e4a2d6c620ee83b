"""How well a candidate lambda explains the gradient, in units of the gradient's own noise.

At a candidate lambda, the constrained entries of the pseudo-label must agree. How exactly they can agree is known:
noise in the gradient and rounding in the client's arithmetic propagate to a standard deviation of every entry. The
weighted misfit is then a chi-square (our derivation; see the README's page of mathematics).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.head.factors import ObservedHead
from gradinv_core.head.landscape import label_parts
from gradinv_core.head.structures import LabelStructure

__all__ = [
    "CHANCE",
    "GOOD_FIT",
    "SIMPLEX_SIGMAS",
    "Fit",
    "chance_of_agreement",
    "fit",
    "good_fit_limit",
    "plausible_amplitude",
    "project_out",
    "pseudo_label_std",
    "rounding_width",
]

SIMPLEX_SIGMAS = 5.0
"""How many standard deviations an entry may lie outside [0, 1] before its candidate is called infeasible."""

GOOD_FIT = 6.0
"""A misfit this many standard deviations above its expectation still counts as explained by noise."""

CHANCE = 1e-3
"""Expected number of accidental agreements above which an agreement proves nothing."""

_STANDS_OUT = 2000.0  # roundings that a residual must exceed to carry class ratios at all
_FLOOR = 1e-45  # standard deviation of an entry whose gradient underflowed in float32
_LAMBDA_ROUNDINGS = 16.0  # as below, of lambda: errors of the softmax that all classes share
_LOGIT_ROUNDINGS = 4.0  # rounding errors, in units of the unit roundoff, of a logit of size one; and of a softmax
_VALUE_ROUNDINGS = 1.5  # entry or residual. Bounds read off LeNet and ResNet gradients in float32, not fitted to each.


@dataclass(frozen=True)
class Fit:
    """The best structured label at each of (N, K) candidates.

    Attributes:
        labels: (N, K, C) pseudo-labels.
        std: (N, K, C) their standard deviations at fixed lambda.
        chi_square: (N, K) weighted misfit of the constrained entries.
        freedom: (N, K) degrees of freedom left to verify the best lambda.
        outside: (N, K) how far the label leaves the simplex, in standard deviations of the worst entry; <= 0 is inside.
        step: (N, K) Gauss-Newton step towards the nearest minimum of chi_square.
        information: (N, K) inverse variance of lambda.
        slope: (N, K, C) derivative of the labels in lambda.
        amplitude: (N, K) ``a_r``: 1 / lambda, or fitted where the gradient's scale is unknown.
        ratios: (N, K, C) slope of the labels in the amplitude, with its sign turned.
    """

    labels: Array
    std: Array
    chi_square: Array
    freedom: np.ndarray
    outside: Array
    step: Array
    information: Array
    slope: Array
    amplitude: Array
    ratios: Array

    def at(self, column: np.ndarray) -> Fit:
        """The fit at one candidate of each head, of which (N,) ``column`` is the number."""
        every = np.arange(len(column))
        return Fit(**{name: values[every, column][:, None] for name, values in vars(self).items()})


def fit(
    head: ObservedHead,
    scales: Array,
    structure: LabelStructure | None,
    known_scale: bool = True,
    amplitude: Array | None = None,
) -> Fit:
    """Fit the structure at every candidate.

    Args:
        head: N observed heads.
        scales: (N, K) candidate values of lambda_r.
        structure: the label structure; None constrains nothing, so that only ``outside`` tells candidates apart.
        known_scale: whether the gradient reached the server unscaled, so that ``a_r = 1 / lambda``. Otherwise ``a_r``
            is one more unknown of the fit: ``p = a_r c + shared value``.
        amplitude: (N, K) first guess of ``a_r`` for an unknown scale; None guesses.

    Returns:
        The fit at each candidate.
    """
    probabilities, ratios = label_parts(head, scales)
    if known_scale:
        amplitude = 1 / scales
    elif amplitude is None:
        amplitude = _guess_amplitude(probabilities, ratios)
    if not known_scale and structure is not None:
        for _ in range(4):  # the free entries depend on the amplitude, and it on them
            amplitude = amplitude + _regress(head, scales, probabilities, ratios, amplitude, structure)

    curvature = probabilities * head.products[:, None, :]
    slope = curvature - probabilities * curvature.sum(-1, keepdims=True)
    if head.class_weights is not None:
        slope *= 1 + amplitude[..., None] * _weighted_sum(head)
    if known_scale:
        slope += ratios / (scales**2)[..., None]
    residuals = amplitude[..., None] * ratios
    labels = probabilities - residuals
    std = pseudo_label_std(head, scales, probabilities, amplitude)
    outside = (np.maximum(-labels, labels - 1) / std).max(-1)
    if structure is None:
        zeros = np.zeros(scales.shape)
        return Fit(labels, std, zeros, zeros.astype(int), outside, zeros, zeros, slope, amplitude, ratios)

    mask = structure.constrained(labels)
    weights = np.where(mask, 1 / std**2, 0.0)
    nuisances = [] if structure.value_is_zero else [np.ones(labels.shape)]
    if not known_scale:
        nuisances.append(ratios)
    target = labels if structure.offset is None else labels - structure.offset
    misfit, direction = project_out([target, slope], nuisances, weights)
    information = (weights * direction**2).sum(-1)
    step = -(weights * misfit * direction).sum(-1) / np.maximum(information, 1e-300)
    freedom = mask.sum(-1) - len(nuisances) - 1
    chi_square = (weights * misfit**2).sum(-1)
    return Fit(labels, std, chi_square, freedom, outside, step, information, slope, amplitude, ratios)


def good_fit_limit(freedom: np.ndarray | int) -> Array:
    """The largest chi-square that noise alone still explains."""
    return np.asarray(freedom + GOOD_FIT * np.sqrt(2.0 * freedom) + GOOD_FIT)


def chance_of_agreement(classes: int, loss: float, structure: LabelStructure, freedom: int) -> float:
    """How often structureless labels would agree this well by chance: an order of magnitude, on the safe side.

    The constrained entries agree to a fraction of their natural size, the root of the scale-free loss. Labels without
    structure reach a third of it freely, and a fraction of that third with probability ``fraction ** freedom`` at a
    given lambda and choice of free entries; there are C over k choices and about 100 distinguishable lambdas.
    """
    choices = comb(classes, structure.free_entries)
    return 100.0 * choices * min(3 * loss**0.5, 1.0) ** max(freedom, 0)


def plausible_amplitude(head: ObservedHead, scales: Array, amplitude: Array) -> np.ndarray:
    """Whether ``a_r`` has lambda's sign, is at most 1, and stands out of the client's own rounding; (N, K) each.

    Only an unknown gradient scale needs this: the factor is positive, and "a residual of nothing, blown up" would
    explain everything.
    """
    size = np.abs(amplitude)
    large_enough: np.ndarray = size >= _STANDS_OUT * head.rounding[:, None]
    return (amplitude * scales > 0) & (size <= 1 + 1e-6) & large_enough


def rounding_width(head: ObservedHead, scales: Array) -> Array:
    """Half width (N, K) that rounding alone gives lambda: the client's softmax errs in all classes together."""
    largest_logit = np.abs(scales) * np.abs(head.products).max(-1)[:, None] + np.abs(head.bias).max()
    width: Array = _LAMBDA_ROUNDINGS * head.rounding[:, None] * (1 + largest_logit) * np.abs(scales)
    return width


def pseudo_label_std(head: ObservedHead, scales: Array, probabilities: Array, amplitude: Array) -> Array:
    """Standard deviation of each pseudo-label entry at fixed lambda, (N, K, C).

    Two sources, to first order: additive noise of the gradient reaches the residual a and, through the feature, the
    logits; rounding in the client's forward pass reaches logits, softmax and a. Rows of W are taken as uncorrelated.
    """
    rounding = head.rounding[:, None, None]
    size = np.abs(scales)[..., None]
    largest_logit = size * np.abs(head.products).max(-1)[:, None, None] + np.abs(head.bias).max()
    logit_variance = (size * head.product_std[:, None, :]) ** 2 + (
        _LOGIT_ROUNDINGS * rounding * (1 + largest_logit)
    ) ** 2
    # d softmax_i = p_i (dz_i - sum_j p_j dz_j)
    mean_variance = (probabilities**2 * logit_variance).sum(-1, keepdims=True)
    variance = probabilities**2 * np.maximum(logit_variance * (1 - 2 * probabilities) + mean_variance, 0.0)
    size, ratios, ratio_std = np.abs(amplitude)[..., None], np.abs(head.ratios), head.ratio_std
    if head.class_weights is not None:
        ratios, ratio_std = ratios / head.class_weights, ratio_std / head.class_weights
        variance *= (1 + amplitude[..., None] * _weighted_sum(head)) ** 2
        variance += (size * probabilities) ** 2 * (ratio_std**2).sum(-1)[:, None, None]
    variance += (_VALUE_ROUNDINGS * rounding * (probabilities + size * ratios[:, None, :])) ** 2
    variance += (size * ratio_std[:, None, :]) ** 2
    return np.sqrt(variance + _FLOOR**2)


def _weighted_sum(head: ObservedHead) -> Array:
    """``sum c / w`` of every head, (N, 1, 1): what class weights add to the prediction's share of the label."""
    weights = np.ones(head.classes) if head.class_weights is None else head.class_weights
    total: Array = (head.ratios / weights).sum(-1)[:, None, None]
    return total


def _guess_amplitude(probabilities: Array, ratios: Array) -> Array:
    """Median slope (N, K) of p against c between neighbours in c: right while most of them share a base value."""
    if ratios.strides[1] == 0:  # the same ratios at every lambda: one order serves them all
        ratios = ratios[:, :1]
    # A ratio of exactly zero is that of a row that says nothing; NaN sorts it to the end, out of everybody's way.
    ratios = np.where(ratios == 0, np.nan, ratios)
    order = np.argsort(ratios, axis=2)
    rise = np.diff(np.take_along_axis(probabilities, order, 2), axis=2)
    run = np.diff(np.take_along_axis(ratios, order, 2), axis=2)
    slopes = rise / np.where(run == 0, np.inf, run)
    slopes[..., 0] = np.nan_to_num(slopes[..., 0])  # at least one number, for the median
    slopes.sort(axis=2)  # what is no number comes last; NumPy's own median of the rest takes ten times as long
    count = (~np.isnan(slopes)).sum(2, keepdims=True)
    middle = np.take_along_axis(slopes, np.concatenate([(count - 1) // 2, count // 2], axis=2), 2)
    guess: Array = middle.mean(2)
    return guess


def _regress(
    head: ObservedHead, scales: Array, probabilities: Array, ratios: Array, amplitude: Array, structure: LabelStructure
) -> Array:
    """Correction (N, K) of the amplitude that makes the constrained entries agree best."""
    labels = probabilities - amplitude[..., None] * ratios
    mask = structure.constrained(labels)
    weights = np.where(mask, pseudo_label_std(head, scales, probabilities, amplitude) ** -2.0, 0.0)
    nuisances = [] if structure.value_is_zero else [np.ones(labels.shape)]
    target = labels if structure.offset is None else labels - structure.offset
    misfit, direction = project_out([target, ratios], nuisances, weights)
    power = (weights * direction**2).sum(-1)
    return (weights * misfit * direction).sum(-1) / np.maximum(power, 1e-300)


def project_out(vectors: list[Array], nuisances: list[Array], weights: Array) -> list[Array]:
    """Remove the span of the nuisances from each vector, in the inner product given by the weights (Gram-Schmidt)."""
    remaining = list(nuisances)
    while remaining:
        axis = remaining.pop(0)
        weighted = weights * axis / np.maximum((weights * axis**2).sum(-1, keepdims=True), 1e-300)
        vectors = [vector - (weighted * vector).sum(-1, keepdims=True) * axis for vector in vectors]
        remaining = [other - (weighted * other).sum(-1, keepdims=True) * axis for other in remaining]
    return vectors
