"""The network as a strip of layers, the picture on top: how much each layer's equations say about what went into it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboard.drawing.number_text import percent, plain
from dashboard.drawing.theme import AMBIGUOUS_HATCH, Palette, palette
from dashboard.figures.base import style
from dashboard.figures.sketch import Sketch

__all__ = ["StripLayer", "layer_strip"]

_WORDS = {"exact": "leaks exactly", "almost": "leaks almost", "not": "does not leak"}
_SOLVED = {"exact": "determined", "almost": "mostly determined", "not": "left open"}
_COUNTS = {"exact": "enough equations", "almost": "half of them or more", "not": "fewer than half"}
_COUNTED = {"exact": AMBIGUOUS_HATCH, "almost": ".", "not": AMBIGUOUS_HATCH}  # patterns, where nothing was solved
_LONGEST = 2.0  # equations per unknown at the right edge; more are cut
_MOST_ROWS = 14
_FEW = 6  # rows up to which the numbers get a line of their own
_ROW, _LINE = 50, 24  # pixels: of a row, and of a second line of words in it
_BAR, _THIN = 18, 5  # pixels: thickness of what is determined, and of the equations under it


@dataclass(frozen=True)
class StripLayer:
    """One layer.

    Attributes:
        name: of the layer in the network.
        kind: what it is, in words.
        unknowns: entries of its input.
        equations: how many speak of them.
        leak: "exact", "almost" or "not".
        rank: unknowns that the equations determine; None where they were only counted, not solved.
        residual: relative misfit of the layer's gradient; None where it was not solved.
        error: reported standard deviation relative to the input's size; None where it was not solved.
    """

    name: str
    kind: str
    unknowns: int
    equations: int
    leak: str
    rank: int | None = None
    residual: float | None = None
    error: float | None = None


def layer_strip(layers: Sequence[StripLayer], *, exact: bool = True, dark: bool = False) -> Sketch:
    """A row for every layer: an outline as long as its unknowns, filled as far as they are determined.

    Args:
        layers: from the picture to the head.
        exact: whether the solved layers' inputs are what really was there; else only their equations are spoken of.
        dark: colours for a dark page.

    Returns:
        The figure. Of many layers the first and the last few are drawn; the hover of every row tells all its numbers.
    """
    colours = palette(dark)
    rows = _chosen(layers)
    roomy = len(rows) <= _FEW
    pitch = _ROW + _LINE * roomy
    heights = range(len(rows), 0, -1)
    drawn = [(layer, height) for layer, height in zip(rows, heights, strict=True) if layer is not None]
    figure = Sketch()
    for leak, words in _words(layers, exact).items():
        if alike := [(layer, height) for layer, height in drawn if layer.leak == leak]:
            colour = colours.muted if leak == "not" else colours.recovered
            shape = AMBIGUOUS_HATCH if _solved(layers) else _COUNTED[leak]
            hatched = {"shape": shape, "fgcolor": colour, "fillmode": "replace", "size": 6}
            sure = leak == "exact" and _solved(layers)
            look = {"color": colour, "line": {"width": 0}, "pattern": {} if sure else hatched}
            _add_bars(figure, alike, [_determined(layer) for layer, _ in alike], words, look, _BAR / pitch)
    outline = {"color": "rgba(0,0,0,0)", "line": {"color": colours.truth, "width": 2}}
    _add_bars(figure, drawn, [1.0] * len(drawn), "unknowns", outline, _BAR / pitch)
    below = [(layer, height - (_BAR / 2 + _THIN) / pitch) for layer, height in drawn]
    pale = {"color": colours.recovered_pale, "line": {"width": 0}}
    _add_bars(figure, below, [min(_share(layer), _LONGEST) for layer, _ in drawn], "equations", pale, _THIN / pitch)
    style(figure, _finding(layers, exact), colours, height=pitch * len(rows) + 150)
    figure.update_layout(barmode="overlay", margin={"b": 86})
    figure.update_xaxes(
        range=[-0.005, _LONGEST + 0.005],
        tickvals=[0, 0.5, 1, _LONGEST],
        ticktext=["none", "half", "all unknowns", "twice as many"],
        showgrid=True,
    )
    figure.update_yaxes(range=[0.6, len(rows) + 0.9], showticklabels=False, ticks="", showgrid=False, zeroline=False)
    for layer, height in zip(rows, heights, strict=True):
        text = f"… {len(layers) - len(drawn)} more layers …" if layer is None else _label(layer, roomy, colours)
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


def _add_bars(
    figure: Sketch,
    rows: Sequence[tuple[StripLayer, float]],
    lengths: Sequence[float],
    name: str,
    look: Mapping[str, object],
    thickness: float,
) -> None:
    """One kind of bar, in the rows of some layers at their heights."""
    figure.add_bar(
        x=lengths,
        y=[height for _, height in rows],
        orientation="h",
        width=thickness,
        name=name,
        marker=dict(look),
        hovertext=[_hover(layer) for layer, _ in rows],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _chosen(layers: Sequence[StripLayer]) -> list[StripLayer | None]:
    """All layers if they fit; else those at the picture and at the head, with a gap between them."""
    if len(layers) <= _MOST_ROWS:
        return list(layers)
    return [*layers[: _MOST_ROWS - 5], None, *layers[-4:]]


def _solved(layers: Sequence[StripLayer]) -> bool:
    return all(layer.rank is not None for layer in layers)


def _words(layers: Sequence[StripLayer], exact: bool) -> Mapping[str, str]:
    """What a layer's colour means: it leaks, its equations say something, or there are so many of them."""
    if not _solved(layers):
        return _COUNTS
    return _WORDS if exact else _SOLVED


