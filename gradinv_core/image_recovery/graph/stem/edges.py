"""Differences between neighbouring pixels, and their transpose."""

from __future__ import annotations

import torch

__all__ = ["edges_of", "of_edges"]


def edges_of(picture: torch.Tensor) -> torch.Tensor:
    """(2, channels, height, width) differences to the right and lower neighbours; nought at the border."""
    right, down = torch.zeros_like(picture), torch.zeros_like(picture)
    right[:, :, :-1] = picture[:, :, 1:] - picture[:, :, :-1]
    down[:, :-1] = picture[:, 1:] - picture[:, :-1]
    return torch.stack([right, down])


def of_edges(edges: torch.Tensor) -> torch.Tensor:
    """The transpose of `edges_of`."""
    right, down = edges[0], edges[1]
    result = torch.zeros_like(right)
    result[:, :, 1:] += right[:, :, :-1]
    result[:, :, :-1] -= right[:, :, :-1]
    result[:, 1:] += down[:, :-1]
    result[:, :-1] -= down[:, :-1]
    return result
