"""A film as a GIF that any slide plays: the client's picture beside the server's, step by step."""

from __future__ import annotations

import io
from base64 import b64decode
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from dashboard.components import Frame

__all__ = ["playback"]

_SIDE, _GAP, _LINE = 256, 12, 34  # pixels: a picture, the space around it, the line of text
_LAST = 2500  # milliseconds that the result stays


def playback(frames: Sequence[Frame], milliseconds: int) -> bytes:
    """The file's content; it plays for ever.

    Args:
        frames: of the film, in order; at least one.
        milliseconds: that each is shown, the last one longer.

    Raises:
        ValueError: there is no frame.
    """
    if not frames:
        raise ValueError("expected at least one frame, got none; there is nothing to play")
    drawn = [_drawn(frame) for frame in frames]
    content = io.BytesIO()
    drawn[0].save(
        content,
        "gif",
        save_all=True,
        append_images=drawn[1:],
        duration=[milliseconds] * (len(drawn) - 1) + [_LAST],
        loop=0,
    )
    return content.getvalue()


def _drawn(frame: Frame) -> Image.Image:
    sources = [source for source in (frame.truth, frame.source) if source]
    columns = 2  # a frame without a truth leaves its place empty: all frames of a film have one size
    sheet = Image.new("RGB", (columns * (_SIDE + _GAP) + _GAP, _SIDE + _GAP + _LINE), "white")
    for place, source in enumerate(sources, start=columns - len(sources)):
        sheet.paste(_fitted(source), (_GAP + place * (_SIDE + _GAP), _GAP))
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _SIDE + _GAP + 8), frame.title, fill="black", font=ImageFont.load_default(16))
    return sheet.quantize(colors=128, dither=Image.Dither.NONE)


def _fitted(source: str) -> Image.Image:
    """A picture enlarged without blur, in the middle of a square."""
    picture = Image.open(io.BytesIO(b64decode(source.partition(",")[2]))).convert("RGB")
    factor = _SIDE / max(picture.size)
    size = tuple(max(round(length * factor), 1) for length in picture.size)
    square = Image.new("RGB", (_SIDE, _SIDE), "white")
    square.paste(
        picture.resize((size[0], size[1]), Image.Resampling.NEAREST),
        ((_SIDE - size[0]) // 2, (_SIDE - size[1]) // 2),
    )
    return square
