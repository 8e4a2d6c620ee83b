"""Vision transformers of all kinds that people write, small, filled from a seed, and without any code under test."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torchvision.models.vision_transformer import VisionTransformer


class Embedding(nn.Module):
    """A patch layer in a module of its own, as timm has it."""

    def __init__(self, patch, width, bias, norm):
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch, bias=bias)
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()

    def forward(self, images):
        return self.norm(self.proj(images).flatten(2).transpose(1, 2))


class Transformer(nn.Module):
    """Options say what people do differently: tokens, their place, pooling, norms, scales."""

    def __init__(self, size, patch, width, *, tokens, behind, bias, early_norm, late_norm, scale, learned, first):
        super().__init__()
        patches = (size // patch) ** 2
        self.first, self.behind, self.scale = first, behind, scale
        self.patch_embed = Embedding(patch, width, bias, early_norm)
        self.tokens = nn.Parameter(0.02 * torch.randn(1, tokens, width))
        positions = 0.02 * torch.randn(1, patches + tokens, width)
        if learned:
            self.pos_embed = nn.Parameter(positions)
        else:
            self.register_buffer("pos_embed", positions)
        self.drop, self.norm_pre = nn.Dropout(0.1), nn.LayerNorm(width) if late_norm else nn.Identity()
        self.blocks = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(width, 2, 2 * width, 0.0, batch_first=True, norm_first=True),
            2,
            enable_nested_tensor=False,
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10, bias=False)

    def forward(self, images):
        patches = self.scale * self.patch_embed(self.first(images))
        extra = self.tokens.expand(patches.shape[0], -1, -1)
        tokens = torch.cat([patches, extra] if self.behind else [extra, patches], 1) + self.pos_embed
        tokens = self.norm(self.blocks(self.norm_pre(self.drop(tokens))))
        if not self.tokens.shape[1]:
            return self.head(tokens.mean(1))
        return self.head(tokens[:, -1 if self.behind else 0])


@pytest.fixture
def transformer() -> Callable[..., nn.Module]:
    """Factory: a transformer of 16 patches whose positions are 48 wide, unless told otherwise."""

    def build(size=32, patch=8, width=48, *, seed=0, **options):
        usual = {"tokens": 1, "behind": False, "bias": True, "early_norm": False, "late_norm": False}
        usual |= {"scale": 1.0, "learned": True, "first": nn.Identity()}
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return Transformer(size, patch, width, **(usual | options)).eval()

    return build


@pytest.fixture
def torchvisions() -> Callable[..., nn.Module]:
    """Factory: torchvision's own class, with a last layer that is not zero, as it leaves it."""

    def build(size=32, patch=8, width=48, *, seed=0):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = VisionTransformer(size, patch, 2, 2, width, 64, num_classes=10).eval()
            nn.init.normal_(model.heads.head.weight, std=0.02)
        return model

    return build


@pytest.fixture
def photo() -> Callable[..., torch.Tensor]:
    """Factory: a picture of smooth blobs that reaches both ends of the range."""

    def draw(seed=0, size=32):
        drawn = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
        return torch.nn.functional.interpolate(1.6 * drawn - 0.3, size=size, mode="bicubic").clamp(0, 1)[0]

    return draw
