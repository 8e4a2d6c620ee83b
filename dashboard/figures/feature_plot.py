"""The input of the last layer, entry by entry: the truth as an outline, the recovered values filling it."""

import numpy as np
import numpy.typing as npt

from dashboard.drawing.number_text import plain
from dashboard.drawing.theme import AMBIGUOUS_HATCH, palette
from dashboard.figures.base import as_vector, style
from dashboard.figures.sketch import Sketch

__all__ = ["feature_plot"]

_MOST = 128
_FEW = 64  # more entries than this are drawn so thin that a bold outline would hide them


def feature_plot(
    recovered: npt.ArrayLike,
    true: npt.ArrayLike | None = None,
    *,
    title: str = "The recovered feature",
    ambiguous: bool = False,
    dark: bool = False,
) -> Sketch:
    """Thin bars for the recovered feature, an outlined staircase for the truth.

    Args:
        recovered: (d,) feature the server found.
        true: (d,) the client's feature, None to leave it out.
        title: the finding, in one line.
        ambiguous: hatch the bars, because the gradient leaves their common factor open.
        dark: colours for a dark page.

    Returns:
        The figure; a long feature is cut to its largest entries in their own order, and the axis says so.
    """
    colours = palette(dark)
    found = as_vector(recovered)
    truth = None if true is None else as_vector(true)
    reference = found if truth is None else truth
    shown = np.sort(np.argsort(-np.abs(reference), kind="stable")[:_MOST])
    positions = np.arange(shown.size)
    # The staircase starts and ends half a step outside, where the first bar and the last one do.
    outline = np.concatenate([shown[:1], shown, shown[-1:]])
    steps = np.concatenate([[-0.5], positions, [shown.size - 0.5]])
    hatch = {"shape": AMBIGUOUS_HATCH, "fgcolor": colours.recovered, "fillmode": "replace", "size": 6}
    pattern = hatch if ambiguous else {}
    figure = Sketch()
    figure.add_bar(
        x=positions,
        y=found[shown],
        text=[plain(value, 9) for value in found[shown]],
        textposition="none",
        name="best guess" if ambiguous else "recovered",
        customdata=shown,
        marker={"color": colours.recovered, "line": {"width": 0}, "pattern": pattern},
        hovertemplate="feature %{customdata}<br>recovered %{text}<extra></extra>",
    )
    if truth is not None:
        figure.add_scatter(
            x=steps,
            y=truth[outline],
            text=[plain(value, 9) for value in truth[outline]],
            name="truth",
            mode="lines",
            customdata=outline,
            line={"color": colours.truth, "width": 2 if shown.size <= _FEW else 1, "shape": "hvh"},
            hovertemplate="feature %{customdata}<br>truth %{text}<extra></extra>",
        )
    style(figure, title, colours)
    figure.update_layout(bargap=0)
    every = f"{found.size} entries of the feature"
    cut = every if shown.size == found.size else f"the {shown.size} largest of {found.size:,} entries"
    figure.update_xaxes(title={"text": cut}, range=[-0.5, shown.size - 0.5], showticklabels=False, ticks="")
    figure.update_yaxes(title={"text": "value"})
    return figure
