"""The curves over lambda of a batch as small multiples: one strip for each sample, all on the same axis."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dashboard.drawing.number_text import plain
from dashboard.drawing.theme import palette
from dashboard.figures.base import as_vector, style
from dashboard.figures.lambda_scale import LambdaScale
from dashboard.figures.sketch import Sketch

__all__ = ["SampleCurve", "batch_curves"]

_STRIP = 84  # pixels of one sample
_AXIS = 110  # pixels below all of them
_SMALLEST = 1e-20  # what a logarithmic axis makes of zero
_LARGEST = 1e4  # lambda: beyond, the loss of every sample falls towards infinity


@dataclass(frozen=True)
class SampleCurve:
    """What one strip shows.

    Attributes:
        scales: (n,) lambdas in ascending order.
        losses: (n,) how badly each fits.
        found: the lambda that the server settled on.
    """

    scales: npt.ArrayLike
    losses: npt.ArrayLike
    found: float


def batch_curves(curves: Sequence[SampleCurve | None], *, title: str, dark: bool = False) -> Sketch:
    """A line for each sample's loss, and a mark at the lambda that was found; from top to bottom in the given order.

    Args:
        curves: of each sample, None where there is none.
        title: the finding, in one line.
        dark: colours for a dark page.
    """
    colours = palette(dark)
    axis = LambdaScale.around([_LARGEST, *(curve.found for curve in curves if curve is not None)])
    figure = Sketch([1.0] * len(curves), gap=0.25 / len(curves))
    for number, curve in enumerate(curves, start=1):
        figure.update_xaxes(
            panel=number,
            range=[-axis.end, axis.end],
            tickvals=axis.tick_positions,
            ticktext=axis.tick_texts,
            showticklabels=number == len(curves),
        )
        figure.update_yaxes(panel=number, type="log", showticklabels=False, showgrid=False, title={"text": f"{number}"})
        if curve is None:
            continue
        where, height = as_vector(curve.scales), np.maximum(as_vector(curve.losses), _SMALLEST)
        for half in (where < 0, where > 0):
            figure.add_scatter(
                panel=number,
                x=[axis.position(scale) for scale in where[half]],
                y=height[half],
                mode="lines",
                line={"color": colours.muted, "width": 2},
                name="how badly λ fits",
                showlegend=number == 1 and bool(where[half][0] > 0),
                hoverinfo="skip",
            )
        figure.add_scatter(
            panel=number,
            x=[axis.position(curve.found)] * 2,
            y=[float(height.min()), float(height.max())],
            mode="lines",
            line={"color": colours.recovered, "width": 3},
            name="found",
            showlegend=number == 1,
            customdata=[plain(curve.found, 4)] * 2,
            hovertemplate="λ = %{customdata}<extra></extra>",
        )
    style(figure, title, colours, height=_STRIP * len(curves) + _AXIS)
    figure.update_xaxes(panel=len(curves), title={"text": "λ"})
    return figure
