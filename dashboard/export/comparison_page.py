"""Two runs side by side as one HTML file that needs no server and no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from dashboard.export.interactive import interactive
from dashboard.export.shell import picture_figure, shell
from dashboard.figures.sketch import Sketch

__all__ = ["ComparedRun", "comparison_page"]


@dataclass(frozen=True)
class ComparedRun:
    """One of the two.

    Attributes:
        name: what is special about it.
        picture: what was rebuilt, as a `data:` address; empty where there is none.
        figures: in the order of the other run's; each title states its finding.
    """

    name: str
    picture: str
    figures: Sequence[Sketch]


def comparison_page(before: ComparedRun, now: ComparedRun, rows: Sequence[Mapping[str, str]], *, dark: bool) -> str:
    """The file's text.

    Args:
        before: the earlier run.
        now: the later one.
        rows: of the comparison, each with the same columns.
        dark: whether the figures were drawn for a dark page.
    """
    runs = (("Then", before), ("Now", now))
    pictures = "".join(
        picture_figure(run.picture, f"{when}: {run.name}.")
        if run.picture
        else f"<p>{when}: {escape(run.name)}. No picture.</p>"
        for when, run in runs
    )
    head = "".join(f"<th>{escape(column)}" for column in rows[0]) if rows else ""
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}" for cell in row.values()) for row in rows)
    pairs = zip(before.figures, now.figures, strict=True)
    drawn = interactive(
        [(f"{when}: {each.title}", each) for pair in pairs for (when, _), each in zip(runs, pair, strict=True)]
    )
    return shell("Two runs compared", f"{pictures}<table><tr>{head}{lines}</table>{drawn}", dark=dark)
