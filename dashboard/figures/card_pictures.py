"""Small pictures of failures: one glance each, without a title, for the cards of the gallery."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.drawing.number_text import plain
from dashboard.drawing.theme import AMBIGUOUS_HATCH, Palette, palette
from dashboard.figures.base import Array, as_vector, style
from dashboard.figures.lambda_scale import LambdaScale
from dashboard.figures.sketch import Sketch

__all__ = ["bars_with_range", "curve", "holes", "labels_read", "layers", "markers", "share_lines", "value_counts"]

_HEIGHT = 190
_SMALLEST = 1e-20  # what a logarithmic axis makes of zero
_NARROW = 1e-2  # relative width up to which a range of lambda is one line


def curve(
    scales: npt.ArrayLike,
    losses: npt.ArrayLike,
    *,
    found: Sequence[tuple[float, float]],
    ended: float | None = None,
    bound: float | None = None,
    dark: bool = False,
) -> Sketch:
    """A loss over lambda; ranges that fit, where a search ended (infinite: it never did), and its bounds."""
    colours, where, height = palette(dark), as_vector(scales), np.maximum(as_vector(losses), _SMALLEST)
    ends = [end for interval in found for end in interval] + ([] if ended is None else [ended])
    axis = LambdaScale.around([*ends, *([bound] if bound else []), 1e4])
    figure = Sketch()
    if bound is not None:
        for side in (1, -1):
            places = sorted((axis.position(side * bound), side * axis.end))
            figure.add_vrect(*places, fillcolor=colours.infeasible, line={"width": 0}, layer="below")
    for half in (where < 0, where > 0):
        figure.add_scatter(
            x=[axis.position(scale) for scale in where[half]],
            y=height[half],
            mode="lines",
            line={"color": colours.muted, "width": 2},
            hoverinfo="skip",
        )
    for low, high in found:
        _add_range(figure, axis, low, high, (float(height.min()), float(height.max())), colours)
    if ended is not None:
        figure.add_vline(axis.position(ended), line={"color": colours.baseline, "width": 3, "dash": "dot"})
    _finish(figure, colours)
    figure.update_xaxes(
        range=[-axis.end, axis.end], tickvals=axis.tick_positions, ticktext=axis.tick_texts, title={"text": "λ"}
    )
    figure.update_yaxes(type="log", showticklabels=False, showgrid=False, title={"text": "loss"})
    return figure


def _add_range(
    figure: Sketch, axis: LambdaScale, low: float, high: float, heights: tuple[float, float], colours: Palette
) -> None:
    """A line for a narrow range of lambda, a hatched stretch for a wide one."""
    if low * high > 0 and high - low <= _NARROW * abs(low):
        figure.add_vline(axis.position(low), line={"color": colours.recovered, "width": 3})
        return
    bottom, top = heights
    for left, right in axis.stretches(low, high):
        figure.add_scatter(
            x=[left, left, right, right],
            y=[bottom, top, top, bottom],
            mode="lines",
            line={"color": colours.recovered, "width": 1},
            fill="toself",
            fillpattern=_hatch(colours),
            hoverinfo="skip",
        )


def bars_with_range(
    values: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike, true: npt.ArrayLike, *, dark: bool = False
) -> Sketch:
    """Shares (C,) that a server believes, whiskers from ``low`` to ``high``, and the truth as outlines."""
    colours, found = palette(dark), as_vector(values)
    least, most = as_vector(low), as_vector(high)
    settled = bool((most - least).max() < _NARROW)
    hatch = {} if settled else _hatch(colours)
    figure = Sketch()
    figure.add_bar(
        y=found,
        marker={"color": colours.recovered, "line": {"width": 0}, "pattern": hatch},
        error_y={
            "visible": not settled,
            "array": np.maximum(most - found, 0),
            "arrayminus": np.maximum(found - least, 0),
            "color": colours.recovered,
            "thickness": 2,
        },
        hovertemplate="class %{x}<br>%{y:.4f}<extra></extra>",
    )
    figure.add_bar(
        y=as_vector(true),
        marker={"color": "rgba(0,0,0,0)", "line": {"color": colours.truth, "width": 2}},
        hovertemplate="class %{x}<br>truth %{y:.4f}<extra></extra>",
    )
    _finish(figure, colours)
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(title={"text": "class"}, dtick=1 if found.size <= 10 else None)
    figure.update_yaxes(range=[0, 1.02], title={"text": "share"})
    return figure


def share_lines(scales: npt.ArrayLike, shares: npt.ArrayLike, *, dark: bool = False) -> Sketch:
    """Pseudo-label (n, C) over lambda (n,), one line for each class; what is no share is shaded."""
    colours, where, heights = palette(dark), as_vector(scales), np.asarray(shares, dtype=np.float64)
    axis, figure = LambdaScale.around([1e3]), Sketch()
    for below, above in ((-1.0, 0.0), (1.0, 2.0)):
        figure.add_hrect(below, above, fillcolor=colours.infeasible, line={"width": 0}, layer="below")
    for side in (where < 0, where > 0):
        for index, dash in enumerate(("solid", "dash", "dot", "dashdot")[: heights.shape[1]]):
            figure.add_scatter(
                x=[axis.position(scale) for scale in where[side]],
                y=heights[side, index],
                mode="lines",
                line={"color": colours.recovered, "width": 2, "dash": dash},
                hovertemplate=f"class {index}<br>%{{y:.3f}}<extra></extra>",
            )
    _finish(figure, colours)
    figure.update_xaxes(
        range=[-axis.end, axis.end], tickvals=axis.tick_positions, ticktext=axis.tick_texts, title={"text": "λ"}
    )
    figure.update_yaxes(range=[-0.4, 1.4], title={"text": "share"})
    return figure


def layers(names: Sequence[str], determined: npt.ArrayLike, unknowns: npt.ArrayLike, *, dark: bool = False) -> Sketch:
    """A bar for each layer: the part of its inputs that the equations determine, and hatched the rest."""
    colours, known, all_of_them = palette(dark), as_vector(determined), as_vector(unknowns)
    figure = Sketch()
    parts: tuple[tuple[Array, dict[str, object], str], ...] = (
        (known, {}, "determined"),
        (all_of_them - known, _hatch(colours), "left open"),
    )
    for part, hatch, word in parts:
        figure.add_bar(
            x=100 * part / all_of_them,
            y=list(names),
            customdata=part,
            orientation="h",
            marker={"color": colours.recovered, "line": {"width": 0}, "pattern": hatch},
            hovertemplate=f"%{{customdata:,.0f}} {word}<extra></extra>",
        )
    _finish(figure, colours)
    figure.update_layout(barmode="stack")
    figure.update_xaxes(range=[0, 100], ticksuffix=" %", title={"text": "of the inputs"})
    figure.update_yaxes(type="category", title={"text": "layer"}, showgrid=False)
    return figure


def markers(values: npt.ArrayLike, *, axis: str, line: float, dark: bool = False) -> Sketch:
    """Numbers on a logarithmic axis; a dotted line is what to compare with."""
    colours, heights = palette(dark), as_vector(values)
    figure = Sketch()
    figure.add_scatter(
        x=np.arange(1, heights.size + 1),
        y=np.maximum(heights, 1e-12),
        customdata=[plain(height, 2) for height in heights],
        mode="markers",
        marker={"size": 11, "color": "rgba(0,0,0,0)", "line": {"color": colours.recovered, "width": 2}},
        hovertemplate="number %{x}<br>%{customdata}<extra></extra>",
    )
    figure.add_hline(line, line={"color": colours.baseline, "width": 2, "dash": "dot"})
    _finish(figure, colours)
    figure.update_xaxes(title={"text": axis}, nticks=6)
    shown = heights[heights > 0]
    decades = np.log10(shown.max() / shown.min()) if shown.size else 1.0
    figure.update_yaxes(type="log", exponentformat="power", dtick=max(int(np.ceil(decades / 4)), 1))
    return figure


def labels_read(sizes: Sequence[int], read: Mapping[str, Sequence[int]], *, dark: bool = False) -> Sketch:
    """For steps of so many pictures, how many labels are read from each of two networks; lines: all of them."""
    colours, figure = palette(dark), Sketch()
    steps = [str(size) for size in sizes]
    for colour, (name, counts) in zip((colours.recovered, colours.baseline), read.items(), strict=True):
        figure.add_bar(
            x=steps,
            y=list(counts),
            name=name,
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate=f"{name}, %{{x}} pictures<br>%{{y}} labels read<extra></extra>",
        )
    figure.add_scatter(
        x=steps,
        y=list(sizes),
        mode="markers",
        # An open symbol takes its line's colour from the marker.
        marker={"symbol": "line-ew-open", "size": 26, "color": colours.truth, "line": {"width": 2}},
        hovertemplate="%{x} pictures<extra></extra>",
    )
    _finish(figure, colours)
    figure.update_xaxes(title={"text": "pictures in the step"}, type="category")
    figure.update_yaxes(title={"text": "labels read"}, range=[0, max(sizes) + 0.5], nticks=5)
    return figure


def value_counts(places: npt.ArrayLike, counts: npt.ArrayLike, *, axis: str, dark: bool = False) -> Sketch:
    """How often each value occurs, or falls into each bin."""
    colours = palette(dark)
    figure = Sketch()
    figure.add_bar(
        x=as_vector(places),
        y=as_vector(counts),
        customdata=[plain(place) for place in as_vector(places)],
        marker={"color": colours.recovered, "line": {"width": 0}},
        hovertemplate="%{customdata}<br>%{y:,} times<extra></extra>",
    )
    _finish(figure, colours)
    figure.update_xaxes(title={"text": axis}, nticks=5)
    figure.update_yaxes(title={"text": "how many"}, nticks=4)
    return figure


def holes(gradient: npt.ArrayLike, empty: npt.ArrayLike, *, dark: bool = False) -> Sketch:
    """A head gradient (C, d) of which the entries in ``empty`` (C, d) are zeros that should not be there."""
    colours, sent = palette(dark), np.asarray(gradient, dtype=np.float64)
    size = np.cbrt(np.abs(sent) / (np.abs(sent).max() or 1.0))
    shown: Array = np.where(np.asarray(empty, dtype=bool), -1.0, size)
    scale = [(0.0, colours.baseline), (0.499, colours.baseline), (0.5, colours.background), (1.0, colours.recovered)]
    figure = Sketch()
    figure.add_heatmap(z=shown, zmin=-1, zmax=1, colorscale=scale, showscale=False, hoverinfo="skip")
    _finish(figure, colours)
    figure.update_xaxes(title={"text": "feature"}, showticklabels=False)
    figure.update_yaxes(title={"text": "class"}, showgrid=False, nticks=6, autorange="reversed")
    return figure


def _hatch(colours: Palette) -> dict[str, object]:
    """The pattern of whatever is not settled."""
    return {"shape": AMBIGUOUS_HATCH, "fgcolor": colours.recovered, "fillmode": "replace", "size": 6}


def _finish(figure: Sketch, colours: Palette) -> None:
    """The common look at a card's size."""
    style(figure, "", colours, height=_HEIGHT)
    figure.update_layout(showlegend=False, margin={"l": 8, "r": 8, "t": 8, "b": 8})
    small: dict[str, Any] = {
        "tickfont": {"size": 12, "color": colours.text},
        "title": {"font": {"size": 12, "color": colours.muted}},
    }
    figure.update_xaxes(**small)
    figure.update_yaxes(**small)
