"""The figures of a page, each to be saved as SVG or PNG by the browser itself, without a word to the server.

Reading the page from a test: each figure is a `li` of `data-testid=figure-list`, with a button for each format.
"""

from pathlib import Path

import streamlit as st

from dashboard.components.assets import read_parts

__all__ = ["figure_saver"]

_FOLDER = Path(__file__).parent
_mount = st.components.v2.component(
    "figure_saver",
    html='<ul data-testid="figure-list"></ul><p hidden>No figure is drawn yet.</p>',
    css=read_parts(_FOLDER, "figure_saver.css"),
    js=read_parts(_FOLDER, "page_figures.js", "letters.js", "standalone.js", "figure_saver.js"),
)


def figure_saver() -> None:
    """Draw the list; it follows what the page shows."""
    _mount(key="figure saver")
