"""How the search for what a layer's equations leave open came to rest."""

from collections.abc import Mapping, Sequence

import numpy as np

from dashboard.drawing.number_text import plain
from dashboard.drawing.theme import palette
from dashboard.figures.base import style
from dashboard.figures.sketch import Sketch

__all__ = ["convergence"]

_MOST = 400  # points of a line: more than a screen shows
_DASHES = ("solid", "dash", "dot", "dashdot")


def convergence(residuals: Mapping[str, Sequence[float]], *, dark: bool = False) -> Sketch:
    """A falling line for every layer that had to be completed.

    Args:
        residuals: layer name -> what was still to be settled after every round, all above 0.
        dark: colours for a dark page.
    """
    colours = palette(dark)
    figure = Sketch()
    for place, (name, values) in enumerate(residuals.items()):
        kept = np.unique(np.linspace(0, len(values) - 1, min(len(values), _MOST)).round().astype(int))
        figure.add_scatter(
            x=kept + 1,
            y=np.asarray(values, dtype=np.float64)[kept],
            customdata=[plain(values[place], 2) for place in kept],
            name=f"layer {name}",
            mode="lines",
            line={"color": colours.recovered, "width": 2.5, "dash": _DASHES[place % len(_DASHES)]},
            hovertemplate=f"layer {name}, round %{{x}}<br>still to settle %{{customdata}}<extra></extra>",
        )
    last = max(values[-1] for values in residuals.values())
    rounds = max(len(values) for values in residuals.values())
    style(figure, f"The open directions settled to {plain(last, 2)} in {rounds:,} rounds", colours, height=280)
    figure.update_layout(showlegend=len(residuals) > 1)
    figure.update_xaxes(title={"text": "round"})
    figure.update_yaxes(title={"text": "still to settle"}, type="log", exponentformat="power", dtick=1)
    return figure
