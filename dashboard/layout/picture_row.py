"""Pictures side by side under one another's eyes, also on a phone, each with a caption."""

from dataclasses import dataclass
from html import escape

__all__ = ["Picture", "picture_row"]

_PICTURE = "display: block; width: 100%; aspect-ratio: 1; object-fit: contain; image-rendering: pixelated"
_CAPTION = "margin-top: 0.4rem; font-size: 0.95rem; line-height: 1.35; font-variant-numeric: tabular-nums"
_OUTLINE = "; outline: 2px solid currentColor; outline-offset: 1px"
_EMPTY = "aspect-ratio: 1; border: 1px dashed color-mix(in srgb, currentColor 40%, transparent); box-sizing: border-box"


@dataclass(frozen=True)
class Picture:
    """One picture of the row.

    Attributes:
        source: as a `data:` address; empty for one that is still to come.
        caption: under it.
        explanation: what its words mean, for a tooltip.
        truth: whether only the client knows it: drawn with an outline.
    """

    source: str
    caption: str
    explanation: str = ""
    truth: bool = False


def picture_row(pictures: list[Picture], name: str, *, smallest: str = "6.2rem", largest: str = "22rem") -> str:
    """HTML of the row.

    Args:
        pictures: from left to right.
        name: for tests and for screen readers.
        smallest: width below which the row wraps.
        largest: width of a picture at most.
    """
    grid = (
        f"display: grid; grid-template-columns: repeat(auto-fit, minmax({smallest}, 1fr)); "
        f"gap: 0.9rem clamp(0.5rem, 2vw, 1.5rem); max-width: calc({len(pictures)} * ({largest} + 1.5rem))"
    )
    cells = "".join(_cell(picture) for picture in pictures)
    return f'<div style="{grid}" role="group" aria-label="{escape(name)}" data-testid="picture-row">{cells}</div>'


def _cell(picture: Picture) -> str:
    style = _PICTURE + (_OUTLINE if picture.truth else "")
    shown = (
        f'<img src="{picture.source}" alt="{escape(picture.caption)}" style="{style}">'
        if picture.source
        else f'<div style="{_EMPTY}"></div>'
    )
    tooltip = f' title="{escape(picture.explanation)}"' if picture.explanation else ""
    return f'<div style="min-width: 0"{tooltip}>{shown}<div style="{_CAPTION}">{escape(picture.caption)}</div></div>'
