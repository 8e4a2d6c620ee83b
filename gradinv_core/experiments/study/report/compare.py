"""Two studies side by side, wherever they played the same rows of the table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gradinv_core.experiments.study.record import Record
from gradinv_core.experiments.study.report.table import Table
from gradinv_core.experiments.study.report.tables import main_table

__all__ = ["compare"]

_PRECISE = (": right", ": right class", ": surely wrong", ": recognised", ": dB", ": ms", ": s")


def compare(first: Record, second: Record, fields: Sequence[str], names: tuple[str, str]) -> Table:
    """Columns that both have, one after the other.

    Args:
        first: a study.
        second: another, of the same kind.
        fields: of a scenario, whose values make a row.
        names: what to call the two.

    Returns:
        A table of the rows that both have, "all" last; without any row where they share none, or differ in kind.
    """
    left, right = (main_table(record, fields) for record in (first, second))
    same_kind = first.specification.kind == second.specification.kind
    shared = [name for name in left.columns[left.words :] if name in right.columns and name.endswith(_PRECISE)]
    other = {line[: right.words]: dict(zip(right.columns, line, strict=True)) for line in right.rows}
    lines = []
    for line in left.rows if same_kind else ():
        place, mine = line[: left.words], dict(zip(left.columns, line, strict=True))
        if place in other:
            lines.append((*place, *_alternate((mine[name], other[place][name]) for name in shared)))
    heads = _alternate((f"{name} ({names[0]})", f"{name} ({names[1]})") for name in shared)
    return Table(
        "Side by side",
        "Rows that both studies have; what does not make a row may differ between them. Times compare only where the "
        "machine was the same.",
        (*left.columns[: left.words], *heads),
        tuple(lines),
        left.words,
    )


def _alternate(pairs: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(one for pair in pairs for one in pair)
