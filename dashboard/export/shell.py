"""What every page to take along has around its content: its look, and nothing that asks a network for anything."""

from __future__ import annotations

from html import escape

from dashboard.drawing.theme import palette

__all__ = ["picture_figure", "shell"]

_WIDTH = 900  # pixels
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ max-width: {width}px; margin: 2rem auto; padding: 0 1rem; font: 1.05rem/1.5 sans-serif; \
color: {text}; background: {background}; }}
figure {{ display: inline-block; margin: 0 1rem 1rem 0; }}
img {{ width: 16rem; max-width: 100%; image-rendering: pixelated; }}
th, td {{ padding: 0 1rem 0.2rem 0; text-align: left; vertical-align: top; }}
</style>
<h1>{title}</h1>
{body}
</html>
"""


def shell(title: str, body: str, *, dark: bool) -> str:
    """A whole HTML page.

    Args:
        title: of the page.
        body: HTML under it.
        dark: colours of a dark page.
    """
    colours = palette(dark)
    return _PAGE.format(width=_WIDTH, title=escape(title), text=colours.text, background=colours.background, body=body)


def picture_figure(source: str, caption: str) -> str:
    """HTML of a picture with its caption.

    Args:
        source: a `data:` address.
        caption: under it.
    """
    return f'<figure><img src="{source}" alt="{escape(caption)}"><figcaption>{escape(caption)}</figcaption></figure>'
