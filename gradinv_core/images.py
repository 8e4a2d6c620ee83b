"""What an image is here: a float32 tensor (channels, height, width), values in [0, 1]. Checks and conversions.

Pictures that are read from files are RGB; a network may take any number of channels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - the name every PyTorch text uses

from gradinv_core.errors import NonFiniteError, OptionError, ShapeError

__all__ = ["centre_square", "check_image", "image_from_pixels", "resize"]

_LARGEST_SIDE = 4096


def check_image(image: torch.Tensor, name: str = "image") -> torch.Tensor:
    """Return one image (channels, h, w) from a tensor of that shape or with a batch axis of one before it.

    The values may leave [0, 1]: a client is free to feed its network anything finite.

    Raises:
        ShapeError: not a floating-point tensor, not three axes, empty, or a batch of several images.
        NonFiniteError: NaN or infinity inside.
    """
    if not isinstance(image, torch.Tensor) or not image.is_floating_point():
        kind = image.dtype if isinstance(image, torch.Tensor) else type(image).__name__
        raise ShapeError(
            f"{name}: expected a floating-point tensor (channels, height, width), got {kind}; convert it first."
        )
    shape = tuple(image.shape)
    if len(shape) == 4 and shape[0] != 1:
        raise ShapeError(f"{name}: expected one image, got a batch of {shape[0]}; pass one of them at a time.")
    if len(shape) not in (3, 4) or image.numel() == 0:
        raise ShapeError(
            f"{name}: expected shape (channels, height, width), got {shape}; put the channels first, a grey image has "
            f"one."
        )
    if not torch.isfinite(image).all():
        raise NonFiniteError(f"{name}: expected finite values, got NaN or infinity; check where the image comes from.")
    return image.detach().reshape(shape[-3:])


def image_from_pixels(pixels: npt.ArrayLike, white: float = 255.0) -> torch.Tensor:
    """Convert rows of pixels to an image tensor.

    Args:
        pixels: (h, w) grey or (h, w, 3) RGB values between 0 and ``white``.
        white: the value that stands for full brightness (255 for 8 bits, 65535 for 16).

    Returns:
        (3, h, w) float32 tensor in [0, 1]; a grey picture is repeated to three channels.
    """
    values = torch.from_numpy(np.array(pixels, dtype=np.float32)) / white
    return values.expand(3, -1, -1).clone() if values.ndim == 2 else values.permute(2, 0, 1).contiguous()


def centre_square(image: torch.Tensor) -> torch.Tensor:
    """Cut the largest centred square out of an image (..., h, w)."""
    height, width = image.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[..., top : top + side, left : left + side]


def resize(image: torch.Tensor, size: int) -> torch.Tensor:
    """Resize an image (channels, h, w) to (channels, size, size), averaging when it shrinks so that nothing aliases.

    Raises:
        OptionError: ``size`` is not a whole number from 1 to 4096.
    """
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= _LARGEST_SIDE:
        raise OptionError(f"size: expected a whole number of pixels from 1 to {_LARGEST_SIDE}, got {size!r}.")
    if tuple(image.shape[-2:]) == (size, size):
        return image.clone()
    smooth = F.interpolate(image[None], size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return smooth[0].clamp_(0.0, 1.0)  # rounding can leave [0, 1] by one unit in the last place
