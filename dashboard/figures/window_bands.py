"""The windows on lambda, one above the other on one axis: what each admits, and what is left of them together."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dashboard.drawing.number_text import plain
from dashboard.drawing.theme import AMBIGUOUS_HATCH, Palette, palette
from dashboard.figures.base import style
from dashboard.figures.lambda_scale import LambdaScale
from dashboard.figures.sketch import Sketch

__all__ = ["Band", "window_bands"]

_NARROW = 0.02  # width relative to lambda up to which a band is one answer
_ROW, _BAR, _MARK = 56, 20, 6  # pixels: of a row, of the bar in it, and of the thinnest band
_BETWEEN = 0.68  # rows above one's own: where neither bars nor words are
_WORDS = {"shut": "says nothing", "refuted": "fits nowhere"}


@dataclass(frozen=True)
class Band:
    """One row.

    Attributes:
        name: of the window, or of what all of them leave.
        intervals: admissible lambdas, (low, high) in ascending order; ends may be infinite.
        state: "open", "shut" or "refuted"; the intervals of the latter two say nothing.
        together: whether this is the row of the intersection.
    """

    name: str
    intervals: Sequence[tuple[float, float]]
    state: str = "open"
    together: bool = False

    @property
    def narrow(self) -> bool:
        """Whether one narrow band is all there is."""
        return self.state == "open" and len(self.intervals) == 1 and _is_narrow(*self.intervals[0])


class _Piece(NamedTuple):
    """One stretch of one row, as it is drawn."""

    left: float
    right: float
    height: float
    hover: str


def window_bands(
    windows: Sequence[Band], *, least: float = 0.0, true_scale: float | None = None, dark: bool = False
) -> Sketch:
    """A row for every window: blue where lambda is settled, hatched where a range is left, an outline if it is shut.

    Args:
        windows: from top to bottom; the title states what the row that is ``together`` shows.
        least: smallest possible |lambda|: 1 for a gradient as it was computed, 0 where it may have been multiplied.
        true_scale: the client's lambda, None to leave it out.
        dark: colours for a dark page.

    Returns:
        The figure. Every hover shows the exact ends of a band; bands too thin to see are drawn as marks.
    """
    colours = palette(dark)
    ends = [end for band in windows if band.state == "open" for interval in band.intervals for end in interval]
    scale = LambdaScale.around([*ends, *([] if true_scale is None else [true_scale])])
    heights = range(len(windows), 0, -1)
    rows = list(zip(windows, heights, strict=True))
    figure = Sketch()
    edge = scale.position(least)
    figure.add_vrect(-edge, edge, fillcolor=colours.infeasible, line={"width": 0}, layer="below")
    everywhere = {"color": "rgba(0,0,0,0)", "line": {"color": colours.muted, "width": 1.5}}
    _add_bars(figure, _whole_rows(rows, "shut", scale), "says nothing", everywhere)
    nowhere = {"color": colours.infeasible, "line": {"width": 0}}
    _add_bars(figure, _whole_rows(rows, "refuted", scale), "fits nowhere", nowhere)
    hatch = {"shape": AMBIGUOUS_HATCH, "fgcolor": colours.recovered, "fillmode": "replace", "size": 7}
    wide = {"color": colours.recovered, "line": {"color": colours.recovered, "width": 1}, "pattern": hatch}
    _add_bars(figure, list(_pieces(rows, scale, narrow=False)), "left open", wide)
    if true_scale is not None and math.isfinite(true_scale):
        _add_truth(figure, scale.position(true_scale), true_scale, len(windows), colours)
    _add_marks(figure, rows, scale, colours)
    style(figure, _finding(windows), colours, height=_ROW * len(windows) + 160)
    figure.update_layout(barmode="overlay", margin={"b": 90})
    figure.update_xaxes(
        range=[-scale.end, scale.end],
        tickvals=scale.tick_positions,
        ticktext=scale.tick_texts,
        ticks="outside",
        tickangle=0,
        title={"text": "λ, in powers of ten"},
    )
    figure.update_yaxes(
        range=[1 - _BAR / _ROW, len(windows) + 0.75],
        showticklabels=False,
        ticks="",
        showgrid=False,
        showline=False,
        zeroline=False,
    )
    for band, height in rows:
        if band.together:  # the row of the result stands apart
            figure.add_hline(height + _BETWEEN, line={"color": colours.grid, "width": 1})
        figure.add_annotation(
            x=0,
            xref="paper",
            y=height,
            text=_label(band, colours),
            xanchor="left",
            yanchor="bottom",
            yshift=_BAR / 2 + 1,
            font={"size": 14, "color": colours.text},
            bgcolor=colours.background,  # the line of the truth may run through the words
            borderpad=0,
        )
    return figure


def _pieces(rows: Sequence[tuple[Band, float]], scale: LambdaScale, *, narrow: bool) -> Iterator[_Piece]:
    """The narrow bands of all open rows, or the wide ones; a wide one that crosses the gap comes in two."""
    for band, height in rows:
        for low, high in band.intervals if band.state == "open" else ():
            if _is_narrow(low, high) is narrow:
                hover = f"{band.name}<br>{_exactly(low, high)}"
                yield from (_Piece(left, right, height, hover) for left, right in scale.stretches(low, high))


def _whole_rows(rows: Sequence[tuple[Band, float]], state: str, scale: LambdaScale) -> list[_Piece]:
    """From end to end, for the rows of this state."""
    return [
        _Piece(-scale.end, scale.end, height, f"{band.name}<br>{_WORDS[state]}")
        for band, height in rows
        if band.state == state
    ]


def _add_bars(figure: Sketch, pieces: Sequence[_Piece], name: str, look: Mapping[str, object]) -> None:
    """One kind of bar."""
    if pieces:
        figure.add_bar(
            x=[piece.right - piece.left for piece in pieces],
            base=[piece.left for piece in pieces],
            y=[piece.height for piece in pieces],
            orientation="h",
            width=_BAR / _ROW,
            name=name,
            marker=dict(look),
            hovertext=[piece.hover for piece in pieces],
            hovertemplate="%{hovertext}<extra></extra>",
        )


def _add_marks(figure: Sketch, rows: Sequence[tuple[Band, float]], scale: LambdaScale, colours: Palette) -> None:
    """Bands thinner than a few pixels: filled where a row has just this one, hollow where it has more."""
    for settled, name in ((True, "settled"), (False, "one of several")):
        pieces = list(_pieces([row for row in rows if row[0].narrow is settled], scale, narrow=True))
        if pieces:
            figure.add_scatter(
                x=[(piece.left + piece.right) / 2 for piece in pieces],
                y=[piece.height for piece in pieces],
                mode="markers",
                name=name,
                marker={
                    "symbol": "line-ns" if settled else "diamond-open",
                    "size": _BAR if settled else 14,
                    "color": colours.recovered,
                    "line": {"color": colours.recovered, "width": _MARK if settled else 2.5},
                },
                hovertext=[piece.hover for piece in pieces],
                hovertemplate="%{hovertext}<extra></extra>",
            )


def _add_truth(figure: Sketch, place: float, true_scale: float, rows: int, colours: Palette) -> None:
    """A dashed line through all rows."""
    figure.add_scatter(
        x=[place] * (rows + 2),
        y=[0.5, *range(1, rows + 1), rows + 0.5],
        mode="lines",
        name="truth",
        line={"color": colours.truth, "width": 2, "dash": "dash"},
        hovertemplate=f"truth<br>λ = {plain(true_scale, 9)}<extra></extra>",
    )


def _is_narrow(low: float, high: float) -> bool:
    return math.isfinite(high - low) and low * high > 0 and high - low <= _NARROW * abs(low + high) / 2


def _exactly(low: float, high: float) -> str:
    """Both ends, with as many digits as it takes to tell them apart."""
    texts = [(plain(low, digits), plain(high, digits)) for digits in (4, 7, 10, 13)]
    first, last = next((pair for pair in texts if pair[0] != pair[1]), texts[-1])
    return f"λ from {first} to {last}"


def _label(band: Band, colours: Palette) -> str:
    """The words above a row: its name, and what it leaves."""
    if band.state != "open":
        words = _WORDS[band.state]
    elif not band.intervals:
        words = "no λ"
    elif band.narrow:
        words = f"λ = {plain(sum(band.intervals[0]) / 2, 4)}"
    elif len(band.intervals) > 1:
        words = f"{len(band.intervals)} ranges"
    else:
        words = "{} to {}".format(*(plain(end, 3) for end in band.intervals[0]))
    return f'<b>{band.name}</b>  <span style="color: {colours.muted}">{words}</span>'


def _finding(windows: Sequence[Band]) -> str:
    """What is left of all windows together."""
    together = next((band for band in windows if band.together), None)
    if together is None:
        return "What each window admits"
    if together.state != "open":
        return "No window is open: every λ is possible"
    if not together.intervals:
        return "Together the windows leave no λ"
    if together.narrow:
        return f"Together the windows leave one λ: {plain(sum(together.intervals[0]) / 2, 4)}"
    if len(together.intervals) > 1:
        return f"Together the windows leave {len(together.intervals)} ranges of λ"
    low, high = (plain(end, 3) for end in together.intervals[0])
    return f"Together the windows leave every λ from {low} to {high}"
