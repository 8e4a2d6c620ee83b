"""What label a known lambda means, and what that label could have shown and does not (our derivation).

A bias gradient, or the layer below the head, fixes lambda without a word about the label. Then feature x and logits z
are known, and ``y = p - a`` is overdetermined by any label structure: classes that share a value must agree at this one
lambda. That is a test of all that was taken for granted, and so the price of the word "unique":

    1. as it came:          p - a has the structure;
    2. with a factor:       p - a / k has it, for one k: the gradient was divided or multiplied;
    3. with a temperature:  softmax(z / T) - a / k has it: z takes the place of the products W g_r in the closed form,
                            and its one root is 1 / T;
    4. none of these:       another loss, several steps, or a label without that structure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.head import ObservedHead
from gradinv_core.head.consistency import (
    CHANCE,
    SIMPLEX_SIGMAS,
    Fit,
    chance_of_agreement,
    fit,
    good_fit_limit,
    plausible_amplitude,
)
from gradinv_core.head.hidden_factor import FACTOR_SIGMAS, amplitude_std
from gradinv_core.head.landscape import variance_of
from gradinv_core.head.structures import LabelStructure
from gradinv_core.label_recovery import closed_form
from gradinv_core.label_recovery.modes import Mode
from gradinv_core.label_recovery.result import UNIQUE_LABEL, Doubt

__all__ = ["LabelVerdict", "judge_label"]

_LAMBDAS = 100.0  # distinguishable lambdas in `chance_of_agreement`; here there is one
_REACH = 3.0  # widths of lambda's range within which the label may pull at it
_ANY_SIZE = 1e100  # stands for an infinite standard deviation where it is multiplied with zeros
_SAME_TEMPERATURE = 1e-3  # relative distance from 1


@dataclass(frozen=True)
class LabelVerdict:
    """The label at a known lambda.

    Attributes:
        label: (C,) the label; where nothing fits, that of the gradient as it came.
        uncertainty: largest error of any entry by noise and by lambda's own width; infinite where it is open.
        loss: scale-free variance loss.
        tested: whether the label has a structure that chance does not explain.
        doubt: what speaks against a plain gradient.
        factor: the gradient over an honest one.
        temperature: that the loss divides the logits by.
        hidden_factor: as in `Mode`, at this one lambda.
        in_simplex: whether all entries lie in [0, 1] as far as noise tells.
    """

    label: Array
    uncertainty: float
    loss: float
    tested: bool
    doubt: Doubt = Doubt.NONE
    factor: float = 1.0
    temperature: float = 1.0
    hidden_factor: float = 0.0
    in_simplex: bool = True


def judge_label(
    head: ObservedHead, mode: Mode, structure: LabelStructure | None, known_scale: bool, sigmas: float
) -> LabelVerdict:
    """Test the label that a known lambda means.

    Args:
        head: a single observed head.
        mode: the known lambda with its range.
        structure: what is assumed of the label, None for the simplex alone.
        known_scale: whether the gradient is said to have arrived unscaled.
        sigmas: half width of intervals in standard deviations.
    """
    width = 0.5 * (mode.high - mode.low)
    plain = _plain(head, mode.scale, width, structure)
    if known_scale and (structure is None or _explained(plain)):
        return plain.verdict
    if structure is None:  # and the scale is unknown: any size of the residual means a label, up to the largest
        return replace(plain.verdict, label=_largest_step(plain), uncertainty=np.inf, tested=False)
    scaled = _scaled(head, mode.scale, width, structure)
    if scaled is not None and not known_scale:
        return replace(scaled, doubt=Doubt.NONE, factor=1.0)
    if scaled is not None and scaled.tested and scaled.uncertainty <= UNIQUE_LABEL:
        return scaled
    tempered = _tempered(head, mode.scale, structure, sigmas)
    if tempered is not None:
        return tempered
    return replace(plain.verdict, tested=False, doubt=Doubt.FORMAT)


def _largest_step(tried: _Tried) -> Array:
    """The label (C,) whose residual is as near to the gradient's as a probability vector lets it."""
    residuals = tried.residuals
    probabilities = tried.verdict.label + residuals
    room = np.where(residuals > 0, probabilities, 1 - probabilities)
    share = min(1.0, float((room / np.maximum(np.abs(residuals), 1e-300)).min()))
    return np.asarray(probabilities - share * residuals)


@dataclass(frozen=True)
class _Tried:
    """The gradient as it came: the verdict if that holds, the residual (C,) p - y behind it, and how well it does."""

    verdict: LabelVerdict
    residuals: Array
    chi_square: float
    freedom: int


