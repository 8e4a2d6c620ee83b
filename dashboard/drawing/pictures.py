"""Tensors as pictures for the browser: enlarged without blur, or laid out as a mosaic of channels."""

import base64
import io
import math

import numpy as np
import torch
from PIL import Image

__all__ = ["deviation_picture", "enlarge", "layer_picture", "picture_source", "value_limits"]


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


def layer_picture(values: torch.Tensor, limits: tuple[float, float] | None = None) -> str:
    """Whatever a layer held, as a `data:` address.

    Args:
        values: (3, h, w) is taken for an image; (channels, h, w) becomes a mosaic of grey tiles; (d,) a near-square
            grey sheet.
        limits: values drawn black and white, to make two pictures comparable; the smallest and the largest value of
            this one without.
    """
    values = _unbatched(values)
    if values.ndim == 3 and values.shape[0] == 3:
        return picture_source(values)
    sheet = _flat_sheet(values)
    low, high = value_limits(values) if limits is None else limits
    grey = ((sheet - low) / (high - low)).clamp(0, 1) if high > low else torch.zeros_like(sheet)
    return picture_source(grey.nan_to_num(1.0).expand(3, -1, -1))


def value_limits(values: torch.Tensor) -> tuple[float, float]:
    """The smallest and the largest value, for `layer_picture`."""
    return float(values.min()), float(values.max())


def deviation_picture(std: torch.Tensor, largest: float, paper: str, ink: str) -> str:
    """Error bars as a tint, as a `data:` address: the paper's colour is certain, the ink's colour least so.

    Args:
        std: standard deviations, (3, h, w) of an image's pixels (the largest of the channels is drawn), or of a layer
            as in `layer_picture`.
        largest: the deviation drawn in full ink.
        paper: `#rrggbb`.
        ink: `#rrggbb`.
    """
    values = _unbatched(std)
    sheet = values.amax(0) if values.ndim == 3 and values.shape[0] == 3 else _flat_sheet(values)
    share = (sheet / largest).clamp(0, 1).nan_to_num(0.0) if largest > 0 else torch.zeros_like(sheet)
    ends = [torch.tensor(list(bytes.fromhex(colour[1:])), dtype=torch.float64) / 255 for colour in (paper, ink)]
    return picture_source(ends[0][:, None, None] + share * (ends[1] - ends[0])[:, None, None])


def _unbatched(values: torch.Tensor) -> torch.Tensor:
    values = values.detach().double().cpu()
    return values[0] if values.ndim == 4 and values.shape[0] == 1 else values


def _flat_sheet(values: torch.Tensor) -> torch.Tensor:
    return _mosaic(values) if values.ndim == 3 else _sheet(values.flatten())


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
