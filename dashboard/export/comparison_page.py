"""Two runs side by side as one HTML file that needs no server and no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from dashboard.export.shell import picture_figure, shell

__all__ = ["comparison_page"]


def comparison_page(
    names: tuple[str, str], pictures: tuple[str, str], rows: Sequence[Mapping[str, str]], *, dark: bool
) -> str:
    """The file's text.

    Args:
        names: of the runs, the earlier one first: what is special about each.
        pictures: what was rebuilt, as `data:` addresses; empty where there is none.
        rows: of the comparison, each with the same columns.
        dark: colours of a dark page.
    """
    shown = "".join(
        picture_figure(source, f"{when}: {name}.") if source else f"<p>{when}: {escape(name)}. No picture.</p>"
        for when, name, source in zip(("Then", "Now"), names, pictures, strict=True)
    )
    head = "".join(f"<th>{escape(column)}" for column in rows[0]) if rows else ""
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}" for cell in row.values()) for row in rows)
    return shell("Two runs compared", f"{shown}<table><tr>{head}{lines}</table>", dark=dark)
