"""A small vision transformer, written out: every step a reader may want to follow, and twice differentiable.

Patches become tokens, a class token is put in front, every token gets a learned position, blocks of attention and two
linear layers follow, and the class token's last state is the head's input (Dosovitskiy et al., "An Image is Worth
16x16 Words", ICLR 2021). The norm stands before attention and before the linear layers, as in that paper.
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["VisionTransformer"]


class _Attention(nn.Module):
    """Every token asks all tokens: softmax of ``q k^T``, then a mean of ``v``, in several heads side by side."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(N, tokens, width) to the same shape."""
        query, key, value = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        # Written out: PyTorch's own fused attention has no second derivative, which gradient matching needs.
        shares = torch.softmax(query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5, dim=-1)
        return self.proj((shares @ value).transpose(1, 2).flatten(2))


class _Block(nn.Module):
    """Attention, then two linear layers with GELU between them; both are added to what came in."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = _Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(N, tokens, width) to the same shape."""
        tokens = tokens + self.attention(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))


class VisionTransformer(nn.Module):
    """Images (N, 3, image_size, image_size) to logits (N, classes).

    Args:
        classes: number of classes.
        head_bias: whether the last layer has a bias.
        image_size: side of the images in pixels, a multiple of ``patch_size``.
        patch_size: side of a patch.
        width: entries of a token.
        depth: number of blocks.
        heads: of the attention; they divide ``width``.
    """

    def __init__(
        self,
        classes: int,
        *,
        head_bias: bool = False,
        image_size: int = 32,
        patch_size: int = 4,
        width: int = 96,
        depth: int = 3,
        heads: int = 4,
    ) -> None:
        super().__init__()
        patches = (image_size // patch_size) ** 2
        self.patch_embed = nn.Conv2d(3, width, kernel_size=patch_size, stride=patch_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, patches + 1, width))
        self.blocks = nn.Sequential(*(_Block(width, heads, 2 * width) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes, bias=head_bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, classes)."""
        patches = self.patch_embed(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(patches.shape[0], -1, -1), patches], dim=1) + self.pos_embed
        return self.head(self.norm(self.blocks(tokens))[:, 0])
