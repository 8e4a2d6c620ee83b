"""Play a reconstruction step by step: pictures with a title and a caption each, by mouse, touch or keyboard.

It opens on the last picture, the result, and never starts by itself. Reading the page from a test: the slider is
`[data-testid=frame-slider]`, the picture `[data-testid=frame-image]` carries `data-frame`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

from dashboard.components.assets import read_parts

__all__ = ["Frame", "frame_player"]

_FOLDER = Path(__file__).parent
_mount = st.components.v2.component(
    "frame_player",
    html=read_parts(_FOLDER, "frame_player.html"),
    css=read_parts(_FOLDER, "frame_player.css"),
    js=read_parts(_FOLDER, "frame_player.js"),
)


@dataclass(frozen=True)
class Frame:
    """One picture of the film.

    Attributes:
        source: the picture as a `data:image/png;base64,...` address, one image pixel per value.
        title: what it is, in a few words.
        caption: what to look at, in one sentence.
    """

    source: str
    title: str
    caption: str = ""


def frame_player(frames: Sequence[Frame], *, key: str, title: str = "", frames_per_second: float = 1.5) -> None:
    """Draw the player.

    Args:
        frames: at least one picture, in the order of the story.
        key: identity of the player on the page; keep it fixed, so that new frames replace the old ones in place.
        title: the finding, in one line.
        frames_per_second: pace while playing.
    """
    signature = hashlib.sha256(repr(frames).encode()).hexdigest()[:16]
    data = {
        "title": title,
        "frames": [asdict(frame) for frame in frames],
        "interval": 1000 / frames_per_second,
        "signature": signature,
    }
    _mount(key=key, data=data)
