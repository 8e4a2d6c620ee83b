"""A run as one HTML file that needs no server and no network: figures stay interactive, Plotly is inside.

Under each figure are buttons that save it as SVG or PNG, drawn by Plotly in the reader's own browser.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

from plotly.offline import get_plotlyjs

from dashboard.drawing.number_text import plain
from dashboard.drawing.pictures import picture_source
from dashboard.export.numbers import Run
from dashboard.export.shell import picture_figure, shell
from dashboard.figures.sketch import Sketch
from gradinv_core.experiments.scenario import to_query
from gradinv_core.metrics import psnr

__all__ = ["offline_page"]

_BODY = """<p>{verdict}</p>
{pictures}
{figures}
<h2>The scenario</h2>
<table>{rows}</table>
<script>{plotly}</script>
<script>
document.querySelectorAll("[data-figure]").forEach((place, number) => {{
  const figure = JSON.parse(place.dataset.figure);
  Plotly.newPlot(place, figure.data, figure.layout, {{responsive: true, displaylogo: false}});
  for (const format of ["svg", "png"]) {{
    const button = document.createElement("button");
    button.textContent = `Save as ${{format.toUpperCase()}}`;
    const scale = format === "png" ? 3 : 1; // sharp enough for print
    button.onclick = () => Plotly.downloadImage(place, {{format, scale, filename: `figure-${{number + 1}}`}});
    place.after(button);
  }}
}});
</script>"""


def offline_page(run: Run, verdict: str, figures: Sequence[Sketch], *, dark: bool) -> str:
    """The file's text.

    Args:
        run: what it is about.
        verdict: one sentence of consequence.
        figures: in order; each title states its finding.
        dark: whether the figures were drawn for a dark page.
    """
    rows = "".join(f"<tr><td>{escape(name)}<td>{escape(value)}" for name, value in to_query(run.scenario).items())
    drawn = "".join(
        f'<h2>{escape(figure.title)}</h2><div data-figure="{escape(json.dumps(figure.spec), quote=True)}"></div>'
        for figure in figures
    )
    body = _BODY.format(
        verdict=escape(verdict),
        pictures=_pictures(run),
        figures=drawn,
        rows=rows or "<tr><td>the default one",
        plotly=get_plotlyjs(),
    )
    return shell("One gradient, one picture", body, dark=dark)


def _pictures(run: Run) -> str:
    true = run.client.mean.image
    parts = [picture_figure(picture_source(true.double()), "What the client had.")]
    if run.recovery is not None:
        decibels = plain(psnr(run.recovery.image, true), 3)
        parts.append(picture_figure(picture_source(run.recovery.image), f"What the server rebuilt: {decibels} dB."))
    return "".join(parts)
