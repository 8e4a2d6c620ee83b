"""What the network predicts beside what the client teaches it: their difference is all the gradient carries."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dashboard.drawing.number_text import percent
from dashboard.drawing.theme import palette
from dashboard.figures.base import as_vector, name_classes, style, whole_name
from dashboard.figures.sketch import Sketch

__all__ = ["probability_bars"]

_MOST = 12


def probability_bars(
    probabilities: npt.ArrayLike,
    label: npt.ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    *,
    dark: bool = False,
) -> Sketch:
    """Grey bars for the prediction, outlines for the label.

    Args:
        probabilities: (C,) softmax output of the network.
        label: (C,) label the client trains with, None to leave it out.
        class_names: (C,) names, class numbers without.
        dark: colours for a dark page.

    Returns:
        The figure; with many classes it shows those with the largest entries, and its axis says so.
    """
    colours = palette(dark)
    predicted = as_vector(probabilities)
    taught = np.zeros_like(predicted) if label is None else as_vector(label)
    names = name_classes(tuple(class_names or ()), predicted.size)
    order = np.argsort(-np.maximum(predicted, taught), kind="stable")[:_MOST]
    shown = np.sort(order)
    hover = [whole_name(names[index], int(index)) for index in shown]
    positions = np.arange(shown.size)
    figure = Sketch()
    figure.add_bar(
        x=positions,
        y=predicted[shown],
        name="prediction",
        customdata=hover,
        marker={"color": colours.muted, "line": {"width": 0}},
        hovertemplate="%{customdata}<br>prediction %{y:.9f}<extra></extra>",
    )
    if label is not None:
        figure.add_bar(
            x=positions,
            y=taught[shown],
            name="label",
            customdata=hover,
            marker={"color": "rgba(0,0,0,0)", "line": {"color": colours.truth, "width": 2}},
            hovertemplate="%{customdata}<br>label %{y:.9f}<extra></extra>",
        )
    best = int(np.argmax(predicted))
    title = f"The network says “{names[best]}” with {percent(float(predicted[best]))}"
    style(figure, title, colours)
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(tickmode="array", tickvals=positions, ticktext=[names[index] for index in shown])
    figure.update_yaxes(title={"text": "share"}, rangemode="tozero")
    if shown.size < predicted.size:
        figure.update_xaxes(title={"text": f"the {shown.size} largest of {predicted.size:,} classes"})
    return figure
