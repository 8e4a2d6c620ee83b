"""The labels of a batch as small multiples: one strip of bars for each sample, all on the same classes."""

from collections.abc import Sequence

import numpy.typing as npt

from dashboard.drawing.theme import AMBIGUOUS_HATCH, palette
from dashboard.figures.base import as_vector, name_classes, style, whole_name
from dashboard.figures.sketch import Sketch

__all__ = ["batch_labels"]

_STRIP = 84  # pixels of one sample
_AXIS = 90  # pixels below all of them


def batch_labels(
    recovered: Sequence[npt.ArrayLike | None],
    true: Sequence[npt.ArrayLike],
    settled: Sequence[bool],
    class_names: Sequence[str] | None = None,
    *,
    title: str,
    dark: bool = False,
) -> Sketch:
    """Bars for what was recovered, outlines for the truth; from top to bottom in the client's order.

    Args:
        recovered: (C,) label of each sample, None where there is none.
        true: (C,) label of each sample.
        settled: of each sample, whether the gradient leaves one label; the bars are hatched otherwise.
        class_names: (C,) names, class numbers without.
        title: the finding, in one line.
        dark: colours for a dark page.
    """
    colours = palette(dark)
    truths = [as_vector(label) for label in true]
    names = name_classes(tuple(class_names or ()), truths[0].size)
    hover = [whole_name(name, index) for index, name in enumerate(names)]
    figure = Sketch([1.0] * len(truths), gap=0.25 / len(truths))
    for number, (label, truth, sure) in enumerate(zip(recovered, truths, settled, strict=True), start=1):
        if label is not None:
            hatch = {} if sure else {"shape": AMBIGUOUS_HATCH, "fgcolor": colours.recovered, "fillmode": "replace"}
            figure.add_bar(
                panel=number,
                x=names,
                y=as_vector(label),
                name="recovered",
                showlegend=number == 1,
                customdata=hover,
                marker={"color": colours.recovered, "line": {"width": 0}, "pattern": hatch},
                hovertemplate="%{customdata}<br>recovered %{y:.9f}<extra></extra>",
            )
        figure.add_bar(
            panel=number,
            x=names,
            y=truth,
            name="truth",
            showlegend=number == 1,
            customdata=hover,
            marker={"color": "rgba(0,0,0,0)", "line": {"color": colours.truth, "width": 2}},
            hovertemplate="%{customdata}<br>truth %{y:.9f}<extra></extra>",
        )
        figure.update_yaxes(panel=number, range=[0, 1], tickvals=[0, 1], title={"text": str(number)})
        figure.update_xaxes(panel=number, showticklabels=number == len(truths))
    style(figure, title, colours, height=_STRIP * len(truths) + _AXIS)
    figure.update_layout(barmode="overlay")
    return figure
