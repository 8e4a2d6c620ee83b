"""What the server reported, as a film: pictures beside the truth, with the curves that follow them."""

import math
from collections.abc import Sequence
from typing import TypeAlias

import torch

from dashboard.components import Frame, Trace
from dashboard.drawing.number_text import plain
from dashboard.drawing.pictures import deviation_picture, layer_picture, picture_source, value_limits
from dashboard.drawing.theme import palette
from gradinv_core.image_recovery import Step
from gradinv_core.metrics import psnr, relative_error

__all__ = [
    "REAL_ERROR",
    "Film",
    "layer_curves",
    "layer_frames",
    "search_curves",
    "search_frames",
    "short",
]

REAL_ERROR = "really off by"
"""Name of the curve that compares with the truth."""

_PSNR = "Peak signal-to-noise ratio, in decibels: from 40 on the eye sees no difference. It does not see structure."
_LOSS = "How badly the picture's own gradient fits the one that was sent; the search makes it small."
_SAYS = "The server's own error bars, over the length of what it recovered. It never saw the truth."
_OFF = "Length of the difference from the client's values over their own length."

_SEARCHED = 12  # pictures of a search that a film of the way back shows

Film: TypeAlias = tuple[list[Frame], list[Trace]]
"""What the frame player shows: pictures, and what is drawn below them."""


def layer_frames(steps: Sequence[Step], truths: Sequence[torch.Tensor | None], *, dark: bool) -> list[Frame]:
    """The way back through the layers.

    Args:
        steps: feature first, image last.
        truths: what each step should have found, in any shape; None where the page cannot tell.
        dark: tints for a dark page.
    """
    frames = []
    for place, (step, given) in enumerate(zip(steps, truths, strict=True)):
        true = _as_shown(step, given)
        shared = None if true is None else value_limits(torch.cat((true.flatten(), step.value.double().flatten())))
        frames.append(
            Frame(
                source=layer_picture(step.value, shared),
                title=step.title,
                caption=_caption(step, true),
                truth="" if true is None else layer_picture(true, shared),
                deviation=_deviation(step, dark),
                position=place,
            )
        )
    return frames


def short(steps: Sequence[Step]) -> list[Step]:
    """The steps without most of a search's pictures, which change little: all others, and some of those."""
    searched = [place for place, step in enumerate(steps) if step.iteration is not None]
    kept = {searched[round(share * (len(searched) - 1) / (_SEARCHED - 1))] for share in range(_SEARCHED) if searched}
    return [step for place, step in enumerate(steps) if step.iteration is None or place in kept]


def layer_curves(steps: Sequence[Step], truths: Sequence[torch.Tensor | None]) -> list[Trace]:
    """How the error grows on the way back: as it is, and as the server reports it."""
    true = [_as_shown(step, given) for step, given in zip(steps, truths, strict=True)]
    off = [
        math.nan if value is None else relative_error(step.value, value)
        for step, value in zip(steps, true, strict=True)
    ]
    reported = [math.nan if step.std is None else relative_error(step.value + step.std, step.value) for step in steps]
    curves = []
    if sum(map(math.isfinite, off)) > 1:  # one point is no curve
        texts = [plain(value, 2) for value in off]
        curves.append(Trace(REAL_ERROR, _OFF, off, texts, logarithmic=True, scale="error", truth=True))
    if sum(map(math.isfinite, reported)) > 1:
        texts = [plain(value, 2) for value in reported]
        curves.append(Trace("the server says", _SAYS, reported, texts, logarithmic=True, scale="error"))
    return curves


def search_frames(steps: Sequence[Step], image: torch.Tensor) -> list[Frame]:
    """The pictures of a search, beside the client's."""
    true = picture_source(image)
    return [
        Frame(
            source=picture_source(step.value),
            title=step.title,
            caption=_search_caption(step, image),
            truth=true,
            position=step.iteration or 0,
        )
        for step in steps
    ]


def search_curves(steps: Sequence[Step], image: torch.Tensor) -> list[Trace]:
    """Loss and PSNR over the iterations."""
    losses = [math.nan if step.loss is None else step.loss for step in steps]
    decibels = [psnr(step.value, image) for step in steps]
    return [
        Trace("loss", _LOSS, losses, [plain(loss, 2) for loss in losses], logarithmic=True),
        Trace("PSNR", _PSNR, decibels, [f"{plain(value, 3)} dB" for value in decibels], truth=True),
    ]


def _as_shown(step: Step, true: torch.Tensor | None) -> torch.Tensor | None:
    """The truth in the shape of what is shown."""
    if true is None or true.numel() != step.value.numel():
        return None
    return true.double().reshape(step.value.shape)


def _deviation(step: Step, dark: bool) -> str:
    if step.std is None:
        return ""
    colours = palette(dark)
    largest = float(step.std.max())
    return deviation_picture(step.std, largest, colours.background, colours.recovered) if largest > 0 else ""


def _caption(step: Step, true: torch.Tensor | None) -> str:
    parts = [_size(step.value)]
    if true is not None:
        parts.append(f"Off by {plain(relative_error(step.value, true), 2)} of its size.")
    if step.std is not None:
        parts.append(f"Largest error bar: {plain(float(step.std.max()), 2)}.")
    return " ".join(parts)


def _search_caption(step: Step, image: torch.Tensor) -> str:
    loss = "" if step.loss is None else f"Loss {plain(step.loss, 2)}, "
    return f"{loss}PSNR {plain(psnr(step.value, image), 3)} dB."


def _size(value: torch.Tensor) -> str:
    shape = " × ".join(str(side) for side in value.shape)
    return f"{value.numel():,} numbers ({shape})." if value.ndim > 1 else f"{value.numel():,} numbers."
