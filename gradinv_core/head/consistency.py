"""How well a candidate lambda explains the gradient, in units of the gradient's own noise.

At a candidate lambda, the constrained entries of the pseudo-label must agree. How exactly they can agree is known:
noise in the gradient and rounding in the client's arithmetic propagate to a standard deviation of every entry. The
weighted misfit is then a chi-square (our derivation; see the README's page of mathematics).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import NamedTuple

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.head.factors import ObservedHead
from gradinv_core.head.label_noise import label_variance, softmax_variance, weighted_sum
from gradinv_core.head.landscape import label_parts
from gradinv_core.head.over_classes import inner, largest, total
from gradinv_core.head.structures import LabelStructure

__all__ = [
    "CHANCE",
    "GOOD_FIT",
    "SHARED_VALUE",
    "SIMPLEX_SIGMAS",
    "Agreement",
    "Fit",
    "agreement",
    "chance_of_agreement",
    "fit",
    "good_fit_limit",
    "plausible_amplitude",
    "project_out",
    "rounding_width",
]

SIMPLEX_SIGMAS = 5.0
"""How many standard deviations an entry may lie outside [0, 1] before its candidate is called infeasible."""

GOOD_FIT = 6.0
"""A misfit this many standard deviations above its expectation still counts as explained by noise."""

CHANCE = 1e-3
"""Expected number of accidental agreements above which an agreement proves nothing."""

SHARED_VALUE = np.ones(1)
"""The direction, for `project_out`, of a value that all classes share, however many they are."""

_STANDS_OUT = 2000.0  # roundings that a residual must exceed to carry class ratios at all
_LAMBDA_ROUNDINGS = 16.0  # of lambda, in units of the unit roundoff: errors of the softmax that all classes share


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


class Agreement(NamedTuple):
    """How well (N, K) candidates agree; the names are those of `Fit`."""

    chi_square: Array
    freedom: np.ndarray
    outside: Array
    amplitude: Array


class _Labels(NamedTuple):
    """The pseudo-labels of candidates and what they are made of; the names are those of `Fit`."""

    probabilities: Array
    ratios: Array
    amplitude: Array
    labels: Array
    std: Array
    outside: Array


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
    at = _labels_at(head, scales, structure, known_scale, amplitude)
    curvature = at.probabilities * head.products[:, None, :]
    slope = curvature - at.probabilities * total(curvature)[..., None]
    if head.class_weights is not None:
        slope *= 1 + at.amplitude[..., None] * weighted_sum(head)
    if known_scale:
        slope += at.ratios / (scales**2)[..., None]
    chi_square = step = information = np.zeros(scales.shape)
    freedom = chi_square.astype(int)
    if structure is not None:
        observed, nuisances, weights, freedom = _constraints(at, structure, known_scale)
        misfit, direction = project_out([observed, slope], nuisances, weights)
        chi_square = inner(weights * misfit, misfit)
        information = inner(weights * direction, direction)
        step = -inner(weights * misfit, direction) / np.maximum(information, 1e-300)
    return Fit(at.labels, at.std, chi_square, freedom, at.outside, step, information, slope, at.amplitude, at.ratios)


def agreement(
    head: ObservedHead, scales: Array, structure: LabelStructure | None, known_scale: bool = True
) -> Agreement:
    """Of `fit`, what tells candidates apart, without what leads from one to the next."""
    at = _labels_at(head, scales, structure, known_scale)
    if structure is None:
        zeros = np.zeros(scales.shape)
        return Agreement(zeros, zeros.astype(int), at.outside, at.amplitude)
    observed, nuisances, weights, freedom = _constraints(at, structure, known_scale)
    (misfit,) = project_out([observed], nuisances, weights)
    return Agreement(inner(weights * misfit, misfit), freedom, at.outside, at.amplitude)


def _labels_at(
    head: ObservedHead,
    scales: Array,
    structure: LabelStructure | None,
    known_scale: bool,
    amplitude: Array | None = None,
) -> _Labels:
    probabilities, ratios = label_parts(head, scales)
    if known_scale:
        amplitude = 1 / scales
    elif amplitude is None:
        amplitude = _guess_amplitude(probabilities, ratios)
    of_softmax = softmax_variance(head, scales, probabilities)
    if not known_scale and structure is not None:
        for _ in range(4):  # the free entries depend on the amplitude, and it on them
            amplitude = amplitude + _regress(head, probabilities, of_softmax, ratios, amplitude, structure)
    labels = probabilities - amplitude[..., None] * ratios
    std = np.sqrt(label_variance(head, probabilities, of_softmax, amplitude))
    outside = largest(np.maximum(-labels, labels - 1) / std)
    return _Labels(probabilities, ratios, amplitude, labels, std, outside)


def _constraints(
    at: _Labels, structure: LabelStructure, known_scale: bool
) -> tuple[Array, list[Array], Array, np.ndarray]:
    """What should agree (N, K, C), the unknowns it may differ by, its weights, and the degrees of freedom (N, K)."""
    mask = structure.constrained(at.labels)
    weights = np.where(mask, 1 / at.std**2, 0.0)
    nuisances = [] if structure.value_is_zero else [SHARED_VALUE]
    if not known_scale:
        nuisances.append(at.ratios)
    observed = at.labels if structure.offset is None else at.labels - structure.offset
    return observed, nuisances, weights, mask.sum(-1) - len(nuisances) - 1


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
    head: ObservedHead,
    probabilities: Array,
    of_softmax: Array,
    ratios: Array,
    amplitude: Array,
    structure: LabelStructure,
) -> Array:
    """Correction (N, K) of the amplitude that makes the constrained entries agree best."""
    labels = probabilities - amplitude[..., None] * ratios
    mask = structure.constrained(labels)
    weights = np.where(mask, 1 / label_variance(head, probabilities, of_softmax, amplitude), 0.0)
    nuisances = [] if structure.value_is_zero else [SHARED_VALUE]
    target = labels if structure.offset is None else labels - structure.offset
    misfit, direction = project_out([target, ratios], nuisances, weights)
    weighted = weights * direction
    return inner(weighted, misfit) / np.maximum(inner(weighted, direction), 1e-300)


def project_out(vectors: list[Array], nuisances: list[Array], weights: Array) -> list[Array]:
    """Remove the span of the nuisances from each vector, in the inner product given by the weights (Gram-Schmidt)."""
    remaining = list(nuisances)
    while remaining:
        axis = remaining.pop(0)
        weighted = weights * axis
        weighted /= np.maximum(total(weighted * axis), 1e-300)[..., None]
        vectors = [vector - inner(weighted, vector)[..., None] * axis for vector in vectors]
        remaining = [other - inner(weighted, other)[..., None] * axis for other in remaining]
    return vectors
