"""How alike two pictures look, in one word: the only place that decides what counts as recognisable.

Decibels alone mislead: a grey sheet is 11 dB from a photograph, and an unmistakable but dark copy of it 9 dB. What the
eye goes by is structure, so a picture counts as recognisable by its SSIM (structural similarity) once brightness and
contrast are set as well as they can be. The limits were read off some eighty pictures, blurred, noisy, dark, mixed and
blank ones, by looking at them.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import torch

from gradinv_core.arrays import Array, ArrayLike, as_array
from gradinv_core.metrics import psnr, ssim

__all__ = ["Likeness", "likeness", "visible"]

_SAME, _CLOSE = (40.0, 0.98), (25.0, 0.85)  # decibels and SSIM
_RECOGNISABLE, _FAINT = (0.4, 0.6), (0.18, 0.35)  # SSIM at the best contrast, and correlation
_LEVELS = 255
_AXES = "channels height width"


class Likeness(StrEnum):
    """From the best to the worst."""

    SAME = "same to the eye"
    CLOSE = "close"
    RECOGNISABLE = "recognisable"
    FAINT = "faint"
    NOT = "not recognisable"

    @property
    def recognised(self) -> bool:
        """Whether somebody who knows the subject would recognise it."""
        return self in (Likeness.SAME, Likeness.CLOSE, Likeness.RECOGNISABLE)


def likeness(recovered: ArrayLike, true: ArrayLike) -> Likeness:
    """Judge a recovered picture as somebody would who looks at it.

    Args:
        recovered: (channels, h, w) picture; what lies outside [0, 1] is judged as it is shown, black or white.
        true: (channels, h, w) picture in [0, 1].

    Returns:
        The verdict. A darker, paler or inverted copy is recognisable; a blank picture or noise is not.

    Raises:
        ShapeError: not (channels, h, w), different shapes, or smaller than 3x3.
        NonFiniteError: NaN or infinity inside.
    """
    first, second = as_array(recovered, "recovered image", _AXES).clip(0, 1), as_array(true, "true image", _AXES)
    decibels, similarity = psnr(first, second), ssim(first, second)
    if decibels >= _SAME[0] and similarity >= _SAME[1]:
        return Likeness.SAME
    # A contrast below one step of a screen is nothing that can be seen.
    aligned, correlation = _aligned(np.round(first * _LEVELS) / _LEVELS, second)
    if decibels >= _CLOSE[0] and similarity >= _CLOSE[1] and correlation >= _RECOGNISABLE[1]:
        return Likeness.CLOSE
    structure = ssim(aligned, second)
    for verdict, (alike, related) in ((Likeness.RECOGNISABLE, _RECOGNISABLE), (Likeness.FAINT, _FAINT)):
        if structure >= alike and correlation >= related:
            return verdict
    return Likeness.NOT


def visible(image: torch.Tensor) -> torch.Tensor:
    """What a screen shows of a picture (channels, h, w): values below 0 are black, those above 1 white."""
    return image.clamp(0.0, 1.0)


def _aligned(first: Array, second: Array) -> tuple[Array, float]:
    """The first picture at the brightness and contrast that fit the second best, and how they correlate, in [0, 1].

    One contrast for all channels, a brightness for each: a tint of the right colour alone correlates with nothing.
    """
    means, true_means = first.mean((1, 2), keepdims=True), second.mean((1, 2), keepdims=True)
    one, other = first - means, second - true_means
    power, true_power, product = float((one**2).sum()), float((other**2).sum()), float((one * other).sum())
    if power == 0 or true_power == 0:
        return np.broadcast_to(true_means, second.shape).copy(), 0.0
    return true_means + product / power * one, abs(product) / (power * true_power) ** 0.5
