"""Hover a class in one figure, and every other one marks it: its row of the gradient, its bars. Draws nothing."""

from pathlib import Path

import streamlit as st

from dashboard.components.assets import read_parts

__all__ = ["class_links"]

_mount = st.components.v2.component(
    "class_links", html="<i hidden></i>", js=read_parts(Path(__file__).parent, "class_links.js")
)


def class_links() -> None:
    """Put it on a page whose figures have classes on an axis; once is enough, it watches what comes later."""
    _mount(key="class links")