def _share(layer: StripLayer) -> float:
    return layer.equations / layer.unknowns


def _determined(layer: StripLayer) -> float:
    """Share of the unknowns: determined where that was worked out, else what the count allows at best."""
    return min(layer.equations if layer.rank is None else layer.rank, layer.unknowns) / layer.unknowns


def _label(layer: StripLayer, roomy: bool, colours: Palette) -> str:
    """The words above a row: the kind, and the numbers that decide. One line holds little on a phone."""
    if not roomy:
        return f"{layer.kind}: {layer.equations:,} for {layer.unknowns:,}"
    numbers = f"{layer.equations:,} equations for {layer.unknowns:,} unknowns"
    return f'{layer.kind}<br><span style="color: {colours.muted}">{numbers}</span>'


def _hover(layer: StripLayer) -> str:
    lines = [
        f"layer {layer.name}: {layer.kind}",
        f"{layer.unknowns:,} unknowns, {layer.equations:,} equations ({plain(_share(layer), 2)} for each)",
    ]
    if layer.rank is not None:
        share = percent(layer.rank / layer.unknowns)
        lines.append(f"{layer.rank:,} determined ({share}): {_WORDS[layer.leak]}")
    else:
        lines.append(f"counted only: {_COUNTS[layer.leak]}")
    if layer.residual is not None:
        lines.append(f"residual {plain(layer.residual, 2)}")
    if layer.error is not None:
        lines.append(f"error bar {plain(layer.error, 2)} of the input's size")
    return "<br>".join(lines)


def _finding(layers: Sequence[StripLayer], solved_right: bool) -> str:
    total = len(layers)
    exact, almost = (sum(layer.leak == leak for layer in layers) for leak in ("exact", "almost"))
    if not _solved(layers):
        short = total - exact
        if not short:
            return "Only counted: every layer has at least as many equations as unknowns"
        return (
            f"Only counted: {short} of {total} layers {'has' if short == 1 else 'have'} fewer equations than unknowns"
        )
    if not solved_right:
        if not exact:
            return "The equations determine no layer's input"
        return f"The equations determine the input of {exact} of {total} layers, but not as it was"
    if exact == total:
        return {1: "The only layer leaks exactly", 2: "Both layers leak exactly"}.get(
            total, f"All {total} layers leak exactly"
        )
    if not exact + almost:
        return "No layer leaks"
    parts = [f"{count} {word}" for count, word in ((exact, "exactly"), (almost, "almost")) if count]
    first, *others = parts
    count, word = first.split()
    parts = [f"{count} of {total} layers leak{'s' * (count == '1')} {word}", *others]
    if total - exact - almost:
        parts.append(f"{total - exact - almost} not")
    return ", ".join(parts)
