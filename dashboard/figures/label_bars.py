"""The recovered soft label against the true one, and against what the classic attack would say."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dashboard.drawing.theme import AMBIGUOUS_HATCH, Palette, palette
from dashboard.figures.base import Array, as_vector, name_classes, style, whole_name
from dashboard.figures.sketch import Sketch

__all__ = ["label_bars"]


def label_bars(
    recovered: npt.ArrayLike,
    true: npt.ArrayLike | None = None,
    baseline: npt.ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    *,
    title: str = "The recovered soft label",
    settled: bool = True,
    allowed: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    dark: bool = False,
    most: int = 20,
) -> Sketch:
    """Bars for the recovered label, outlines for the truth, diamonds for the baseline.

    With many classes only those that stand out get a bar of their own; the last bar is the level the others share.

    Args:
        recovered: (C,) label the server found.
        true: (C,) label the client used, None to leave it out.
        baseline: (C,) label of an earlier attack, None to leave it out.
        class_names: (C,) names, class numbers without.
        title: the finding, in one line.
        settled: whether the gradient leaves one label; the bars are hatched otherwise.
        allowed: (C,) smallest and (C,) largest share that the gradient allows, spanned by whiskers; None for none.
        dark: colours for a dark page.
        most: largest number of bars.

    Returns:
        The figure; every hover shows the exact entry.
    """
    colours = palette(dark)
    found = as_vector(recovered)
    names = name_classes(tuple(class_names or ()), found.size)
    truth = None if true is None else as_vector(true)
    naive = None if baseline is None else as_vector(baseline)
    low, high = (found, found) if allowed is None else (as_vector(allowed[0]), as_vector(allowed[1]))
    shown = _standing_out([part for part in (found, truth, naive, high) if part is not None], most)
    rest = np.setdiff1d(np.arange(found.size), shown)

    axis = [names[index] for index in shown] + ([f"{rest.size} others, each"] if rest.size else [])
    hover = [whole_name(names[index], int(index)) for index in shown] + (
        [f"mean of the {rest.size} other classes"] if rest.size else []
    )
    figure = Sketch()
    positions = np.arange(len(axis))
    figure.add_bar(
        x=positions,
        y=_with_rest(found, shown, rest),
        name="recovered" if settled else "best guess" if allowed is None else "best guess, and all that fits",
        customdata=hover,
        marker={"color": colours.recovered, "line": {"width": 0}, "pattern": _pattern(settled, colours)},
        error_y={"visible": False} if allowed is None else _whiskers(found, low, high, shown, rest, colours),
        hovertemplate="%{customdata}<br>recovered %{y:.9f}<extra></extra>",
    )
    if truth is not None:
        figure.add_bar(
            x=positions,
            y=_with_rest(truth, shown, rest),
            name="truth",
            customdata=hover,
            marker={"color": "rgba(0,0,0,0)", "line": {"color": colours.truth, "width": 2}},
            hovertemplate="%{customdata}<br>truth %{y:.9f}<extra></extra>",
        )
    if naive is not None:
        # A zero says nothing that the axis does not: only the classes the baseline names get a mark.
        named = np.flatnonzero(_with_rest(naive, shown, rest))
        figure.add_scatter(
            x=named,
            y=_with_rest(naive, shown, rest)[named],
            name="iDLG (one class only)",
            mode="markers",
            customdata=[hover[index] for index in named],
            marker={
                "color": colours.baseline,
                "symbol": "diamond",
                "size": 11,
                "line": {"color": colours.background, "width": 1},
            },
            hovertemplate="%{customdata}<br>iDLG %{y:.9f}<extra></extra>",
        )
    style(figure, title, colours, height=340)
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(tickmode="array", tickvals=positions, ticktext=axis)
    figure.update_yaxes(title={"text": "share of the label"}, rangemode="tozero")
    return figure


def _standing_out(labels: list[Array], most: int) -> npt.NDArray[np.intp]:
    """Classes worth a bar: all of them when they fit, else those furthest from the common level of any label."""
    classes = labels[0].size
    if classes <= most:
        return np.arange(classes)
    distance = np.max([np.abs(label - np.median(label)) for label in labels], axis=0)
    order = np.argsort(-distance, kind="stable")[: most - 1]
    # Noise in the last digits is no reason for a bar: keep what is visible, and a few in any case.
    visible = order[distance[order] > 0.02 * distance.max()]
    return np.sort(visible if visible.size >= 8 else order[:8])


def _with_rest(label: Array, shown: npt.NDArray[np.intp], rest: npt.NDArray[np.intp]) -> Array:
    return np.append(label[shown], label[rest].mean()) if rest.size else label[shown]


def _pattern(settled: bool, colours: Palette) -> dict[str, object]:
    return {} if settled else {"shape": AMBIGUOUS_HATCH, "fgcolor": colours.recovered, "fillmode": "replace"}


def _whiskers(
    found: Array, low: Array, high: Array, shown: npt.NDArray[np.intp], rest: npt.NDArray[np.intp], colours: Palette
) -> dict[str, object]:
    """From the smallest to the largest share that fits; they start at the best guess, so never point the wrong way."""
    up, down = np.maximum(high - found, 0.0), np.maximum(found - low, 0.0)
    return {
        "type": "data",
        "array": _with_rest(up, shown, rest),
        "arrayminus": _with_rest(down, shown, rest),
        "color": colours.recovered,
        "thickness": 2.5,
        "width": 7,
    }
