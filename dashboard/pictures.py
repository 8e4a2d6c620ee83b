"""Tensors as pictures for the browser: enlarged without blur, or laid out as a mosaic of channels."""

import base64
import io
import math

import numpy as np
import torch
from PIL import Image

__all__ = ["enlarge", "layer_picture", "picture_source"]


def enlarge(image: torch.Tensor, side: int = 320) -> Image.Image:
    """Picture of an image (3, h, w) in [0, 1], every pixel a square block, at least `side` pixels wide.

    A browser blurs small pictures when it scales them; blocks keep a 32x32 image honest.
    """
    pixels = (image.detach().clamp(0, 1).permute(1, 2, 0).double().cpu().numpy() * 255).round().astype(np.uint8)
    height, width = pixels.shape[:2]
    factor = max(math.ceil(side / width), 1)
    return Image.fromarray(pixels).resize((width * factor, height * factor), Image.Resampling.NEAREST)


def picture_source(image: torch.Tensor) -> str:
    """An image (3, h, w) in [0, 1] as a `data:` address, one pixel per value."""
    return _encode(enlarge(image, side=1))


def layer_picture(values: torch.Tensor) -> str:
    """Whatever a layer held, as a `data:` address.

    Args:
        values: (3, h, w) is taken for an image; (channels, h, w) becomes a mosaic of grey tiles; (d,) a near-square
            grey sheet. Grey runs from the smallest to the largest value.
    """
    values = values.detach().double().cpu()
    if values.ndim == 4 and values.shape[0] == 1:
        values = values[0]
    if values.ndim == 3 and values.shape[0] == 3:
        return picture_source(values)
    sheet = _mosaic(values) if values.ndim == 3 else _sheet(values.flatten())
    finite = sheet[~sheet.isnan()]
    low, high = finite.min(), finite.max()
    grey = (sheet - low) / (high - low) if high > low else torch.zeros_like(sheet)
    return picture_source(grey.nan_to_num(1.0).expand(3, -1, -1))


def _sheet(values: torch.Tensor) -> torch.Tensor:
    """(d,) -> the fullest rectangle near a square, padded with NaN, which is drawn white."""
    wide = next((n for n in range(math.isqrt(values.numel()), 0, -1) if values.numel() % n == 0), 1)
    if wide * 4 >= math.isqrt(values.numel()) and wide > 1:
        return values.reshape(wide, -1)
    columns = math.ceil(math.sqrt(values.numel()))
    padded = torch.full((math.ceil(values.numel() / columns) * columns,), float("nan"), dtype=values.dtype)
    padded[: values.numel()] = values
    return padded.reshape(-1, columns)


def _mosaic(values: torch.Tensor) -> torch.Tensor:
    """(channels, h, w) -> tiles side by side, near a square."""
    channels, height, width = values.shape
    columns = math.ceil(math.sqrt(channels))
    rows = math.ceil(channels / columns)
    sheet = values.new_full((rows * height, columns * width), float(values.min()))
    for index in range(channels):
        top, left = divmod(index, columns)
        sheet[top * height : (top + 1) * height, left * width : (left + 1) * width] = values[index]
    return sheet


def _encode(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
