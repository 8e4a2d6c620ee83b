"""How many took which choice, as bars that wrap on a phone and that a screen reader reads as a list."""

from collections.abc import Mapping, Sequence
from html import escape

from dashboard.drawing.theme import palette

__all__ = ["vote_bars"]

_SHORT, _MANY = 12, 7  # letters of a choice, and choices, that stand beside their bars: so ten classes fit a projector
_BESIDE = "'words bar number' / 5rem 1fr auto"
_ABOVE = "'words number' 'bar bar' / 1fr auto"


def vote_bars(choices: Sequence[str], votes: Mapping[int, int], right: int | None, *, dark: bool) -> str:
    """HTML of a bar for each choice, with its number; the right one is outlined and says so.

    Args:
        choices: of the question.
        votes: choice -> how many took it.
        right: the right choice, None where it is not to be seen.
        dark: colours for a dark page.
    """
    colours, most = palette(dark), max([1, *votes.values()])
    beside = len(choices) >= _MANY and all(len(choice) <= _SHORT for choice in choices)
    grid = _BESIDE if beside else _ABOVE
    rows = []
    for place, choice in enumerate(choices):
        number, marked = votes.get(place, 0), place == right
        words = f"{escape(choice)}{' (right)' if marked else ''}"
        outline = f"outline: 2px solid {colours.truth}; outline-offset: 1px" if marked else ""
        rows.append(
            f'<li style="display: grid; grid-template: {grid}; gap: 0 0.5rem; align-items: center; '
            f'margin-bottom: 0.3rem"><div style="grid-area: words">{words}</div>'
            f'<b data-testid="votes" style="grid-area: number">{number}</b>'
            f'<div style="grid-area: bar; height: 1.1rem; border-radius: 0.2rem; background: {colours.infeasible}; '
            f'{outline}"><div style="width: {100 * number / most:.1f}%; height: 100%; border-radius: 0.2rem; '
            f'background: {colours.recovered}"></div></div></li>'
        )
    return f'<ul style="list-style: none; margin: 0; padding: 0" aria-label="predictions">{"".join(rows)}</ul>'
