"""Experiments: the tables of stored studies, and the way from each of their samples to the Lab."""

import streamlit as st

from dashboard.address import rest
from dashboard.layout.page import page_frame
from dashboard.layout.story import step
from dashboard.pages import EXPERIMENTS
from dashboard.sections.experiments import narrow, samples, shelf, tables
from gradinv_core.experiments.study.report import compare
from gradinv_core.experiments.study.report.tables import facts, reason_tables


def show_study(chosen: shelf.Chosen) -> None:
    """Draw one study, narrowed down, and what it is compared with."""
    study = chosen.record.specification
    step(1, study.title, shelf.SENTENCE, shelf.EXPLANATION)
    st.markdown(study.about)
    with st.expander("What was played, and how to play it again"):
        st.markdown("\n".join(f"- {fact}" for fact in facts(chosen.record)))
    narrowed = narrow.choose_filter(chosen.record)
    shown = narrowed(chosen.record)
    rows = narrow.choose_rows(chosen.record)
    tables.show_counts(shown, rows)
    for number, table in enumerate(reason_tables(shown)):
        tables.show(table, f"study table {number}")
    if chosen.other is not None:
        both = compare(shown, narrowed(chosen.other), rows, ("this study", "the other"))
        tables.show(both, "study comparison", "The two studies have no row in common.")
    step(2, "Sample by sample", samples.SENTENCE, samples.EXPLANATION)
    samples.show(shown)


with page_frame(
    "Experiments",
    "How often the attack is right, over many networks, pictures and labels, beside earlier attacks.",
    "One attack may be lucky. These tables count many, with the interval in which the true share lies, 95 times out of "
    "100.",
    ("Gradient", "Soft label", "Share", "Head", "λ (lambda)", "The paper", "PSNR"),
    figures=False,
):
    rest(EXPERIMENTS.name)
    choice = shelf.choose()
    if choice is not None:
        show_study(choice)