def _plain(head: ObservedHead, scale: float, width: float, structure: LabelStructure | None) -> _Tried:
    """The gradient as it came."""
    result = fit(head, np.array([[scale]]), structure, True)
    chi_square = 0.0 if structure is None else _chi_square(head, scale, width, structure, result, True)
    drift = np.abs(result.slope[0, 0]) * width
    label, std = result.labels[0, 0], result.std[0, 0]
    allowed = SIMPLEX_SIGMAS * std + drift + 1e-6
    in_simplex = bool(np.all((label >= -allowed) & (label <= 1 + allowed))) and abs(scale) + 2 * width >= 1 - 1e-6
    loss, freedom, hidden = 0.0, 0, np.inf
    if structure is not None:
        freedom = int(result.freedom[0, 0]) + 1  # lambda is no unknown here
        loss = _loss(result, structure)
        hidden = FACTOR_SIGMAS * amplitude_std(structure, result) * float(np.abs(result.ratios).max())
    verdict = LabelVerdict(
        label=label,
        uncertainty=float(drift.max() + 2 * std.max()),
        loss=loss,
        tested=structure is not None and _proves(head, loss, structure, freedom),
        hidden_factor=hidden,
        in_simplex=in_simplex,
    )
    return _Tried(verdict, result.ratios[0, 0] / scale, chi_square, freedom)


def _chi_square(
    head: ObservedHead, scale: float, width: float, structure: LabelStructure, result: Fit, known_scale: bool
) -> float:
    """Misfit of the best lambda within the known one's own range."""
    plain = float(result.chi_square[0, 0])
    if plain <= float(good_fit_limit(result.freedom)[0, 0]):
        return plain
    nudge = float(np.clip(result.step[0, 0], -_REACH * width, _REACH * width))
    nudged = fit(head, np.array([[scale + nudge]]), structure, known_scale)
    return min(plain, float(nudged.chi_square[0, 0]))


def _explained(tried: _Tried) -> bool:
    """Whether noise explains what the structure leaves over."""
    if not tried.verdict.in_simplex:
        return False
    return tried.freedom < 1 or tried.chi_square <= float(good_fit_limit(tried.freedom))


def _scaled(head: ObservedHead, scale: float, width: float, structure: LabelStructure) -> LabelVerdict | None:
    """The gradient as a multiple of an honest one; None where noise lets no factor make the classes agree."""
    scales = np.array([[scale]])
    result = fit(head, scales, structure, False)
    freedom = int(result.freedom[0, 0]) + 1
    ratios, amplitude = result.ratios[0, 0], float(result.amplitude[0, 0])
    spread = min(amplitude_std(structure, result), _ANY_SIZE)
    open_ = FACTOR_SIGMAS * spread > abs(amplitude)  # then its sign is noise as well
    if freedom < 1 or not (open_ or plausible_amplitude(head, scales, result.amplitude)[0, 0]):
        return None
    loss = _loss(result, structure)
    label, allowed = result.labels[0, 0], SIMPLEX_SIGMAS * (result.std[0, 0] + spread * np.abs(ratios))
    in_simplex = open_ or bool(np.all((label >= -allowed) & (label <= 1 + allowed)))
    chi_square = _chi_square(head, scale, width, structure, result, False)
    if chi_square > float(good_fit_limit(freedom)) or not in_simplex:
        return None
    of_size = 2 * float(np.abs(ratios).max()) * spread
    uncertainty = float((np.abs(result.slope[0, 0]) * width).max() + 2 * result.std[0, 0].max()) + of_size
    return LabelVerdict(
        label=label,
        uncertainty=uncertainty,
        loss=loss,
        tested=_proves(head, loss, structure, freedom),
        doubt=Doubt.RESCALED,
        factor=1 / (scale * amplitude),
    )


def _tempered(head: ObservedHead, scale: float, structure: LabelStructure, sigmas: float) -> LabelVerdict | None:
    """The gradient under a loss that divides the logits by a temperature; None where none fits for certain."""
    if head.class_weights is not None:
        return None
    sign = np.sign(scale)  # so that 1 / T and the residual have one sign
    seen = replace(
        head,
        bias=np.zeros_like(head.bias),
        has_bias=False,
        products=sign * (scale * head.products + head.bias),
        product_std=abs(scale) * head.product_std,
    )
    if not closed_form.applicable(seen, structure):
        return None
    (search,) = closed_form.solve(seen, structure, False, sigmas)
    modes = [mode for mode in search.modes if mode.uncertainty <= UNIQUE_LABEL and mode.scale * sign > 0]
    if not search.complete or len(modes) != 1:
        return None
    (mode,) = modes
    temperature, freedom = float(sign / mode.scale), mode.freedom
    result = fit(seen, np.array([[mode.scale]]), structure, False, np.array([[mode.amplitude]]))
    loss = _loss(result, structure)
    if abs(temperature - 1) < _SAME_TEMPERATURE or not _proves(head, _LAMBDAS * loss, structure, freedom):
        return None
    return LabelVerdict(
        label=result.labels[0, 0],
        uncertainty=mode.uncertainty,
        loss=loss,
        tested=True,
        doubt=Doubt.TEMPERATURE,
        factor=1 / (scale * mode.amplitude),
        temperature=temperature,
    )


def _loss(result: Fit, structure: LabelStructure) -> float:
    residuals = result.amplitude[0, 0] * result.ratios[0, 0]
    return float(variance_of(result.labels[0, 0] + residuals, residuals, structure, scale_free=True))


def _proves(head: ObservedHead, loss: float, structure: LabelStructure, freedom: int) -> bool:
    return chance_of_agreement(head.classes, loss, structure, freedom) / _LAMBDAS < CHANCE
