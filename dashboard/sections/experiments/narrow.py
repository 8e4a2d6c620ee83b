"""Narrow a study down: to some networks, labels, outcomes."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import streamlit as st

from gradinv_core.experiments.study.record import Record
from gradinv_core.experiments.study.report.tables import settled, surely_wrong
from gradinv_core.experiments.study.report.words import field_title, field_values
from gradinv_core.experiments.study.rows import Rows

__all__ = ["choose_filter", "choose_rows"]

_ALL = "all"
_OUTCOMES: Mapping[str, Callable[[Rows], npt.NDArray[np.bool_]]] = {
    _ALL: lambda rows: np.ones(len(rows), dtype=bool),
    "ours right and sure": settled,
    "ours not sure, or not right": lambda rows: ~rows.flags("error") & ~settled(rows),
    "ours surely wrong": surely_wrong,
    "the paper's search not right": lambda rows: rows.has("paper.status") & ~rows.flags("paper.right"),
    "could not be played": lambda rows: rows.flags("error"),
}


def choose_filter(record: Record) -> Callable[[Record], Record]:
    """Draw a menu for every field that varies, and one for the outcome.

    Args:
        record: the study that offers the choice.

    Returns:
        What narrows a study down to it: this one, and one that it is compared with.
    """
    asked: dict[str, str] = {}
    outcome = _ALL
    with st.expander("Narrow it down"), st.container(horizontal=True, gap="medium"):
        for name in record.specification.rows:
            values = list(dict.fromkeys(field_values(name, record.rows)))
            if len(values) < 2:
                continue
            title = field_title(name).capitalize()
            value = st.selectbox(title, [_ALL, *values], key=f"study {record.name} {name}", width=240)
            asked |= {} if value == _ALL else {name: value}
        if record.specification.kind == "label":
            outcome = st.selectbox("Outcome", list(_OUTCOMES), key=f"study {record.name} outcome", width=240)

    def narrowed(study: Record) -> Record:
        rows = study.rows.where(_OUTCOMES[outcome](study.rows))
        for name, value in asked.items():
            rows = rows.where(np.equal(field_values(name, rows), value).astype(bool))
        return replace(study, rows=rows)

    return narrowed


def choose_rows(record: Record) -> tuple[str, ...]:
    """Draw a menu of what makes a row of the table; the network alone, unless more is asked for.

    Args:
        record: the study.
    """
    fields = record.specification.rows
    kept = st.pills(
        "A row of the table for every",
        fields,
        selection_mode="multi",
        default=fields[0],
        format_func=field_title,
        key=f"study {record.name} rows",
    )
    return tuple(name for name in fields if name in kept) or fields[:1]
