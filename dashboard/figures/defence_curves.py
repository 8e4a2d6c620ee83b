"""One defence at growing strength, against two servers; and batches of growing size, against one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

import numpy as np
import numpy.typing as npt

from dashboard.drawing.number_text import percent, plain
from dashboard.drawing.theme import Palette, palette
from dashboard.figures.base import Array, style
from dashboard.figures.sketch import Sketch

__all__ = ["ServerCurve", "batch_size_curves", "defence_curves"]

_HEIGHT = 560
_PROTECTS = 0.1  # share of answers that are right up to which a defence is said to protect
_MOST_TICKS = 6
_ASIDE = 0.05  # of the way to the next strength: two servers that do alike stand side by side
_LEAST = 1e-8  # errors below are rounding, and zero has no place on a logarithmic axis


@dataclass(frozen=True)
class ServerCurve:
    """What one server recovers, place by place.

    Attributes:
        bands: (N, 3) lower end, median and upper end of the metric; NaN without an answer.
        right: (N,) share of answers that are right, certain or not.
        right_class: (N,) share of answers that name the right class first.
        misled: (N,) share of answers that are called certain and are wrong.
    """

    bands: npt.ArrayLike
    right: npt.ArrayLike
    right_class: npt.ArrayLike
    misled: npt.ArrayLike


def defence_curves(
    name: str,
    ticks: Sequence[str],
    axis: str,
    naive: ServerCurve,
    aware: ServerCurve,
    *,
    metric: str,
    logarithmic: bool,
    dark: bool = False,
) -> Sketch:
    """Two panels: the metric with its band above, shares of right and of confidently wrong answers below.

    Args:
        name: of the defence.
        ticks: (N,) its strengths in words, weak to strong.
        axis: title of the axis.
        naive: the server that takes the gradient for a plain one.
        aware: the server that was told the defence.
        metric: title of the upper axis.
        logarithmic: whether that axis counts in factors.
        dark: colours for a dark page.
    """
    servers = {"does not know": naive, "knows the defence": aware}
    return _draw(servers, _finding(name, naive, aware), ticks, axis, metric, logarithmic, palette(dark))


def batch_size_curves(
    sizes: Sequence[int], server: ServerCurve, *, metric: str, logarithmic: bool, dark: bool = False
) -> Sketch:
    """The same two panels for training steps with so many pictures, each of which counts by itself.

    Args:
        sizes: (N,) pictures in a step, few to many.
        server: the server, which takes every step apart.
        metric: title of the upper axis.
        logarithmic: whether that axis counts in factors.
        dark: colours for a dark page.
    """
    ticks, finding = [f"{size}" for size in sizes], _batch_finding(sizes, server)
    servers = {"takes the pictures apart": server}
    return _draw(servers, finding, ticks, "pictures in one step", metric, logarithmic, palette(dark))


def _draw(
    servers: Mapping[str, ServerCurve],
    finding: str,
    ticks: Sequence[str],
    axis: str,
    metric: str,
    logarithmic: bool,
    colours: Palette,
) -> Sketch:
    """What servers recover; the last of them is the one that reckons with everything."""
    figure = Sketch((0.6, 0.4), gap=0.08)
    looks = ((colours.baseline, "dash", "square"), (colours.recovered, "solid", "circle"))
    asides = (-_ASIDE, _ASIDE) if len(servers) > 1 else (0.0,)
    drawn = list(zip(servers.items(), looks[-len(servers) :], asides, strict=True))
    for (words, curve), (colour, dash, symbol), aside in reversed(drawn):  # dashes lie on top, and show what is below
        bands = np.asarray(curve.bands, dtype=np.float64)
        places = np.arange(len(bands), dtype=np.float64) + aside
        if logarithmic:
            bands = np.maximum(bands, _LEAST)
        _add_band(figure, places, bands, words, colour, dash, symbol)
        line = {"color": colour, "width": 2.5, "dash": dash}
        strong = {"symbol": symbol, "size": 8, "color": colour}
        _add_share(figure, places, curve.right, words, "right", strong, line)
        outline = {"symbol": "diamond-open", "size": 11, "color": colour, "line": {"width": 2}}
        _add_share(figure, places, curve.right_class, words, "right class", outline, hover="name the right class")
        _add_share(figure, places, curve.misled, words, "sure and wrong", {"symbol": "x", "size": 9, "color": colour})
    _finish(figure, colours, finding, ticks, axis, metric, logarithmic)
    if logarithmic:
        _whole_decades(figure, np.concatenate([np.ravel(curve.bands) for curve in servers.values()]))
    return figure


def _whole_decades(figure: Sketch, values: Array) -> None:
    """Nothing but powers of ten on the upper axis, and at least two of them."""
    known = values[~np.isnan(values)]
    if known.size:
        low, high = floor(log10(max(known.min(), _LEAST))), ceil(log10(max(known.max(), _LEAST)))
        high = max(high, low + 1)
        every = ceil((high - low) / _MOST_TICKS)
        figure.update_yaxes(range=[low - 0.1, high + 0.1], dtick=every, panel=1)


def _add_share(
    figure: Sketch,
    places: Array,
    shares: npt.ArrayLike,
    words: str,
    what: str,
    marker: Mapping[str, object],
    line: Mapping[str, object] | None = None,
    *,
    hover: str = "",
) -> None:
    """A share of answers in the lower panel; the one with a line stands in the legend through the band above."""
    heights = np.asarray(shares, dtype=np.float64)
    figure.add_scatter(
        x=places,
        y=heights,
        mode="markers" if line is None else "lines+markers",
        line=line,
        marker=dict(marker),
        name=f"{what} ({words})",
        legendgroup=None if line is None else words,
        showlegend=line is None,
        hovertemplate=f"server that {words}<br>%{{y:.0%}} {hover or what}<extra></extra>",
        panel=2,
    )


def _add_band(figure: Sketch, places: Array, bands: Array, words: str, colour: str, dash: str, symbol: str) -> None:
    """The median as a line, the middle 80 percent as whiskers: ribbons of two servers would hide each other."""
    figure.add_scatter(
        x=places,
        y=bands[:, 1],
        customdata=[plain(value) for value in bands[:, 1]],
        mode="lines+markers",
        line={"color": colour, "width": 2.5, "dash": dash},
        marker={"symbol": symbol, "size": 8},
        error_y={
            "array": bands[:, 2] - bands[:, 1],
            "arrayminus": bands[:, 1] - bands[:, 0],
            "color": colour,
            "thickness": 1.2,
            "width": 5,
        },
        name=f"server that {words}",
        legendgroup=words,
        hovertemplate=f"server that {words}<br>median %{{customdata}}<extra></extra>",
        panel=1,
    )


def _finish(
    figure: Sketch,
    colours: Palette,
    finding: str,
    ticks: Sequence[str],
    axis: str,
    metric: str,
    logarithmic: bool,
) -> None:
    style(figure, finding, colours, height=_HEIGHT)
    figure.update_layout(margin={"b": 150})
    figure.update_xaxes(
        tickvals=list(range(len(ticks))), ticktext=list(ticks), range=[-0.5, len(ticks) - 0.5], tickangle=0
    )
    figure.update_xaxes(showticklabels=False, panel=1)
    figure.update_xaxes(title={"text": axis}, panel=2)
    figure.update_yaxes(
        type="log" if logarithmic else "linear", exponentformat="power", nticks=6, title={"text": metric}, panel=1
    )
    figure.update_yaxes(range=[-0.06, 1.06], tickformat=".0%", nticks=4, title={"text": "share"}, panel=2)


def _finding(name: str, naive: ServerCurve, aware: ServerCurve) -> str:
    """What the strongest setting leaves to each server."""
    plain, informed = (np.asarray(curve.right, dtype=np.float64) for curve in (naive, aware))
    if informed.min() > 1 - _PROTECTS:
        share = "every label" if informed.min() == 1 else f"at least {percent(float(informed.min()))} of the labels"
        return f"{name} does not protect: a server that knows of it reads {share}"
    if informed.min() <= _PROTECTS:
        if np.asarray(aware.right_class, dtype=np.float64).min() > 1 - _PROTECTS:
            return f"{name} hides the exact shares of the label, but never the class"
        return f"{name} hides the label if it is strong enough"
    least, most = percent(float(plain.min())), percent(float(informed.min()))
    return f"{name} hides some labels: at worst {least} are right, and {most} if the server knows"


def _batch_finding(sizes: Sequence[int], server: ServerCurve) -> str:
    """What the largest step leaves, and whether two pictures are enough to hide their labels."""
    right = np.asarray(server.right, dtype=np.float64)
    several = right[np.asarray(sizes) > 1]
    if several.max() <= _PROTECTS:
        return "One more picture in the step hides the labels here"
    if several.min() > 1 - _PROTECTS:
        share = "every label" if several.min() == 1 else f"at least {percent(float(several.min()))} of the labels"
        return f"Up to {max(sizes)} pictures in one step do not protect here: the server reads {share}"
    return f"Larger steps hide some labels here: of {max(sizes)} pictures, the server reads {percent(float(right[-1]))}"
