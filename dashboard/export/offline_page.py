"""A run as one HTML file that needs no server and no network: figures stay interactive, Plotly is inside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

from plotly.offline import get_plotlyjs

from dashboard.drawing.number_text import plain
from dashboard.drawing.pictures import picture_source
from dashboard.drawing.theme import palette
from dashboard.export.numbers import Run
from dashboard.figures.sketch import Sketch
from gradinv_core.experiments.scenario import to_query
from gradinv_core.metrics import psnr

__all__ = ["offline_page"]

_WIDTH = 900  # pixels
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>One gradient, one picture</title>
<style>
body {{ max-width: {width}px; margin: 2rem auto; padding: 0 1rem; font: 1.05rem/1.5 sans-serif; \
color: {text}; background: {background}; }}
figure {{ display: inline-block; margin: 0 1rem 1rem 0; }}
img {{ width: 16rem; image-rendering: pixelated; }}
td {{ padding: 0 1rem 0 0; }}
</style>
<h1>One gradient, one picture</h1>
<p>{verdict}</p>
{pictures}
{figures}
<h2>The scenario</h2>
<table>{rows}</table>
<script>{plotly}</script>
<script>
for (const place of document.querySelectorAll("[data-figure]")) {{
  const figure = JSON.parse(place.dataset.figure);
  Plotly.newPlot(place, figure.data, figure.layout, {{responsive: true, displaylogo: false}});
}}
</script>
</html>
"""


def offline_page(run: Run, verdict: str, figures: Sequence[Sketch], *, dark: bool) -> str:
    """The file's text.

    Args:
        run: what it is about.
        verdict: one sentence of consequence.
        figures: in order; each title states its finding.
        dark: whether the figures were drawn for a dark page.
    """
    colours = palette(dark)
    rows = "".join(f"<tr><td>{escape(name)}<td>{escape(value)}" for name, value in to_query(run.scenario).items())
    drawn = "".join(
        f'<h2>{escape(figure.title)}</h2><div data-figure="{escape(json.dumps(figure.spec), quote=True)}"></div>'
        for figure in figures
    )
    return _PAGE.format(
        width=_WIDTH,
        text=colours.text,
        background=colours.background,
        verdict=escape(verdict),
        pictures=_pictures(run),
        figures=drawn,
        rows=rows or "<tr><td>the default one",
        plotly=get_plotlyjs(),
    )


def _pictures(run: Run) -> str:
    true = run.client.mean.image
    parts = [_picture(picture_source(true.double()), "What the client had.")]
    if run.recovery is not None:
        decibels = plain(psnr(run.recovery.image, true), 3)
        parts.append(_picture(picture_source(run.recovery.image), f"What the server rebuilt: {decibels} dB."))
    return "".join(parts)


def _picture(source: str, caption: str) -> str:
    return f'<figure><img src="{source}" alt="{escape(caption)}"><figcaption>{escape(caption)}</figcaption></figure>'
