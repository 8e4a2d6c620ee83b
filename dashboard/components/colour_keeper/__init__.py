"""Draw the page again when the visitor's system turns dark or light; draws nothing itself.

The server draws figures in a theme's colours: without a word from the browser they would keep those of before.
"""

from pathlib import Path

import streamlit as st

from dashboard.components.assets import read_parts

__all__ = ["colour_keeper"]

_mount = st.components.v2.component(
    "colour_keeper", html="<i hidden></i>", js=read_parts(Path(__file__).parent, "colour_keeper.js")
)


def colour_keeper() -> None:
    """Put it on the page; once is enough."""
    _mount(key="colour keeper", on_turned_change=_draw_again)


def _draw_again() -> None:
    """Nothing to do: that the script runs is enough."""
