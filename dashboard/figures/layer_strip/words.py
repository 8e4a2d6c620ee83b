"""What the strip says: its finding, a label above every row, and in the hover all its numbers and its name."""

from collections.abc import Mapping, Sequence

from dashboard.drawing.number_text import percent, plain
from dashboard.drawing.theme import Palette
from dashboard.figures.layer_strip.rows import Row, StripBlock, StripLayer, layers_of, solved

__all__ = ["FILLED", "UNNEEDED", "alternative", "finding", "hover", "label", "legend_words", "skip_hover"]

FILLED, UNNEEDED = "filled in by a search", "not needed"
_LEAKS = {"exact": "leaks exactly", "almost": "leaks almost", "not": "does not leak"}
_SOLVED = {"exact": "determined", "almost": "mostly determined", "not": "left open"}
_COUNTS = {"exact": "enough equations", "almost": "half of them or more", "not": "fewer than half"}


def legend_words(rows: Sequence[Row], exact: bool) -> Mapping[str, str]:
    """What a row's colour means: it leaks, its equations say something, or there are so many of them."""
    if not solved(rows):
        return _COUNTS
    return _LEAKS if exact else _SOLVED


def label(row: Row, roomy: bool, colours: Palette) -> str:
    """The words above a row: what it is, and the numbers that decide. One line holds little on a phone."""
    if row.leak == "unneeded":
        return f'{_short_kind(row)}: <span style="color: {colours.muted}">{UNNEEDED}</span>'
    if not roomy:
        return f"{_short_kind(row)}: {row.equations:,} for {row.unknowns:,}"
    numbers = f"{row.equations:,} equations for {row.unknowns:,} unknowns"
    return f'{_kind(row)}<br><span style="color: {colours.muted}">{numbers}</span>'


def hover(row: Row) -> str:
    """All numbers of a row."""
    if isinstance(row, StripLayer):
        return "<br>".join((f"layer {row.name}: {row.kind}", *_numbers(row)))
    lines = [f"{row.name}: a block of {len(row.layers)} layers, with a skip"]
    for layer in (*row.layers, *row.skip):
        lines += [f"<b>{layer.name}</b>, {layer.kind}", "; ".join(_numbers(layer))]
    return "<br>".join(lines)


def skip_hover(block: StripBlock) -> str:
    """What the skip around a block does."""
    through = f"through layer {', '.join(layer.name for layer in block.skip)}" if block.skip else "as it is"
    return (
        f"skip around {block.name}: what came in is added again, {through};<br>"
        f"the loss gradient comes back the same way"
    )


def alternative(rows: Sequence[Row], exact: bool) -> str:
    """The strip in words, for whoever does not see it: the finding, then every row."""
    words = legend_words(rows, exact)
    parts = []
    for row in rows:
        if row.leak == "unneeded":
            parts.append(f"{_kind(row)}: {UNNEEDED}")
            continue
        errors = [layer.error for layer in layers_of([row]) if layer.error is not None]
        bar = f", error bar {plain(max(errors), 2)} of its size" if errors else ""
        how = FILLED if row.filled and not row.determined else words[row.leak]
        parts.append(f"{_kind(row)}: {row.equations:,} equations for {row.unknowns:,} unknowns{bar}, {how}")
    return f"{finding(rows, exact)}. From the picture to the head: {'; '.join(parts)}."


def finding(rows: Sequence[Row], exact: bool) -> str:
    """What the strip shows, in one line.

    Args:
        rows: from the picture to the head.
        exact: whether the solved layers' inputs are what really was there.
    """
    layers = [layer for layer in layers_of(rows) if layer.leak != "unneeded"]
    found = (_of_solved(layers) if exact else _of_changed(layers)) if solved(layers) else _of_counted(layers)
    left = len(layers_of(rows)) - len(layers)
    if not left:
        return found
    return f"{found}; the {left} layers between {'need' if left > 1 else 'needs'} not be undone"


def _of_counted(layers: Sequence[StripLayer]) -> str:
    short = sum(layer.leak != "exact" for layer in layers)
    if not short:
        return "Only counted: every layer has at least as many equations as unknowns"
    has = "has" if short == 1 else "have"
    return f"Only counted: {short} of {len(layers)} layers {has} fewer equations than unknowns"


def _of_changed(layers: Sequence[StripLayer]) -> str:
    exact = sum(layer.leak == "exact" for layer in layers)
    if not exact:
        return "The equations determine no layer's input"
    return f"The equations determine the input of {exact} of {len(layers)} layers, but not as it was"


def _of_solved(layers: Sequence[StripLayer]) -> str:
    total = len(layers)
    exact, almost = (sum(layer.leak == leak for layer in layers) for leak in ("exact", "almost"))
    filled = sum(layer.leak == "not" and layer.filled for layer in layers)
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
    if filled:
        parts.append(f"{filled} {'was' if filled == 1 else 'were'} {FILLED}")
    if total - exact - almost - filled:
        parts.append(f"{total - exact - almost - filled} not")
    return ", ".join(parts)


def _kind(row: Row) -> str:
    if isinstance(row, StripLayer):
        return row.kind
    word = row.name.rpartition(".")[2]  # "attention" says what a block is, "layer1.0" does not
    return f"{word}, {len(row.layers)} layers" if word.isalpha() else f"block of {len(row.layers)} layers"


def _short_kind(row: Row) -> str:
    """Without the shapes."""
    return _kind(row).split(",")[0]


def _numbers(layer: StripLayer) -> list[str]:
    if layer.leak == "unneeded":
        return [f"{layer.unknowns:,} numbers went in; {UNNEEDED}"]
    lines = [f"{layer.unknowns:,} unknowns, {layer.equations:,} equations ({plain(layer.share, 2)} for each)"]
    if layer.rank is not None:
        lines.append(f"{layer.rank:,} determined ({percent(layer.rank / layer.unknowns)}): {_LEAKS[layer.leak]}")
    else:
        lines.append(f"counted only: {_COUNTS[layer.leak]}")
    if layer.filled:
        lines.append(f"the rest {FILLED}")
    if layer.residual is not None:
        lines.append(f"residual {plain(layer.residual, 2)}")
    if layer.error is not None:
        lines.append(f"error bar {plain(layer.error, 2)} of the input's size")
    return lines
