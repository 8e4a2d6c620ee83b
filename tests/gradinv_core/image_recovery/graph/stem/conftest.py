"""A stem with a max pool, and what is known behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradinv_core.image_recovery.graph.stem import PooledStem, pooled_stem
from gradinv_core.image_recovery.picture_map import PictureMap
from gradinv_core.pixels import PixelSpace


class Scene(NamedTuple):
    """The stem, the picture in shares, what the pool took (outputs, cells), and the gradient at z."""

    stem: PooledStem
    shares: torch.Tensor
    taken: torch.Tensor
    dz: torch.Tensor


@pytest.fixture
def scene(filled, smooth_picture) -> Callable[..., Scene]:
    """Factory: a stem of ``channels``, its kernel 5 x 5 and its pool 3 x 3, over a smooth picture."""

    def build(size: int = 12, channels: int = 48, seed: int = 0, stride: int = 1) -> Scene:
        convolution, norm = nn.Conv2d(3, channels, 5, stride, 2), nn.BatchNorm2d(channels)
        filled(nn.Sequential(convolution, norm).double(), seed)
        pool = nn.MaxPool2d(3, 2, 1, return_indices=True)
        scale = torch.full((3, size, size), 4.0, dtype=torch.float64)
        shares = smooth_picture(size, seed).double()
        fed = (scale * shares - 2)[None]
        weight = convolution.weight.detach().clone().requires_grad_()
        z = norm(functional.conv2d(fed, weight, convolution.bias, stride, 2))
        z.retain_grad()
        pooled, taken = pool(functional.relu(z))
        delta = torch.randn(pooled.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        delta = delta * (pooled > 0)
        (pooled * delta).sum().backward()
        behind = pooled.detach()[0].flatten(1)
        stem = pooled_stem(
            convolution,
            norm,
            nn.MaxPool2d(3, 2, 1),
            PictureMap(scale.flatten(), torch.full((3 * size * size,), -2.0, dtype=torch.float64), PixelSpace()),
            ((3, size, size), tuple(z.shape[1:])),
            (behind, 1e-7 * behind + 1e-9, behind > 0, delta[0].flatten(1)),
            weight.grad.flatten(2),
            "stem",
        )
        return Scene(stem, shares, taken[0].flatten(1), z.grad[0].flatten(1))

    return build
