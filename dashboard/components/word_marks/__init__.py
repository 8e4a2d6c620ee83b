"""Underline a term where the page first uses it, and explain it under the pointer or a finger; draws nothing itself.

The page's text stays as Streamlit wrote it: browsers paint ranges of a text (the CSS Custom Highlight API), and where
one does not, the list behind the button beside the title is there all the same. It is the keyboard's way, too.
"""

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from dashboard.components.assets import read_parts

__all__ = ["word_marks"]

_mount = st.components.v2.component(
    "word_marks", html="<i hidden></i>", js=read_parts(Path(__file__).parent, "first_uses.js", "word_marks.js")
)


def word_marks(words: Mapping[str, str]) -> None:
    """Mark them on the page; once for each page.

    Args:
        words: a term -> one sentence about it. What stands in brackets is left aside where the term is looked for.
    """
    _mount(key="word marks", data={"words": dict(words)})
