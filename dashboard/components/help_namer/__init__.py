"""Name every help button by what it explains; draws nothing."""

from pathlib import Path

import streamlit as st

from dashboard.components.assets import read_parts

__all__ = ["help_namer"]

_mount = st.components.v2.component(
    "help_namer", html="<i hidden></i>", js=read_parts(Path(__file__).parent, "help_namer.js")
)


def help_namer() -> None:
    """Put it on the page; once is enough, it watches what comes later."""
    _mount(key="help namer")
