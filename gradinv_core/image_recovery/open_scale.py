"""What an unknown lambda leaves open of the picture, where lambda is no single narrow range.

Feature and residual share lambda: one grows by it, the other shrinks. A narrow range moves the picture along one
direction, which travels down with the belief. A wide one, or several, does not move it along a straight line. Through
fully connected layers the picture of every lambda is cheap; pixels lie in their range, which leaves fewer lambdas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from gradinv_core.errors import MisfitError, NoExactRouteError
from gradinv_core.image_recovery.activations import Range
from gradinv_core.image_recovery.belief import Belief
from gradinv_core.label_recovery import LabelRecovery
from gradinv_core.pixels import PixelSpace

__all__ = ["Doubt", "OpenScale", "doubt_of", "open_scale"]

_SIGMAS = 1.96  # half a confidence interval of 95 %
_WIDE = 0.1  # relative standard deviation of lambda above which the picture does not follow it along a straight line
_LARGEST = 1e6  # no trained network met so far needed a larger |lambda|
_POINTS, _FEWEST_POINTS = 33, 9  # lambdas tried in every range, twice ...
_WEIGHTS_READ = 50_000_000  # ... each of which reads all weight gradients once: so many in a range, a few seconds
_OUTSIDE = 1e-3  # share of the pixels that may leave their range by chance ...
_SLACK = 1e-3  # ... by more than this share of the range
_SIGNLESS = 1e-6  # of the largest entry: a feature this far on the wrong side of zero is rounding


@dataclass(frozen=True)
class Doubt:
    """How well lambda is known.

    Attributes:
        std: relative standard deviation.
        wide: whether it is too wide, or too torn, for the picture to follow along a straight line.
        low: the smallest lambda that fits.
        high: the largest.
    """

    std: float
    wide: bool
    low: float
    high: float


@dataclass(frozen=True)
class OpenScale:
    """The pictures of all lambdas that fit.

    Attributes:
        scale: the lambda whose picture is nearest to their mean.
        mean: (n,) mean of these pictures.
        std: (n,) how far they spread.
        low: the smallest lambda whose picture keeps the pixels' range.
        high: the largest.
    """

    scale: float
    mean: torch.Tensor
    std: torch.Tensor
    low: float
    high: float


def doubt_of(answer: LabelRecovery | None) -> Doubt:
    """How well lambda is known, over the whole span of its ranges; not in doubt where no answer is given."""
    if answer is None or not answer.intervals:
        return Doubt(0.0, False, 0.0, 0.0)
    low, high = min(low for low, _ in answer.intervals), max(high for _, high in answer.intervals)
    reach = max(high - answer.scale, answer.scale - low)
    std = max(reach, (high - low) / 2) / _SIGMAS / abs(answer.scale)
    if low * high <= 0 or not np.isfinite(std):
        return Doubt(1.0, True, low, high)
    return Doubt(min(std, 1.0), std > _WIDE, low, high)


def open_scale(
    answer: LabelRecovery, picture_at: Callable[[float], Belief], space: PixelSpace, limits: Range, weights: int = 0
) -> OpenScale | None:
    """Try lambdas in every range of the answer.

    Args:
        answer: the label recovery.
        picture_at: the belief about the picture for one lambda.
        space: which values its pixels may have.
        limits: what the feature can be.
        weights: of the network; a large one is asked for fewer pictures.

    Returns:
        The spread of the pictures that keep the range, each lambda as likely as any other; None if none does.
    """

    def tried(grid: Sequence[float]) -> list[_Tried]:
        widths = np.abs(np.gradient(grid)) if len(grid) > 1 else [1.0]
        pictures = [_picture(answer, scale, picture_at, space, limits) for scale in grid]
        return [_Tried(scale, float(width), value) for scale, width, value in zip(grid, widths, pictures, strict=True)]

    points = max(_FEWEST_POINTS, min(_POINTS, _WEIGHTS_READ // max(weights, 1)))
    found: list[_Tried] = []
    for low, high in answer.intervals:
        grid = _grid(low, high, points)
        coarse = tried(grid)
        inside = [index for index, one in enumerate(coarse) if one.picture is not None]
        if inside:
            ends = grid[max(inside[0] - 1, 0)], grid[min(inside[-1] + 1, len(grid) - 1)]
            fine = tried(np.linspace(*ends, points).tolist()) if len(grid) > 1 else coarse
            found += [one for one in fine if one.picture is not None]
    if not found:
        return None
    shares = torch.tensor([one.width for one in found], dtype=torch.float64)
    shares = shares / shares.sum()
    pictures = torch.stack([one.picture for one in found if one.picture is not None])
    mean = shares @ pictures
    nearest = int((pictures - mean).square().sum(1).argmin())
    spread = (shares @ (pictures - pictures[nearest]).square()).sqrt()
    scales = [one.scale for one in found]
    return OpenScale(scales[nearest], pictures[nearest], spread, min(scales), max(scales))


class _Tried(NamedTuple):
    """A lambda, how much of its range it stands for, and its picture; None where that is no picture."""

    scale: float
    width: float
    picture: torch.Tensor | None


def _grid(low: float, high: float, points: int) -> list[float]:
    """Lambdas over a range, spaced by equal factors."""
    sign = 1.0 if high > 0 else -1.0
    ends = sorted(min(max(abs(end), 1.0), _LARGEST) for end in (low, high))
    return sorted((sign * np.geomspace(ends[0], ends[1], points if ends[1] > ends[0] else 1)).tolist())


def _picture(
    answer: LabelRecovery,
    scale: float,
    picture_at: Callable[[float], Belief],
    space: PixelSpace,
    limits: Range,
) -> torch.Tensor | None:
    """The picture of a lambda, or None where the feature or the pixels leave their range."""
    feature = answer.feature * (scale / answer.scale)
    slack = _SIGNLESS * float(feature.abs().max())
    if float(feature.min()) < limits.low - slack or float(feature.max()) > limits.high + slack:
        return None
    try:
        belief = picture_at(scale)
    except (MisfitError, NoExactRouteError):
        return None
    beyond = torch.maximum(space.low - belief.mean, belief.mean - space.high)
    outside = float((beyond > _SLACK * space.spread + 3 * belief.std).double().mean())
    return belief.mean if outside <= _OUTSIDE else None
