"""Between the picture and its patches: where every pixel stands, and what the patch layer is fed for it."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch.nn.functional import unfold

from gradinv_core.errors import NoExactRouteError
from gradinv_core.image_recovery.chain import Link
from gradinv_core.image_recovery.patches.structure import PatchPositions
from gradinv_core.image_recovery.picture_map import picture_map
from gradinv_core.pixels import PixelSpace

__all__ = ["PatchLayout", "patch_layout"]

_EQUAL = 1e-6  # relative: rounding of a normalisation's own arithmetic


@dataclass(frozen=True)
class PatchLayout:
    """Patches (N, P) and the picture they make; the patch layer is fed ``scale * share + shift``.

    Attributes:
        shape: (channels, height, width) of the picture.
        places: (N, P) where each entry of the patches stands in the flattened picture.
        scale: (P,) nowhere zero.
        shift: (P,).
    """

    shape: tuple[int, int, int]
    places: torch.Tensor
    scale: torch.Tensor
    shift: torch.Tensor

    def picture(self, patches: torch.Tensor) -> torch.Tensor:
        """The picture (channels, height, width) of patches (N, P)."""
        flat = torch.empty(patches.numel(), dtype=patches.dtype)
        flat[self.places] = patches
        return flat.reshape(self.shape)

    def shares(self, fed: torch.Tensor) -> torch.Tensor:
        """Patches (N, P) as shares of the pixels' range, for what the patch layer was fed."""
        return (fed - self.shift) / self.scale


def patch_layout(place: PatchPositions, shape: tuple[int, int, int], space: PixelSpace) -> PatchLayout:
    """The layout of a patch layer's input.

    Args:
        place: the patch layer.
        shape: (channels, height, width) of the picture.
        space: which values its pixels may have, and how the network sees them.

    Raises:
        NoExactRouteError: what stands before the layer normalises one place of the picture unlike another.
    """
    numbers = torch.arange(prod(shape), dtype=torch.float64).reshape(1, *shape)
    places = unfold(numbers, place.module.kernel_size, stride=place.module.kernel_size)[0].T.long()
    between = picture_map([Link("", place.line, shape, shape)], shape, space)
    scale, shift = between.scale[places], between.shift[places]
    for values in (scale, shift):
        if float((values - values[0]).abs().max()) > _EQUAL * max(float(values.abs().max()), 1e-300):
            raise NoExactRouteError(
                f"no exact route to the image is known for this network: what stands before layer {place.layer} "
                f"changes one patch unlike another; gradient matching needs no such route."
            )
    return PatchLayout(shape, places, scale[0], shift[0])
