"""Between the picture and the input of the first layer with weights: an exact straight line for every entry.

The caller's pixel space and a normalisation layer at the front of the network make it. All that is known of pictures
(bounds, smoothness, a first guess) is known of them where each pixel stands at a share of its range, from 0 to 1; there
it is applied, so that a picture is recovered equally well however it was normalised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from gradinv_core.image_recovery.activations import PIXELS
from gradinv_core.image_recovery.affine import AffineLine
from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.chain import Link
from gradinv_core.pixels import PixelSpace

__all__ = ["PictureMap", "picture_map", "plain_map"]


@dataclass(frozen=True)
class PictureMap:
    """The input of the first layer with weights is ``scale * share + shift``.

    Attributes:
        scale: (n,) change of the input from one end of a pixel's range to the other, nowhere zero.
        shift: (n,) the input at the low end.
        space: which values pixels may have.
    """

    scale: torch.Tensor
    shift: torch.Tensor
    space: PixelSpace

    @property
    def is_plain(self) -> bool:
        """Whether the input is the share itself."""
        return bool((self.scale == 1).all()) and not bool(self.shift.any())

    @property
    def prior(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(n,) first guess of the input and (n,) its precision: grey, give or take half the range."""
        spread = PIXELS.spread or 1.0
        return self.scale * PIXELS.centre + self.shift, (self.scale * spread).square().reciprocal()

    def to_input(self, shares: torch.Tensor) -> torch.Tensor:
        """The input (n,) for a picture in shares (n,)."""
        return shares if self.is_plain else self.scale * shares + self.shift

    def shares(self, belief: Belief) -> Belief:
        """The belief about the picture in shares, for one about the input."""
        return belief if self.is_plain else belief.before((belief.mean - self.shift) / self.scale, self.scale)

    def input(self, belief: Belief) -> Belief:
        """The belief about the input, for one about the picture in shares."""
        return belief if self.is_plain else belief.before(self.to_input(belief.mean), self.scale.reciprocal())

    def picture(self, belief: Belief) -> Belief:
        """The belief about the picture's pixels, for one about the input."""
        shares = self.shares(belief)
        if (self.space.low, self.space.high) == (0.0, 1.0):
            return shares
        each = torch.full_like(shares.mean, 1 / self.space.spread)
        return shares.before(self.space.from_unit(shares.mean), each)


def picture_map(links: Sequence[Link], shape: tuple[int, int, int], space: PixelSpace) -> PictureMap:
    """The map through the links before the first layer with weights.

    Args:
        links: of the network, as from `network_chain`.
        shape: (channels, height, width) of the image.
        space: the caller's.
    """
    zeros = torch.zeros(shape, dtype=torch.float64)
    low, high = (space.to_network(space.from_unit(zeros + end)).flatten() for end in (0.0, 1.0))
    scale, shift = high - low, low
    if space.is_plain:
        scale, shift = torch.ones_like(scale), torch.zeros_like(shift)
    for link in links:
        if not isinstance(link.module, AffineLine):
            break
        scale, shift = link.module.scale * scale, link.module.scale * shift + link.module.shift
    return PictureMap(scale, shift, space)


def plain_map(size: int) -> PictureMap:
    """The map where the input is the picture itself, (n,) pixels in [0, 1]."""
    return PictureMap(torch.ones(size, dtype=torch.float64), torch.zeros(size, dtype=torch.float64), PixelSpace())
