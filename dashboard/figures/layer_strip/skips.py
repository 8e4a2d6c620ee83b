"""The network's plan beside the rows: the way from the picture down to the head, and every skip around a block."""

import math
from collections.abc import Sequence

from dashboard.drawing.theme import Palette
from dashboard.figures.layer_strip.rows import Row, StripBlock
from dashboard.figures.layer_strip.words import skip_hover
from dashboard.figures.sketch import Sketch

__all__ = ["GUTTER", "draw_skips"]

GUTTER = 0.23
"""Room to the left of the rows, in the unit of their axis."""

_WAY, _ARC = -0.06, -0.19  # where the way and the skips run
_POINTS, _BOXY = 16, 0.5  # of a skip's line, and how much of a rectangle there is in it


def draw_skips(figure: Sketch, rows: Sequence[tuple[Row, float]], above: float, below: float, colours: Palette) -> None:
    """Draw the plan.

    Args:
        figure: of the rows, whose bars begin at 0.
        rows: those drawn, with their heights.
        above: how far a row reaches above its height.
        below: how far it reaches below it.
        colours: of the page.
    """
    line = {"color": colours.muted, "width": 2}
    ends = [rows[0][1] + above, rows[-1][1] - below]
    figure.add_scatter(x=[_WAY, _WAY], y=ends, mode="lines", line=line, hoverinfo="skip", showlegend=False)
    figure.add_scatter(
        x=[_WAY] * len(rows),
        y=[height for _, height in rows],
        mode="markers",
        marker={"symbol": "square", "size": 11, "color": colours.muted},
        hoverinfo="skip",
        showlegend=False,
    )
    blocks = [(row, height) for row, height in rows if isinstance(row, StripBlock)]
    across: list[float | None] = []
    up: list[float | None] = []
    texts: list[str] = []
    for block, height in blocks:
        turns = [math.pi * point / _POINTS for point in range(_POINTS + 1)]
        across += [*(_WAY + (_ARC - _WAY) * math.sin(turn) ** _BOXY for turn in turns), None]
        up += [*(height - below + (above + below) * (1 + math.cos(turn)) / 2 for turn in turns), None]
        texts += [skip_hover(block)] * (_POINTS + 2)
    figure.add_scatter(x=across, y=up, mode="lines", line=line, name="skip", hovertext=texts, hoverinfo="text")
    figure.add_scatter(
        x=[_WAY] * len(blocks),
        y=[height - below for _, height in blocks],
        mode="markers+text",
        marker={
            "symbol": "circle",
            "size": 13,
            "color": colours.background,
            "line": line,
        },
        text=["+"] * len(blocks),
        textfont={"size": 12, "color": colours.text},
        hovertext=[skip_hover(block) for block, _ in blocks],
        hoverinfo="text",
        showlegend=False,
    )
    with_layers = [(block, height) for block, height in blocks if block.skip]
    figure.add_scatter(
        x=[_ARC] * len(with_layers),
        y=[height + (above - below) / 2 for _, height in with_layers],
        mode="markers",
        marker={"symbol": "square", "size": 9, "color": colours.muted},
        hovertext=[skip_hover(block) for block, _ in with_layers],
        hoverinfo="text",
        showlegend=False,
    )
