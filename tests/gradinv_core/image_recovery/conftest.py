"""Networks and pictures that follow from a seed, built without any of the code under test."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn


@pytest.fixture(scope="session")
def network() -> Callable[..., nn.Sequential]:
    """Factory: a sequential network in PyTorch's default ranges, filled from ``seed``, in evaluation mode."""

    def build(*layers: nn.Module, seed: int = 0, dtype: torch.dtype = torch.float32) -> nn.Sequential:
        model = nn.Sequential(*layers).eval()
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for module in model.modules():
                if isinstance(module, nn.Conv2d | nn.Linear):
                    for parameter in module.parameters(recurse=False):
                        bound = module.weight[0].numel() ** -0.5
                        parameter.uniform_(-bound, bound, generator=generator)
        return model.to(dtype)

    return build


@pytest.fixture(scope="session")
def picture() -> Callable[..., torch.Tensor]:
    """Factory: an image of independent random pixels in [0, 1], the hardest to guess."""

    def draw(shape: tuple[int, ...] = (3, 12, 12), seed: int = 0) -> torch.Tensor:
        return torch.rand(shape, generator=torch.Generator().manual_seed(seed))

    return draw
