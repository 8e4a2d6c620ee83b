"""The samples of a study, one by one, each a click away from the Lab."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard.address import query_of
from dashboard.claims.plain_words import in_words
from dashboard.drawing.number_text import plain
from dashboard.pages import LAB
from gradinv_core.checkpoints import available_stages
from gradinv_core.experiments.scenario import Scenario, from_query, to_query
from gradinv_core.experiments.study.record import Record
from gradinv_core.experiments.study.report.words import field_title, field_values
from gradinv_core.experiments.study.rows import Rows
from gradinv_core.experiments.study.specification import KINDS
from gradinv_core.experiments.study.store import Row

__all__ = ["ELSEWHERE", "EXPLANATION", "SENTENCE", "on_this_page", "show"]

SENTENCE = "Choose a sample, and the Lab plays it again from the client's picture to the server's."
EXPLANATION = "A sample's address holds the whole scenario: the same network, pictures, label and seed."

ELSEWHERE = (
    "The Lab cannot play this one: its pictures or its weights lie on the disk of whoever played the study, or the "
    "weights are ImageNet's, and an address holds neither."
)

_MOST = 500
_RIGHT = {True: "right", False: "not right"}


def show(record: Record) -> None:
    """Draw the list, and below it the sample that was chosen.

    Args:
        record: the study, narrowed down.
    """
    rows = record.rows[:_MOST]
    if not rows:
        st.info("No sample is left; widen the choice above.", icon=":material/info:")
        return
    event = st.dataframe(
        _columns(rows, record),
        hide_index=True,
        key="study samples",
        on_select="rerun",
        selection_mode="single-row",
        height=360,
    )
    more = len(record.rows) - len(rows)
    st.caption(
        f"{len(rows):,} samples{f', and {more:,} more: narrow the study down to see them' if more else ''}. "
        "The box at the left of a row chooses it."
    )
    for place in _selected(event):
        if place < len(rows):  # the list may have become shorter since
            _chosen(rows[place])


def on_this_page(scenario: Scenario) -> bool:
    """Whether the Lab can play a scenario: its address says all of it."""
    return from_query(to_query(scenario), available_stages) == (scenario, [])


def _selected(event: Any) -> Sequence[int]:
    """Numbers of the rows that were clicked: one or none."""
    found: Sequence[int] = event.selection.rows
    return found


def _chosen(row: Row) -> None:
    with st.container(border=True):
        st.markdown(f"**Sample {row.number}**: {in_words(_said(row))}")
        if on_this_page(row.scenario):
            LAB.link("Open it in the Lab", query_of(row.scenario))
        else:
            st.caption(ELSEWHERE)


def _said(row: Row) -> str:
    """What the exact solver said of it."""
    return row.error or row.outcome.get("ours", {}).get("message") or "played."


def _columns(rows: Rows, record: Record) -> dict[str, list[str]]:
    columns = {"sample": [f"{number}" for number in rows.column("number")]}
    for name in record.specification.rows:
        columns[field_title(name)] = field_values(name, rows).tolist()
    made = list(rows)
    for solver in record.specification.solvers:
        columns[KINDS[record.specification.kind][solver].title] = [_outcome(row, solver) for row in made]
    return columns


def _outcome(row: Row, solver: str) -> str:
    """A solver's answer in a word or two; a dash where it was not asked."""
    answer = row.outcome.get(solver)
    if answer is None:
        return "-"
    if "psnr" in answer:
        return "no picture" if answer["psnr"] is None else f"{plain(answer['psnr'], 3)} dB"
    if solver == "idlg":
        return f"class {_RIGHT[bool(answer['right_class'])]}"
    return f"{answer['status']}, {_RIGHT[bool(answer['right'])]}"
