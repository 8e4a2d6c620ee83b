"""Keep the browser's history to one entry for each thing the visitor did; draws nothing."""

from pathlib import Path

import streamlit as st

from dashboard.components.assets import read_parts

__all__ = ["history_keeper"]

_mount = st.components.v2.component(
    "history_keeper", html="<i hidden></i>", js=read_parts(Path(__file__).parent, "history_keeper.js")
)


def history_keeper() -> None:
    """Put it on the page, before anything that may change the address."""
    _mount(key="history keeper")
