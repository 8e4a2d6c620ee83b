"""The distances of `distance`, for the gradients of many images at once and without a word to the CPU.

A search on a GPU waits for the GPU wherever it reads a number off it; here nothing is read, so that a step is one
stream of work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch

__all__ = ["STACKED_DISTANCES", "StackedDistance", "cosine_distances", "squared_distances"]

StackedDistance = Callable[[torch.Tensor, torch.Tensor, float], tuple[torch.Tensor, torch.Tensor]]
"""(gradients (N, n), observed direction (n,), observed norm) -> distances (N,) and their derivatives (N, n)."""


def cosine_distances(
    gradients: torch.Tensor,
    direction: torch.Tensor,
    size: float,  # noqa: ARG001
) -> tuple[torch.Tensor, torch.Tensor]:
    """`cosine_distance` of each row.

    Args:
        gradients: (N, n) of the images at hand.
        direction: (n,) observed gradient divided by its norm.
        size: that norm; the angle does not depend on it.

    Returns:
        The distances in [0, 2] and the derivatives; NaN and zeros where a gradient is zero and has no direction.
    """
    norm = torch.linalg.vector_norm(gradients, dim=1, keepdim=True)
    pointless = (norm == 0) | torch.isinf(norm)
    norm = torch.where(pointless, 1.0, norm)
    cosine = (gradients @ direction)[:, None] / norm
    slopes = (gradients * (cosine / (norm * norm))).sub_(direction / norm)
    sine = torch.linalg.vector_norm(slopes, dim=1, keepdim=True) * norm
    near = cosine > 0  # there, sin^2 / (1 + cos): no cancellation when the two nearly agree
    values = torch.where(near, sine * sine / torch.where(near, 1 + cosine, 1.0), 1 - cosine)
    values = torch.where(pointless, torch.nan, values)
    return values[:, 0], slopes.masked_fill_(pointless, 0.0)


def squared_distances(
    gradients: torch.Tensor, direction: torch.Tensor, size: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """`squared_distance` of each row.

    Args:
        gradients: (N, n) of the images at hand.
        direction: (n,) observed gradient divided by its norm.
        size: that norm.

    Returns:
        The distances, at least 0, and the derivatives.
    """
    slopes = (gradients / size).sub_(direction)
    return torch.linalg.vector_norm(slopes, dim=1).square(), slopes * (2 / size)


STACKED_DISTANCES: Mapping[str, StackedDistance] = MappingProxyType(
    {"cosine": cosine_distances, "l2": squared_distances}
)
