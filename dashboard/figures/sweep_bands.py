"""What a server recovers while one thing varies: every single attack, the median with its band, and two shares."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dashboard.drawing.number_text import percent
from dashboard.drawing.theme import Palette, palette
from dashboard.figures.base import Array, style
from dashboard.figures.sketch import Sketch
from dashboard.figures.sweep_axis import ValueAxis, value_axis
from gradinv_core.experiments.sweep.summary import FEW, Kind, SweepMetric, band

__all__ = ["SweepAxis", "SweepMarks", "sweep_bands"]

_HEIGHT = 560
_SPREAD = 0.55  # of the narrowest gap between two places, over which the repeats are spread
_SYMBOLS = {
    Kind.CERTAIN: "circle",
    Kind.OPEN: "circle-open",
    Kind.WRONG: "square",
    Kind.NOTHING: "x",
}


@dataclass(frozen=True)
class SweepAxis:
    """What varies.

    Attributes:
        name: of the parameter, for the title.
        title: of the axis.
        places: (N,) where each value stands, rising or falling.
        ticks: (N,) the values as people read them.
        major: (N,) whether to write the tick.
        ordered: whether the values follow each other; otherwise no line joins them.
    """

    name: str
    title: str
    places: Sequence[float]
    ticks: Sequence[str]
    major: Sequence[bool]
    ordered: bool = True


@dataclass(frozen=True)
class SweepMarks:
    """The single attacks.

    Attributes:
        positions: (P,) index of each one's place.
        repeats: (P,) its repeat, from 0.
        values: (P,) its metric, NaN without an answer.
        kinds: (P,) what became of it.
        right_class: (P,) whether it names the right class.
        hovers: (P,) words for each.
        planned: how many repeats there will be: each has its own place beside the others from the start.
        succeeded: whether each attack counts as a success; None to go by the metric's good value alone.
    """

    positions: Sequence[int]
    repeats: Sequence[int]
    values: Sequence[float]
    kinds: Sequence[Kind]
    right_class: Sequence[bool]
    hovers: Sequence[str]
    planned: int
    succeeded: Sequence[bool] | None = None


def sweep_bands(axis: SweepAxis, metric: SweepMetric, marks: SweepMarks, *, dark: bool = False) -> Sketch:
    """Draw a sweep, as far as it is.

    Args:
        axis: what varies.
        metric: how success is measured.
        marks: the single attacks; each mark's ``customdata`` is its index.
        dark: colours for a dark page.
    """
    colours = palette(dark)
    positions, values = np.asarray(marks.positions, dtype=int), np.asarray(marks.values, dtype=np.float64)
    places = np.asarray(axis.places, dtype=np.float64)
    silent = np.isnan(values)
    scale = value_axis(values[~silent], metric, silent=bool(silent.any()))
    figure = Sketch((0.74, 0.26), gap=0.07)
    bands = np.array([band(values[positions == place]) for place in range(len(places))]).reshape(-1, 3)
    _add_bands(figure, axis, scale.clip(bands), colours)
    _add_marks(figure, axis, marks, scale, colours)
    _add_shares(figure, axis, marks, colours)
    style(
        figure,
        _finding(axis, metric, marks.planned, positions, _successes(metric, marks, values)),
        colours,
        height=_HEIGHT,
    )
    gap = _narrowest(places)
    figure.update_layout(margin={"b": 120}, legend={"itemclick": False, "itemdoubleclick": False, "tracegroupgap": 0})
    figure.update_xaxes(
        range=[places[0] - np.sign(places[-1] - places[0]) * gap, places[-1] + np.sign(places[-1] - places[0]) * gap]
        if len(places) > 1
        else None,
        tickvals=[place for place, major in zip(places, axis.major, strict=True) if major],
        ticktext=[tick for tick, major in zip(axis.ticks, axis.major, strict=True) if major],
        ticks="outside",
    )
    figure.update_xaxes(showticklabels=False, panel=1)
    figure.update_xaxes(title={"text": axis.title}, panel=2)
    figure.update_yaxes(
        type="log" if metric.logarithmic else "linear",
        range=scale.range,
        tickvals=scale.tick_values,
        ticktext=scale.tick_texts,
        title={"text": metric.axis},
        panel=1,
    )
    figure.update_yaxes(
        range=[-0.12, 1.12], tickvals=[0, 0.5, 1], ticktext=["0 %", "50 %", "100 %"], title={"text": "share"}, panel=2
    )
    return figure


def _add_bands(figure: Sketch, axis: SweepAxis, bands: Array, colours: Palette) -> None:
    """Median and band: a line in a ribbon, or a mark with whiskers where the values have no order."""
    places = np.asarray(axis.places, dtype=np.float64)
    whiskers = None
    if not axis.ordered:
        above, below = bands[:, 2] - bands[:, 1], bands[:, 1] - bands[:, 0]
        whiskers = {"array": above, "arrayminus": below, "color": colours.muted, "thickness": 2, "width": 6}
    else:
        for first, last in _stretches(~np.isnan(bands[:, 1])):
            there = slice(first, last)
            figure.add_scatter(
                x=np.concatenate([places[there], places[there][::-1]]),
                y=np.concatenate([bands[there, 0], bands[there, 2][::-1]]),
                fill="toself",
                fillcolor=colours.infeasible,
                line={"width": 0},
                mode="lines",
                hoverinfo="skip",
                showlegend=False,
                panel=1,
            )
    figure.add_scatter(
        x=places,
        y=bands[:, 1],
        mode="lines" if axis.ordered else "markers",
        name="median",
        line={"color": colours.muted, "width": 2.5},
        marker={"symbol": "line-ew", "size": 22, "line": {"color": colours.muted, "width": 2.5}},
        error_y=whiskers,
        hoverinfo="skip",  # or it would take the clicks meant for a mark that lies on it; the table has the numbers
        panel=1,
    )


def _add_marks(figure: Sketch, axis: SweepAxis, marks: SweepMarks, scale: ValueAxis, colours: Palette) -> None:
    """Every attack, one trace for each kind; those without a value stand in a row of their own."""
    places = np.asarray(axis.places, dtype=np.float64)
    positions, repeats = np.asarray(marks.positions, dtype=int), np.asarray(marks.repeats, dtype=np.float64)
    spread = ((repeats + 0.5) / marks.planned - 0.5) * _SPREAD * _narrowest(places)
    values = np.asarray(marks.values, dtype=np.float64)
    heights = np.where(np.isnan(values), scale.silent_place, scale.clip(values))
    for kind, symbol in _SYMBOLS.items():
        here = [index for index, one in enumerate(marks.kinds) if one is kind]
        if not here:
            continue
        bad = kind in (Kind.WRONG, Kind.NOTHING)
        colour = colours.baseline if bad else colours.recovered
        figure.add_scatter(
            x=places[positions[here]] + spread[here],
            y=heights[here],
            mode="markers",
            name=str(kind),
            marker={"symbol": symbol, "size": 9, "color": colour, "line": {"color": colour, "width": 1.8}},
            customdata=here,
            unselected={"marker": {"opacity": 1}},  # a click opens a mark; it does not put the others in the shade
            hovertext=[marks.hovers[index] for index in here],
            hovertemplate="%{hovertext}<extra></extra>",
            panel=1,
        )


def _add_shares(figure: Sketch, axis: SweepAxis, marks: SweepMarks, colours: Palette) -> None:
    """How many answers the server is certain of, and how many name the right class."""
    positions = np.asarray(marks.positions, dtype=int)
    certain = np.array([kind in (Kind.CERTAIN, Kind.WRONG) for kind in marks.kinds], dtype=bool)
    right = np.asarray(marks.right_class, dtype=bool)
    mode = "lines+markers" if axis.ordered else "markers"
    for name, chosen, colour, dash, symbol in (
        ("says it is certain", certain, colours.recovered, "solid", "circle"),
        ("right class", right, colours.text, "dot", "diamond-open"),
    ):
        shares = [
            float(chosen[positions == place].mean()) if (positions == place).any() else np.nan
            for place in range(len(axis.places))
        ]
        figure.add_scatter(
            x=np.asarray(axis.places, dtype=np.float64),
            y=shares,
            mode=mode,
            name=name,
            line={"color": colour, "width": 2, "dash": dash},
            marker={"symbol": symbol, "size": 9, "color": colour, "line": {"color": colour, "width": 1.8}},
            unselected={"marker": {"opacity": 1}},
            hovertext=[
                f"{axis.name}: {tick}<br>{name}: {'–' if np.isnan(share) else percent(share)}"
                for tick, share in zip(axis.ticks, shares, strict=True)
            ],
            hovertemplate="%{hovertext}<extra></extra>",
            panel=2,
        )


def _narrowest(places: Array) -> float:
    return float(np.abs(np.diff(places)).min()) if len(places) > 1 else 1.0


def _stretches(known: np.ndarray) -> Iterator[tuple[int, int]]:
    """Runs of places that have a value, as (first, one past the last)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(int)))
    yield from ((int(first), int(last)) for first, last in edges.reshape(-1, 2))


