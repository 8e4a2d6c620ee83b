"""Name every help button by what it explains, and let the keyboard reach what scrolls, and λ; draws nothing."""

from pathlib import Path

import streamlit as st

from dashboard.components.assets import read_parts

__all__ = ["access_keeper"]

_mount = st.components.v2.component(
    "access_keeper",
    html="<i hidden></i>",
    js=read_parts(Path(__file__).parent, "skip_link.js", "access_keeper.js"),
)


def access_keeper() -> None:
    """Put it on the page; once is enough, it watches what comes later."""
    _mount(key="access keeper")
