"""How many took which choice, as bars that wrap on a phone and that a screen reader reads as a list."""

from collections.abc import Mapping, Sequence
from html import escape

from dashboard.drawing.theme import palette

__all__ = ["vote_bars"]


def vote_bars(choices: Sequence[str], votes: Mapping[int, int], right: int | None, *, dark: bool) -> str:
    """HTML of a bar for each choice, with its number; the right one is outlined and says so.

    Args:
        choices: of the question.
        votes: choice -> how many took it.
        right: the right choice, None where it is not to be seen.
        dark: colours for a dark page.
    """
    colours, most = palette(dark), max([1, *votes.values()])
    rows = []
    for place, choice in enumerate(choices):
        number, marked = votes.get(place, 0), place == right
        words = f"{escape(choice)}{' (right)' if marked else ''}"
        outline = f"outline: 2px solid {colours.truth}; outline-offset: 1px" if marked else ""
        rows.append(
            f'<li style="margin-bottom: 0.5rem"><div><b data-testid="votes">{number}</b> {words}</div>'
            f'<div style="height: 1.1rem; border-radius: 0.2rem; background: {colours.infeasible}; {outline}">'
            f'<div style="width: {100 * number / most:.1f}%; height: 100%; border-radius: 0.2rem; '
            f'background: {colours.recovered}"></div></div></li>'
        )
    return f'<ul style="list-style: none; margin: 0; padding: 0" aria-label="predictions">{"".join(rows)}</ul>'