def _successes(metric: SweepMetric, marks: SweepMarks, values: Array) -> np.ndarray:
    """Which attacks succeed; one without an answer does not: NaN is neither above nor below."""
    if marks.succeeded is not None:
        return np.asarray(marks.succeeded, dtype=bool)
    return values >= metric.good if metric.larger_is_better else values <= metric.good


def _finding(axis: SweepAxis, metric: SweepMetric, planned: int, positions: np.ndarray, good: np.ndarray) -> str:
    """Where at least half of the attacks succeed; of a sweep that is not over, so far."""
    tried = [place for place in range(len(axis.places)) if (positions == place).any()]
    works = [place for place in tried if 2 * int(good[positions == place].sum()) >= int((positions == place).sum())]
    if not tried:
        return f"{axis.name}: no attack has ended yet"
    so_far = ", so far" if len(positions) < planned * len(axis.places) else ""
    return f"{axis.name}{so_far}: {metric.success} {_where(axis, tried, works)}"


def _where(axis: SweepAxis, tried: list[int], works: list[int]) -> str:
    if not works:
        return "at no value"
    if len(works) == len(tried):
        return "at every value"
    falling = axis.places[-1] < axis.places[0]
    if axis.ordered and works == tried[: len(works)]:
        return f"{'down' if falling else 'up'} to {axis.ticks[works[-1]]}"
    if axis.ordered and works == tried[-len(works) :]:
        return f"from {axis.ticks[works[0]]} {'down' if falling else 'up'}"
    return f"at {len(works)} of {len(tried)} values"


def band_words(repeats: int) -> str:
    """What the ribbon shows, for the caption."""
    return "all of them" if repeats < FEW else "the middle 80 % of them"
