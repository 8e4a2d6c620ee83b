"""One front door to the windows on lambda: check the options, look through all four, judge what they leave.

Each window is asked at a confidence of ``1 - (1 - confidence) / 4``, so that all four hold at once with the confidence
asked for, however they hang together (Bonferroni). Where they are known to seven digits they may still miss each other,
in one case in twenty, by their noise alone: that contradicts nothing. So an empty intersection is looked at again, with
every window as wide as five standard deviations; only what is still empty then is called a contradiction.
"""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from gradinv_core.arrays import is_number
from gradinv_core.errors import OptionError
from gradinv_core.gradients import GradientsLike, read_gradients
from gradinv_core.head import factor_heads, find_head, view_head
from gradinv_core.head.structures import LabelStructure
from gradinv_core.label_recovery import Doubt, Status, Window, recover_label
from gradinv_core.label_recovery.request import GRADIENT_SCALES
from gradinv_core.windows.look_through import look_through
from gradinv_core.windows.verdict import FourWindows, WindowsStatus, judge
from gradinv_core.windows.views import Observation

__all__ = ["four_windows"]

_WINDOWS = (Window.LABEL_STRUCTURE, Window.SIMPLEX, Window.BIAS, Window.LAYER_BELOW)
_FAR = 1 - 5.7e-7  # confidence of five standard deviations


def four_windows(
    model: nn.Module,
    gradients: GradientsLike,
    *,
    label_format: str | LabelStructure = "unknown",
    gradient_scale: str = "known",
    noise_std: float | None = None,
    confidence: float = 0.95,
    head: str | None = None,
) -> FourWindows:
    """Look through every window on lambda, and at what they leave together.

    One thing no window tells: with any factor k < 1 in front, the gradient of the label y is, in every layer, the
    honest one of the label ``(1 - k) p + k y``. It then passes for that, unless the label structure objects.

    Args:
        model: the network, with the weights the client used.
        gradients: of one sample, anything that `read_gradients` takes.
        label_format: as in `recover_label`: what the label structure window assumes.
        gradient_scale: "unknown" if the whole gradient may have been clipped or multiplied by a positive factor. Then
            lambda is the factor of this gradient, ``x = lambda g_r``; it may have any size, and the simplex is shut.
        noise_std: standard deviation of noise added to each gradient entry, if known; otherwise it is measured.
        confidence: probability that all open windows hold the lambda at once, in (0, 1).
        head: name of the last layer, which the labels belong to; None looks for it, see `find_head`.

    Returns:
        The windows, their intersection, and the verdict.

    Raises:
        OptionError: an option is unknown, the head is missing or cannot be told, or a bias gradient beside a zero
            weight gradient means no label.
        ShapeError, NonFiniteError, RankError: the gradients do not fit the network or one sample.
    """
    if gradient_scale not in GRADIENT_SCALES:
        raise OptionError(f"gradient_scale: expected one of {', '.join(GRADIENT_SCALES)}, got {gradient_scale!r}.")
    if not is_number(confidence) or not 0 < confidence < 1:
        raise OptionError(f"confidence: expected a number between 0 and 1, got {confidence!r}; 0.95 is usual.")
    sent, last = read_gradients(model, gradients), find_head(model, head)
    view = view_head(model, sent, last)
    observed = factor_heads(view.weight, view.weight_grad[None], view.bias, noise_std)
    each = 1 - (1 - confidence) / len(_WINDOWS)
    seen = Observation(model, sent, view, observed, label_format, gradient_scale, noise_std, each, last)
    if observed.vanished[0]:
        return _vanished(seen)
    found = judge(seen, look_through(seen))
    if found.status is WindowsStatus.CONTRADICTION:
        wider = replace(seen, confidence=max(each, _FAR))
        found = judge(wider, look_through(wider))
    return found


def _vanished(seen: Observation) -> FourWindows:
    """No gradient of the weights, so no ratios: only the gradient of a bias may be left."""
    view, row = seen.view, int(seen.head.row[0])
    windows = tuple(seen.shut(window, "The head's gradient is exactly zero.") for window in _WINDOWS)
    nothing = "Nothing: the head's gradient is exactly zero, so no window is open."
    if view.bias_grad is not None and seen.known_scale:
        answer = recover_label(view.weight, view.weight_grad, view.bias, view.bias_grad, label_format="any")
        if answer.status is Status.UNIQUE:
            reason = "The feature is zero; the gradient of the bias is left."
            alone = (*windows[:2], seen.open(Window.BIAS, answer.intervals, reason), windows[3])
            sentence = f"Unique: {answer.message[0].lower()}{answer.message[1:]}"
            return FourWindows(alone, answer.intervals, WindowsStatus.UNIQUE, sentence, answer.row)
        if answer.doubt is not Doubt.NONE:
            return FourWindows(windows, [], WindowsStatus.CONTRADICTION, f"Contradiction: {answer.message}", row)
    return FourWindows(windows, seen.possible, WindowsStatus.NOTHING, nothing, row, seen.known_scale)
