"""A run as one HTML file that needs no server and no network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dashboard.drawing.number_text import plain
from dashboard.drawing.pictures import picture_source
from dashboard.export.interactive import interactive
from dashboard.export.numbers import Run
from dashboard.export.shell import picture_figure, shell
from dashboard.figures.sketch import Sketch
from gradinv_core.experiments.scenario import to_query
from gradinv_core.metrics import psnr

__all__ = ["offline_page"]


def offline_page(run: Run, verdict: str, figures: Sequence[Sketch], *, dark: bool) -> str:
    """The file's text.

    Args:
        run: what it is about.
        verdict: one sentence of consequence.
        figures: in order; each title states its finding.
        dark: whether the figures were drawn for a dark page.
    """
    rows = "".join(f"<tr><td>{escape(name)}<td>{escape(value)}" for name, value in to_query(run.scenario).items())
    scenario = f"<h2>The scenario</h2><table>{rows or '<tr><td>the default one'}</table>"
    drawn = interactive([(figure.title, figure) for figure in figures])
    return shell("One gradient, one picture", f"<p>{escape(verdict)}</p>{_pictures(run)}{drawn}{scenario}", dark=dark)


def _pictures(run: Run) -> str:
    true = run.client.mean.image
    parts = [picture_figure(picture_source(true.double()), "What the client had.")]
    if run.recovery is not None:
        decibels = plain(psnr(run.recovery.image, true), 3)
        parts.append(picture_figure(picture_source(run.recovery.image), f"What the server rebuilt: {decibels} dB."))
    return "".join(parts)
