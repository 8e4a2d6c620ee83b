"""How far two gradients are apart, how rough an image is, and the derivative of both.

The derivatives are written out: a search needs them at every step, and a graph for a dot product costs more than the
dot product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf, nan
from types import MappingProxyType

import torch

__all__ = ["DISTANCE_FUNCTIONS", "Distance", "cosine_distance", "squared_distance", "total_variation"]

Distance = Callable[[torch.Tensor, torch.Tensor, float, torch.Tensor], float]
"""(gradient, observed direction, observed norm, where to write the derivative) -> distance."""


def cosine_distance(gradient: torch.Tensor, direction: torch.Tensor, size: float, slope: torch.Tensor) -> float:  # noqa: ARG001
    """One minus the cosine of the angle (Geiping et al. 2020, equation 4).

    Args:
        gradient: (n,) gradient of the image at hand.
        direction: (n,) observed gradient divided by its norm.
        size: that norm; the angle does not depend on it.
        slope: (n,) receives the derivative by ``gradient``; may be ``gradient`` itself, where memory counts.

    Returns:
        The distance in [0, 2]; NaN where ``gradient`` is zero and has no direction.
    """
    norm = float(torch.linalg.vector_norm(gradient))
    if norm == 0 or norm == inf:
        slope.zero_()
        return nan
    cosine = float(torch.dot(gradient, direction)) / norm
    torch.mul(gradient, cosine / (norm * norm), out=slope).sub_(direction, alpha=1 / norm)
    if cosine <= 0:
        return 1 - cosine
    # 1 - cos = sin^2 / (1 + cos), and sin is the slope's length: no cancellation when the two nearly agree.
    sine = float(torch.linalg.vector_norm(slope)) * norm
    return sine * sine / (1 + cosine)


def squared_distance(gradient: torch.Tensor, direction: torch.Tensor, size: float, slope: torch.Tensor) -> float:
    """``|g - g*|^2 / |g*|^2`` (DLG, Zhu et al. 2019, made relative).

    Relative, so that the weight of a prior means the same for every network.

    Args:
        gradient: (n,) gradient of the image at hand.
        direction: (n,) observed gradient divided by its norm.
        size: that norm.
        slope: (n,) receives the derivative by ``gradient``; may be ``gradient`` itself, where memory counts.

    Returns:
        The distance, at least 0.
    """
    torch.mul(gradient, 1 / size, out=slope).sub_(direction)
    value = float(torch.dot(slope, slope))
    slope.mul_(2 / size)
    return value


DISTANCE_FUNCTIONS: Mapping[str, Distance] = MappingProxyType({"cosine": cosine_distance, "l2": squared_distance})


def total_variation(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean absolute difference of neighbouring pixels, across plus down (anisotropic, as in Geiping et al. 2020).

    Args:
        image: (..., channels, height, width), one image or many.

    Returns:
        The total variation (...) of each and one of its subgradients, in the shape of ``image``. A side of one pixel
        has no neighbours and adds nothing.
    """
    slope = torch.zeros_like(image)
    value = image.new_zeros(image.shape[:-3])
    for axis in (-2, -1):
        length = image.shape[axis]
        if length < 2:
            continue
        upper, lower = image.narrow(axis, 1, length - 1), image.narrow(axis, 0, length - 1)
        difference = upper - lower
        share = 1 / difference.shape[-3:].numel()
        value += torch.linalg.vector_norm(difference, 1, dim=(-3, -2, -1)) * share
        sign = difference.sign_()
        slope.narrow(axis, 1, length - 1).add_(sign, alpha=share)
        slope.narrow(axis, 0, length - 1).sub_(sign, alpha=share)
    return value, slope
