"""Picture files from strangers to image tensors: every limit is checked before a pixel is decoded."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageOps

from gradinv_core.errors import ImageFileError
from gradinv_core.images import centre_square, resize

__all__ = ["LARGEST_BYTES", "LARGEST_PIXELS", "read_image", "read_image_sizes"]

LARGEST_BYTES = 20 * 1024 * 1024
LARGEST_PIXELS = 40_000_000
_SMALLEST_SIDE = 8
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
_PHONE_FORMATS = {
    b"avif": "an AVIF picture; save it as JPEG or PNG.",
    b"heic": "a HEIC photo, as phones take them; export it as JPEG or PNG (on an iPhone, Settings > Camera > Formats > "
    "Most Compatible makes the next ones JPEG).",
}
_BRANDS = {b"avif": b"avif", b"avis": b"avif"} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"), b"heic"
)
"""Brands of the container that phones put pictures in -> format; "mif1" and "msf1" are its general ones."""
_EXPECTED = "image file: expected a PNG, JPEG, WEBP, BMP, GIF or TIFF picture"
_TOO_MANY_PIXELS = "image file: expected at most 40 megapixels, got more; make the picture smaller and try again."


def read_image(data: bytes, size: int) -> torch.Tensor:
    """Decode one picture, cut out its centred square and resize it.

    The orientation a camera noted is applied, transparent parts become white, grey is repeated to three channels,
    16-bit grey keeps its full depth, and only the first frame of an animation or a multi-page file is read.

    Args:
        data: contents of a PNG, JPEG, WEBP, BMP, GIF or TIFF file, at most 20 MB.
        size: side of the result in pixels.

    Returns:
        (3, size, size) float32 tensor in [0, 1].

    Raises:
        ImageFileError: not such a picture, damaged, over 40 megapixels, or less than 8 pixels high or wide.
        OptionError: ``size`` is not a sensible number of pixels.
    """
    return read_image_sizes(data, [size])[size]


def read_image_sizes(data: bytes, sizes: Sequence[int]) -> dict[int, torch.Tensor]:
    """Decode one picture once, and make it as large as several networks need it.

    Args:
        data: as for `read_image`.
        sizes: sides of the results in pixels.

    Returns:
        ``{size: (3, size, size)}``, each as `read_image` gives it.

    Raises:
        ImageFileError, OptionError: as for `read_image`.
    """
    if not data:
        raise ImageFileError("image file: expected a picture, got an empty file; choose another one.")
    if len(data) > LARGEST_BYTES:
        raise ImageFileError(
            f"image file: expected at most 20 MB, got {len(data) / 1024**2:.0f} MB; make the picture smaller."
        )
    picture = _open(data)
    try:
        picture.load()
        # A broken camera note must not cost a good picture.
        with contextlib.suppress(Exception):
            picture = ImageOps.exif_transpose(picture)
        bands, white = _bands(picture)
    except ImageFileError:
        raise
    except Exception as error:  # decoders of damaged files raise nearly anything
        raise ImageFileError(
            f"image file: expected an intact {picture.format or ''} picture, got a damaged one; "
            f"open it in a picture editor and save it again."
        ) from error
    # Band by band: a large photograph as float32 RGB would take half a gigabyte.
    small: dict[int, list[torch.Tensor]] = {size: [] for size in sizes}
    for band in bands:
        channel = _square_channel(band, white)
        for size in small:
            small[size].append(resize(channel, size))
    return {size: torch.cat(parts * 3 if len(parts) == 1 else parts) for size, parts in small.items()}


def _open(data: bytes) -> Image.Image:
    """Read the header only, and refuse what is not worth (or safe) decoding."""
    try:
        picture = Image.open(io.BytesIO(data), formats=_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageFileError(_TOO_MANY_PIXELS) from error
    except Exception as error:  # parsers of hostile headers raise nearly anything
        came = _PHONE_FORMATS.get(_container_format(data), "something else; save the picture in one of these formats.")
        raise ImageFileError(f"{_EXPECTED}, got {came}") from error
    width, height = picture.size
    if width * height > LARGEST_PIXELS:
        raise ImageFileError(_TOO_MANY_PIXELS)
    if min(width, height) < _SMALLEST_SIDE:
        raise ImageFileError(
            f"image file: expected at least {_SMALLEST_SIDE} x {_SMALLEST_SIDE} pixels, got {width} x {height}; "
            f"choose a larger picture."
        )
    return picture


def _container_format(data: bytes) -> bytes:
    """Which format of phones a file holds, by the brands in its first box; empty for none.

    The box is its length in four bytes, "ftyp", the main brand, a version, and the brands it is compatible with.
    """
    if data[4:8] != b"ftyp":
        return b""
    end = min(int.from_bytes(data[:4], "big"), 256)
    brands = [data[8:12], *(data[start : start + 4] for start in range(16, end, 4))]
    formats = {_BRANDS[brand] for brand in brands if brand in _BRANDS}
    # An AVIF file also carries the general brand, which alone counts as HEIC.
    return min(formats, default=b"")


def _bands(picture: Image.Image) -> tuple[tuple[Image.Image, ...], float]:
    """One grey band or three colour bands, and the value that stands for white in them."""
    if picture.mode.startswith("I"):  # whole numbers of more than 8 bits: 16-bit grey, in some versions as 32 bits
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > 65535:
            raise ImageFileError("image file: expected 8 or 16 bits per channel, got 32; save the picture with 16.")
        return (picture,), 65535.0
    if picture.mode == "F":
        raise ImageFileError("image file: expected whole numbers as pixels, got fractions; save it with 8 or 16 bits.")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        paper = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(paper, layer).convert("RGB").split(), 255.0
    return (picture.convert("L"),) if picture.mode in ("1", "L") else picture.convert("RGB").split(), 255.0


def _square_channel(band: Image.Image, white: float) -> torch.Tensor:
    """(1, side, side) float32 in [0, 1] from the middle of one band."""
    return centre_square(torch.from_numpy(np.array(band, dtype=np.float32)).div_(white))[None]
