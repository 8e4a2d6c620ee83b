"""Behind the last step: the run to take along, as numbers, as a page to open offline, and as a script."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard.claims import label as claims
from dashboard.export import Run, label_table, numbers, offline_page, script
from dashboard.figures import gradient_heatmap
from dashboard.sections.lab.run_figures import RunFigures
from dashboard.sections.story.view import LabView
from gradinv_core.image_recovery import ImageRecovery

__all__ = ["show"]

_HELP = "Made when you click, from what the page shows now."
_PAGE_HELP = "Figures stay interactive in it, and can be saved from it as SVG or PNG."


def show(view: LabView, recovery: ImageRecovery | None) -> None:
    """Draw the buttons; what they give is made when somebody asks for it.

    Args:
        view: the solved scenario.
        recovery: its picture, None where there is none yet.
    """
    run = Run(view.scenario, view.class_names, view.client, view.attack, recovery)
    files: tuple[tuple[str, str, str, str, Callable[[], str]], ...] = (
        ("Page to open offline", "run.html", "text/html", ":material/web:", lambda: _page(view, run)),
        ("Numbers (JSON)", "run.json", "application/json", ":material/data_object:", lambda: numbers(run)),
        ("Label (CSV)", "label.csv", "text/csv", ":material/table:", lambda: label_table(run)),
        ("Python script", "run.py", "text/x-python", ":material/code:", lambda: script(run)),
    )
    with st.expander("Take this run along", icon=":material/download:"), st.container(horizontal=True):
        for title, name, kind, icon, make in files:
            help_ = f"{_HELP} {_PAGE_HELP}" if kind == "text/html" else _HELP
            st.download_button(title, make, name, kind, key=f"take {name}", icon=icon, on_click="ignore", help=help_)


def _page(view: LabView, run: Run) -> str:
    figures = RunFigures.of(view).drawn(dark=view.dark)
    if view.client.head_gradient is not None:
        figures.append(gradient_heatmap(view.client.head_gradient, view.class_names, dark=view.dark))
    verdict = claims.verdict(view.server, view.truth).text.replace("**", "")
    return offline_page(run, verdict, figures, dark=view.dark)
