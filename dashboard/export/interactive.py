"""Figures inside a page to take along: interactive without a network, because Plotly is in the page.

Under each figure are buttons that save it as SVG or PNG, drawn by Plotly in the reader's own browser.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

from plotly.offline import get_plotlyjs

from dashboard.figures.sketch import Sketch

__all__ = ["interactive"]

_SCRIPT = """
document.querySelectorAll("[data-figure]").forEach((place, number) => {
  const figure = JSON.parse(place.dataset.figure);
  Plotly.newPlot(place, figure.data, figure.layout, {responsive: true, displaylogo: false});
  for (const format of ["svg", "png"]) {
    const button = document.createElement("button");
    button.textContent = `Save as ${format.toUpperCase()}`;
    const scale = format === "png" ? 3 : 1; // sharp enough for print
    button.onclick = () => Plotly.downloadImage(place, {format, scale, filename: `figure-${number + 1}`});
    place.after(button);
  }
});
"""


def interactive(figures: Sequence[tuple[str, Sketch]]) -> str:
    """HTML of the figures, each under a heading, and of all that draws them; once for each page.

    Args:
        figures: heading and figure, in order; none draws nothing.
    """
    if not figures:
        return ""
    places = "".join(
        f'<h2>{escape(heading)}</h2><div data-figure="{escape(json.dumps(figure.spec), quote=True)}"></div>'
        for heading, figure in figures
    )
    return f"{places}<script>{get_plotlyjs()}</script><script>{_SCRIPT}</script>"
