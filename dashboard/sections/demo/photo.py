"""Which picture is on the device: one of a few that are ready, or the visitor's own."""

from __future__ import annotations

import streamlit as st

from dashboard import cache
from dashboard.background.tab import keep_photo, session_photo
from dashboard.components import image_strip
from dashboard.controls.photo import privacy
from gradinv_core.errors import ImageFileError
from gradinv_core.experiments.client.own_photo import read_photo

__all__ = ["OWN", "choose"]

OWN = "photo"
"""Name in the address of whether the visitor's own photo is on the device."""

_NUMBER, _READY = "picture", 8
_DATASET = "photographs"
_UPLOAD, _REFUSED = "demo upload", "demo upload refused"


def choose(*, locked: bool) -> tuple[int, bool]:
    """Draw the choice, unless the gradient is on its way already.

    Args:
        locked: whether it is.

    Returns:
        Number of the ready picture, and whether the visitor's own takes its place.
    """
    text = st.query_params.get(_NUMBER, "0")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 3 else 0
    number, own = min(number, _READY - 1), st.query_params.get(OWN) == "yes" and session_photo() is not None
    if not locked:
        sources, names = cache.thumbnails(_DATASET, 0, _READY)
        left, right = st.columns([5, 4], gap="large", vertical_alignment="bottom")
        with left:
            image_strip(
                sources,
                names,
                first=0,
                chosen=-1 if own else number,
                key="demo pictures",
                label="A picture on the device",
                on_choose=_choose,
            )
        with right.popover("A photo of your own", icon=":material/add_a_photo:"):
            st.file_uploader("Your picture", key=_UPLOAD, on_change=_take)
            st.caption(privacy(st.context.url))
        if refused := st.session_state.get(_REFUSED):
            st.warning(refused, icon=":material/edit:")
    return number, own


def _choose(number: int) -> None:
    st.query_params[_NUMBER] = str(number)
    if OWN in st.query_params:
        del st.query_params[OWN]


def _take() -> None:
    """Keep the file, or say why it is none."""
    st.session_state[_REFUSED] = None
    file = st.session_state.get(_UPLOAD)
    if file is None:
        return
    try:
        keep_photo(read_photo(file.getvalue(), "upload"))
        st.query_params[OWN] = "yes"
    except ImageFileError as error:
        st.session_state[_REFUSED] = error.sentence
