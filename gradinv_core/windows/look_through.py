"""What each window says of lambda, asked one at a time.

Each of the four admits a set of lambdas:

    label structure:  those at which the classes that share a value agree;
    simplex:          those at which no share of the label leaves [0, 1];
    bias:             the one factor between the bias gradient, which is a itself, and the ratios c = a / a_r;
    layer below:      those at which the layer below the head has the gradient it has.

Only the first assumes anything of the label. So where the first is refuted the label has another format, and where one
of the others is, the gradient is not what a training step gives.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite

import numpy as np
from scipy.special import stdtrit

from gradinv_core.arrays import Array, as_array, unit_roundoff
from gradinv_core.errors import ClassCountError
from gradinv_core.head import ObservedHead
from gradinv_core.head.consistency import CHANCE, chance_of_agreement, rounding_width
from gradinv_core.head.structures import LabelStructure, label_structure
from gradinv_core.image_recovery.deep_evidence import layer_below
from gradinv_core.image_recovery.layer_evidence import is_clean, layer_evidence
from gradinv_core.label_recovery import Doubt, LabelRecovery, Window, recover_label
from gradinv_core.label_recovery.bias import known_lambda
from gradinv_core.windows.intervals import Interval
from gradinv_core.windows.views import Observation, WindowView

__all__ = ["look_through"]

_WIDEST_ROUNDING = 0.1  # of lambda
_FLATTEST = 0.01  # spread of the logits: of the flattest prediction whose lambda is looked for below the head
_NOTHING_FOUND = [(-inf, inf)]  # what `recover_label` answers where no lambda is consistent


def look_through(seen: Observation) -> tuple[WindowView, WindowView, WindowView, WindowView]:
    """All four windows: label structure, simplex, bias, layer below.

    Args:
        seen: a head whose gradient has not vanished.

    Raises:
        RankError, ShapeError, NonFiniteError: gradients that are not those of one sample.
        OptionError: the label format is unknown.
    """
    return _structure(seen), _simplex(seen), _bias(seen), _layer_below(seen)


def _structure(seen: Observation) -> WindowView:
    window, classes = Window.LABEL_STRUCTURE, seen.head.classes
    try:
        structure = label_structure(seen.label_format, classes, seen.known_scale)
    except ClassCountError:
        return seen.shut(window, f"{classes} classes are too few to find lambda by their agreement and to check it.")
    if structure is None:
        return seen.shut(window, "Nothing is assumed about which classes share a value.")
    answer = _ask_head(seen, seen.label_format)
    if answer.window is not window or answer.doubt is not Doubt.NONE:
        return seen.refuted(
            window, "No lambda makes the classes agree: the label has another format, or the gradient was clipped."
        )
    if _by_chance(seen, answer, structure):
        return seen.shut(window, "Classes this few and this noisy would agree at some lambda by chance as well.")
    return seen.open(window, answer.intervals, answer.message)


def _by_chance(seen: Observation, answer: LabelRecovery, structure: LabelStructure) -> bool:
    """Whether labels without the structure would agree as well somewhere; an unbounded range is no single agreement."""
    unknowns = 1 + (not structure.value_is_zero) + (not seen.known_scale)
    for candidate, ends in zip(answer.candidates, answer.intervals, strict=True):
        freedom = int(structure.constrained(candidate.label.numpy()).sum()) - unknowns
        chance = chance_of_agreement(seen.head.classes, candidate.loss, structure, freedom)
        if chance < CHANCE or not (isfinite(ends[0]) and isfinite(ends[1])):
            return False
    return True


def _simplex(seen: Observation) -> WindowView:
    window = Window.SIMPLEX
    if not seen.known_scale:
        return seen.shut(window, "The gradient's scale is unknown, and with it the size of every share.")
    answer = _ask_head(seen, "any")
    if answer.intervals == _NOTHING_FOUND:
        return seen.refuted(window, "Every lambda means a share outside 0 to 1: the gradient was changed.")
    return seen.open(window, answer.intervals, "At every other lambda some share of the label lies outside 0 to 1.")


def _ask_head(seen: Observation, label_format: str | LabelStructure) -> LabelRecovery:
    """The head alone, without the gradient of its bias."""
    return recover_label(
        seen.view.weight,
        seen.view.weight_grad,
        seen.view.bias,
        label_format=label_format,
        gradient_scale=seen.gradient_scale,
        noise_std=seen.noise_std,
        confidence=seen.confidence,
    )


def _bias(seen: Observation) -> WindowView:
    window, gradient = Window.BIAS, seen.view.bias_grad
    if seen.view.bias is None:
        return seen.shut(window, "The last layer has no bias.")
    if gradient is None:
        return seen.shut(window, "The gradient of the last layer's bias was not sent.")
    residual = as_array(gradient, "bias_grad", "classes")
    head = replace(seen.head, rounding=np.maximum(seen.head.rounding, unit_roundoff(gradient)))
    mode = known_lambda(head, residual, seen.sigmas)
    half = max(mode.high - mode.scale, _half_width_of_misfit(seen, residual, mode.scale))
    reason = "The gradient of the bias is the residual itself, and its largest entry is one over lambda."
    return seen.open(window, _with_rounding(head, [(mode.scale - half, mode.scale + half)]), reason)


def _half_width_of_misfit(seen: Observation, bias_grad: Array, scale: float) -> float:
    """What the bias gradient's own misfit to the ratios says of lambda's error.

    Noise as large in every tensor's own unit is larger here than the weights let on. C - 1 entries measure it: Student.
    """
    ratios = seen.head.ratios[0]
    freedom = len(ratios) - 1
    std = float(np.linalg.norm(bias_grad - ratios / scale)) / freedom**0.5
    quantile = float(stdtrit(freedom, 0.5 + seen.confidence / 2))
    return quantile * std / float(np.linalg.norm(ratios)) * scale**2


def _layer_below(seen: Observation) -> WindowView:
    window, factor = Window.LAYER_BELOW, _factor_into_reach(seen)
    gradients = seen.gradients if factor == 1 else {name: part * factor for name, part in seen.gradients.items()}
    noise_std = None if seen.noise_std is None else seen.noise_std * factor
    modes = layer_below(seen.model, gradients, noise_std=noise_std, sigmas=seen.sigmas, head=seen.last_layer)
    if modes is None:
        return seen.shut(window, _why_silent(seen))
    if not modes:
        return seen.refuted(window, "No possible lambda explains the gradient of the layer below: it was changed.")
    one = "The gradient of the layer below fits one lambda only, whatever the label is."
    several = f"The gradient of the layer below fits {len(modes)} lambdas, whatever the label is."
    # A wide range may reach across zero, but a root's sign is certain.
    ranges = [(max(mode.low, 0.0), mode.high) if mode.scale > 0 else (mode.low, min(mode.high, 0.0)) for mode in modes]
    ranges = [(low * factor, high * factor) for low, high in ranges]
    return seen.open(window, _with_rounding(seen.head, ranges), one if len(modes) == 1 else several)


def _why_silent(seen: Observation) -> str:
    evidence = layer_evidence(
        seen.model, seen.gradients, seen.head, seen.view.weight_grad, seen.noise_std, seen.last_layer
    )
    if evidence is None:
        return "The layer below the head cannot be read backwards, or its gradient is missing or zero."
    if not is_clean(seen.head, seen.view.weight_grad, seen.noise_std):
        return "Noise hides what the layer below the head says."
    if evidence.sums:
        return "The gradient of the layer below fits a whole range of lambda to its last digit."
    return "The layer below has no bias: twice the feature with half the gradient fits as well."


def _factor_into_reach(seen: Observation) -> float:
    """What to multiply a gradient of unknown scale with: lambda is looked for from 0.5 on, and has no unit of its own.

    A power of two, which rounds nothing. In the new unit the flattest prediction looked for has a lambda of one.
    """
    spread = float(np.ptp(seen.head.products[0]))
    if seen.known_scale or spread == 0:
        return 1.0
    return float(2.0 ** round(np.log2(_FLATTEST / spread)))


def _with_rounding(head: ObservedHead, intervals: list[Interval]) -> list[Interval]:
    """Wider by what the client's softmax errs, which its bias and the layer below inherit; `recover_label` does so."""
    ends = np.array(intervals).reshape(1, -1)
    width = np.minimum(rounding_width(head, ends), _WIDEST_ROUNDING * np.abs(ends)).reshape(-1, 2)
    return [(low - left, high + right) for (low, high), (left, right) in zip(intervals, width.tolist(), strict=True)]
