"""A QR code as a picture that may be as large as a wall."""

from __future__ import annotations

from html import escape

from dashboard.drawing.qr.modules import qr_modules

__all__ = ["qr_svg"]

_QUIET = 4  # light modules around a code, which readers need to find it


def qr_svg(text: str, alt: str) -> str:
    """SVG of a code: dark on light in every theme, because many readers know no other.

    Args:
        text: at most `LONGEST` bytes in UTF-8.
        alt: what a screen reader says.

    Raises:
        ValueError: the text is longer.
    """
    modules = qr_modules(text)
    side = len(modules) + 2 * _QUIET
    squares = "".join(
        f"M{column + _QUIET} {row + _QUIET}h1v1h-1z" for row, column in zip(*modules.nonzero(), strict=True)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" role="img" aria-label="{escape(alt)}" '
        f'shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{side}v{side}H0z"/>'
        f'<path fill="#000" d="{squares}"/></svg>'
    )
