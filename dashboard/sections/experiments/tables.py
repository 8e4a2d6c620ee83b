"""The tables of a stored study, the one that counts with its sum above it."""

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard.claims.plain_words import in_words
from dashboard.layout.story import number, numbers
from gradinv_core.experiments.study.record import Record
from gradinv_core.experiments.study.report import Table
from gradinv_core.experiments.study.report.tables import main_table

__all__ = ["show", "show_counts"]

_TALL = 15  # rows; a longer table scrolls in a window of its own
_TOLD = (": right", ": surely wrong", ": recognised", "slower")
"""Ends of the columns whose sums are worth a large number."""

_HELP: Mapping[str, str] = {
    "identifiable": "Samples whose prediction is not one-hot in float32. Of the others the last layer's gradient does "
    "not tell the label, whoever asks.",
    "ours: surely wrong": "Called the only answer, and off by more than a thousandth: what must never happen.",
    "the paper's search: silently wrong": "An answer was found and is not right. A search cannot tell.",
    "bias-based: right": "Reads label and feature off the gradient of the last layer's bias; asked only where one was "
    "sent.",
    "iDLG: right class": "It names one class, and no shares.",
    "the paper's search: times slower": "The paper's search beside ours, as a median over the samples.",
}


def show_counts(record: Record, fields: Sequence[str]) -> None:
    """Draw the sum of all rows as numbers, and the table below them.

    Args:
        record: the study, narrowed down.
        fields: of a scenario, whose values make a row.
    """
    table = main_table(record, fields)
    if table.rows:
        with st.container(key="study sums"), numbers():  # five of them in a row; see page.css
            for name, value in zip(table.columns, table.rows[-1], strict=True):
                if name.endswith(_TOLD):
                    number(name, value.partition(" (")[0], _HELP.get(name))
    show(table, "study counts")


def show(table: Table, key: str, empty: str = "No row is left; widen the choice above.") -> None:
    """Draw one.

    Args:
        table: what it says.
        key: of the widget.
        empty: what to say where it has no row.
    """
    st.subheader(table.title, anchor=False, help=table.note)
    if not table.rows:
        st.info(empty, icon=":material/info:")
        return
    columns = {name: [_said(row[place]) for row in table.rows] for place, name in enumerate(table.columns)}
    st.dataframe(
        columns,
        hide_index=True,
        key=key,
        column_config={
            name: st.column_config.TextColumn(
                name, help=_HELP.get(name), pinned=place == 0, alignment="left" if place < table.words else "right"
            )
            for place, name in enumerate(table.columns)
        },
        height="content" if len(table.rows) <= _TALL else 560,
    )


def _said(cell: str) -> str:
    """A cell in the page's words, where it is words."""
    return in_words(cell) if "lambda" in cell else cell
