"""The opening scene: twelve devices send to one server, and one line is tapped."""

from __future__ import annotations

from base64 import b64encode
from math import cos, pi, sin

import streamlit as st

from dashboard.drawing.theme import palette

__all__ = ["show"]

_COUNT, _TAPPED = 12, 2
_WIDTH, _HEIGHT, _RADIUS_X, _RADIUS_Y = 640, 300, 265, 112
_DESCRIPTION = (
    "Twelve devices around one server. Each sends a gradient; on the line of one of them somebody reads along."
)


def show(*, dark: bool) -> None:
    """Draw it."""
    source = b64encode(_scene(dark).encode()).decode()
    st.html(
        f'<img src="data:image/svg+xml;base64,{source}" alt="{_DESCRIPTION}" style="width: 100%; max-width: 40rem">'
    )


def _scene(dark: bool) -> str:
    colours = palette(dark)
    middle_x, middle_y = _WIDTH / 2, _HEIGHT / 2
    parts = []
    for place in range(_COUNT):
        angle = 2 * pi * place / _COUNT - pi / 2 + pi / _COUNT
        x, y = middle_x + _RADIUS_X * cos(angle), middle_y + _RADIUS_Y * sin(angle)
        tapped = place == _TAPPED
        colour = colours.recovered if tapped else colours.text
        parts.append(
            f'<line x1="{x:.0f}" y1="{y:.0f}" x2="{middle_x}" y2="{middle_y}" stroke="{colour}" '
            f'stroke-width="{3 if tapped else 1}" opacity="{1 if tapped else 0.4}"/>'
        )
        parts.append(
            f'<rect x="{x - 17:.0f}" y="{y - 13:.0f}" width="34" height="26" rx="4" fill="{colours.background}" '
            f'stroke="{colour}" stroke-width="2"/>'
        )
        if tapped:
            ear_x, ear_y = (x + middle_x) / 2, (y + middle_y) / 2
            parts.append(f'<circle cx="{ear_x:.0f}" cy="{ear_y:.0f}" r="11" fill="{colour}"/>')
            parts.append(
                f'<text x="{ear_x:.0f}" y="{ear_y - 20:.0f}" text-anchor="middle" fill="{colour}" font-size="17">'
                f"reads along</text>"
            )
    parts.append(
        f'<rect x="{middle_x - 46}" y="{middle_y - 24}" width="92" height="48" rx="6" fill="{colours.background}" '
        f'stroke="{colours.text}" stroke-width="2"/>'
        f'<text x="{middle_x}" y="{middle_y + 6}" text-anchor="middle" font-size="18" fill="{colours.text}">'
        f"server</text>"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">'
        f"{''.join(parts)}</svg>"
    )
