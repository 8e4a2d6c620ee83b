"""What may be behind a gradient that does not fit one picture in one network, in words, and only what may.

Every sentence here says what the equations show. Nothing is suspected that this network or this request rules out.
"""

from __future__ import annotations

import torch
from torch import nn

from gradinv_core.image_recovery.picture_map import PictureMap
from gradinv_core.label_recovery import LabelRecovery, Status

__all__ = ["OUTSIDE_SHARE", "list_suspects", "outside_range", "range_sentence", "several_sentence"]

_DROPOUT = (nn.modules.dropout._DropoutNd,)
_BATCH_NORM = (nn.modules.batchnorm._BatchNorm,)
_OUTSIDE = 0.05  # share of the range by which a pixel must leave it, beyond ...
_SIGMAS = 5.0  # ... so many of its standard deviations, to be evidence
OUTSIDE_SHARE = 0.01
"""Share of the pixels that must plainly leave their range before the range is doubted."""


def list_suspects(
    model: nn.Module, answer: LabelRecovery | None, picture: PictureMap | None, *, bounds_alone: bool
) -> str:
    """What may be behind a layer's misfit, as the end of a sentence that begins with "It may be".

    Args:
        model: the network.
        answer: the label recovery; None if label and feature were handed in.
        picture: how pixels reach the layer, where their range had a say in it; None elsewhere.
        bounds_alone: whether its equations fit, and only the range of pixels does not.
    """
    found = []
    if picture is not None:
        space = picture.space
        ways = (
            f"other values of mean and std than {_short(space.mean)} and {_short(space.std)}"
            if space.mean
            else f"pixels outside [{space.low:g}, {space.high:g}], which mean and std or pixel_range would tell"
        )
        found.append(ways)
    if picture is None or not bounds_alone:
        found += [
            f"{what} in training mode"
            for what, kinds in (("dropout", _DROPOUT), ("batch norm", _BATCH_NORM))
            if any(isinstance(module, kinds) for module in model.modules())
        ]
        found.append("several samples in one gradient")
        if answer is None:
            found.append("a label and feature of another gradient")
        elif answer.status is Status.AMBIGUOUS and not answer.feature_known:
            found.append("another lambda than the one taken, because several fit")
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])}, or {found[-1]}"


def several_sentence(layers: list[tuple[str, float]], model: nn.Module) -> str:
    """What is said of a picture whose layers contradict each other a little: far above rounding, far below nonsense.

    Args:
        layers: name and relative misfit of those that do.
        model: the network.
    """
    name, misfit = max(layers, key=lambda layer: layer[1])
    others = [
        f"{what} in training mode"
        for what, kinds in (("dropout", _DROPOUT), ("batch norm", _BATCH_NORM))
        if any(isinstance(module, kinds) for module in model.modules())
    ]
    besides = f" It may also be {' or '.join(others)}." if others else ""
    return (
        f"Layer {name} fits one sample only to {misfit:.1e}, far above rounding and noise: the gradient may be that of "
        f"several samples, and the picture an average of theirs.{besides}"
    )


def outside_range(picture: torch.Tensor, std: torch.Tensor, low: float, high: float) -> float:
    """Share of the pixels that leave their range far beyond their error bars."""
    beyond = torch.maximum(low - picture, picture - high)
    return float((beyond > _OUTSIDE * (high - low) + _SIGMAS * std).double().mean())


def range_sentence(picture: torch.Tensor, std: torch.Tensor, low: float, high: float, normalised: bool) -> str:
    """What an image says whose pixels plainly leave the range they were said to have; empty if they do not."""
    share = outside_range(picture, std, low, high)
    if share < OUTSIDE_SHARE:
        return ""
    remedy = "other values of mean and std" if normalised else "mean and std, or another pixel_range,"
    return (
        f"{share:.0%} of the pixels lie outside [{low:g}, {high:g}], from {float(picture.min()):.2g} to "
        f"{float(picture.max()):.2g}, far beyond their error bars: the client fed its network other values; {remedy} "
        f"would turn them into the picture."
    )


def _short(values: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"
