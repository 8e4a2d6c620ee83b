"""Under a film: take it along, as a GIF that any slide plays."""

from collections.abc import Sequence

import streamlit as st

from dashboard.components import Frame
from dashboard.export import playback

__all__ = ["offer_playback"]


def offer_playback(frames: Sequence[Frame], key: str, milliseconds: int) -> None:
    """Draw the button; the file is made when somebody asks for it.

    Args:
        frames: of the film.
        key: identity of the button on the page.
        milliseconds: that each is shown.
    """
    st.download_button(
        "Playback (GIF)",
        lambda: playback(frames, milliseconds),
        "playback.gif",
        "image/gif",
        key=key,
        icon=":material/gif_box:",
        on_click="ignore",
    )
