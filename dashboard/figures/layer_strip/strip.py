"""The strip itself: an outline as long as a row's unknowns, filled as far as they are determined."""

from collections.abc import Mapping, Sequence

from dashboard.drawing.theme import AMBIGUOUS_HATCH, palette
from dashboard.figures.base import style
from dashboard.figures.layer_strip.rows import Row, StripBlock, solved
from dashboard.figures.layer_strip.skips import GUTTER, draw_skips
from dashboard.figures.layer_strip.words import FILLED, UNNEEDED, alternative, finding, hover, label, legend_words
from dashboard.figures.sketch import Sketch

__all__ = ["layer_strip"]

_COUNTED = {"exact": AMBIGUOUS_HATCH, "almost": ".", "not": AMBIGUOUS_HATCH}  # patterns, where nothing was solved
_SEARCHED = "x"  # pattern of what a search filled in
_LONGEST = 2.0  # equations per unknown at the right edge; more are cut
_MOST_ROWS = 20
_FEW = 6  # rows up to which the numbers get a line of their own
_ROW, _LINE = 50, 24  # pixels: of a row, and of a second line of words in it
_BAR, _THIN = 18, 5  # pixels: thickness of what is determined, and of the equations under it
_GAP = 4  # pixels below the equations, where a row ends


def layer_strip(rows: Sequence[Row], *, exact: bool = True, dark: bool = False) -> Sketch:
    """A row for every layer, or for every block of layers that a skip leads around.

    Args:
        rows: from the picture to the head.
        exact: whether the solved layers' inputs are what really was there; else only their equations are spoken of.
        dark: colours for a dark page.

    Returns:
        The figure. Of many rows the first and the last few are drawn; the hover of every row tells all its numbers.
    """
    colours = palette(dark)
    chosen = _chosen(rows)
    roomy = len(chosen) <= _FEW
    pitch = _ROW + _LINE * roomy
    heights = range(len(chosen), 0, -1)
    drawn = [(row, float(height)) for row, height in zip(chosen, heights, strict=True) if row is not None]
    figure = Sketch()
    for leak, words in legend_words(rows, exact).items():
        alike = [(row, height) for row, height in drawn if row.leak == leak and not (row.filled and not row.determined)]
        if alike:
            colour = colours.muted if leak == "not" else colours.recovered
            shape = AMBIGUOUS_HATCH if solved(rows) else _COUNTED[leak]
            sure = leak == "exact" and solved(rows)
            look = {"color": colour, "line": {"width": 0}, "pattern": {} if sure else _hatched(shape, colour)}
            _add_bars(figure, alike, [row.determined for row, _ in alike], words, look, _BAR / pitch)
    if searched := [(row, height) for row, height in drawn if row.filled and row.determined < 1]:
        look = {"color": colours.recovered, "line": {"width": 0}, "pattern": _hatched(_SEARCHED, colours.recovered)}
        starts = [row.determined for row, _ in searched]
        _add_bars(figure, searched, [1 - start for start in starts], FILLED, look, _BAR / pitch, starts)
    needed = [(row, height) for row, height in drawn if row.leak != "unneeded"]
    outline = {"color": "rgba(0,0,0,0)", "line": {"color": colours.truth, "width": 2}}
    _add_bars(figure, needed, [1.0] * len(needed), "unknowns", outline, _BAR / pitch)
    if unneeded := [(row, height) for row, height in drawn if row.leak == "unneeded"]:
        faint = {"color": "rgba(0,0,0,0)", "line": {"color": colours.grid, "width": 2}}
        _add_bars(figure, unneeded, [1.0] * len(unneeded), UNNEEDED, faint, _BAR / pitch)
    below = [(row, height - (_BAR / 2 + _THIN) / pitch) for row, height in needed]
    pale = {"color": colours.recovered_pale, "line": {"width": 0}}
    _add_bars(figure, below, [min(row.share, _LONGEST) for row, _ in needed], "equations", pale, _THIN / pitch)
    end = (_BAR / 2 + 2 * _THIN + _GAP) / pitch
    skips = any(isinstance(row, StripBlock) for row in rows)
    if skips:
        draw_skips(figure, drawn, 1 - end, end, colours)
    style(figure, finding(rows, exact), colours, height=pitch * len(chosen) + 150)
    figure.alt = alternative(rows, exact)
    figure.update_layout(barmode="overlay", margin={"b": 86})
    figure.update_xaxes(
        range=[-0.005 - GUTTER * skips, _LONGEST + 0.005],
        tickvals=[0, 0.5, 1, _LONGEST],
        ticktext=["none", "half", "all", "twice"],
        tickangle=0,
        showgrid=True,
    )
    figure.update_yaxes(range=[0.6, len(chosen) + 0.9], showticklabels=False, ticks="", showgrid=False, zeroline=False)
    for place, height in zip(chosen, heights, strict=True):
        text = f"… {len(rows) - len(drawn)} more …" if place is None else label(place, roomy, colours)
        figure.add_annotation(
            x=0,
            y=height,
            text=text,
            xanchor="left",
            yanchor="bottom",
            yshift=_BAR / 2 + 1,
            align="left",
        )
    figure.update_annotations(font={"size": 14, "color": colours.text})
    return figure


def _hatched(shape: str, colour: str) -> dict[str, object]:
    return {"shape": shape, "fgcolor": colour, "fillmode": "replace", "size": 6}


def _add_bars(
    figure: Sketch,
    rows: Sequence[tuple[Row, float]],
    lengths: Sequence[float],
    name: str,
    look: Mapping[str, object],
    thickness: float,
    starts: Sequence[float] | None = None,
) -> None:
    """One kind of bar, in some rows at their heights."""
    figure.add_bar(
        x=lengths,
        y=[height for _, height in rows],
        base=starts,
        orientation="h",
        width=thickness,
        name=name,
        marker=dict(look),
        hovertext=[hover(row) for row, _ in rows],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _chosen(rows: Sequence[Row]) -> list[Row | None]:
    """All rows if they fit; else those at the picture and at the head, with a gap between them."""
    if len(rows) <= _MOST_ROWS:
        return list(rows)
    return [*rows[: _MOST_ROWS - 5], None, *rows[-4:]]
