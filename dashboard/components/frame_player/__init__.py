"""Play a reconstruction step by step: pictures with a title, a caption and curves, by mouse, touch or keyboard.

It opens on the last picture, the result, and never starts by itself. While the work behind it still runs it is `live`:
it shows the newest picture and the curves so far, and has no controls. Reading the page from a test: the slider is
`[data-testid=frame-slider]`, the picture `[data-testid=frame-image]` carries `data-frame`, and every curve is a
`[data-testid=frame-curve]` with `data-curve` (its name) whose `output` tells the value at the picture shown. In
`[data-testid=frame-plan]` the part of the network it belongs to has the class `here`.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.components.assets import read_parts

__all__ = ["Frame", "PlanPart", "Trace", "frame_player"]

_FOLDER = Path(__file__).parent
_mount = st.components.v2.component(
    "frame_player",
    html=read_parts(_FOLDER, "frame_player.html"),
    css=read_parts(_FOLDER, "frame_player.css"),
    js=read_parts(_FOLDER, "curves.js", "plan.js", "frame_player.js"),
)


@dataclass(frozen=True)
class Frame:
    """One picture of the film.

    Attributes:
        source: the picture as a `data:image/png;base64,...` address, one image pixel per value.
        title: what it is, in a few words.
        caption: what to look at, in one sentence.
        truth: what it should have been, as a picture beside it; empty to leave it out.
        deviation: how sure the server is, as a third picture; empty to leave it out.
        position: its place on the curves' axis.
        part: number of the part of the plan that it belongs to; -1 for none.
        explanation: what the title's words mean, for the tooltip.
    """

    source: str
    title: str
    caption: str = ""
    truth: str = ""
    deviation: str = ""
    position: float = 0.0
    part: int = -1
    explanation: str = ""


@dataclass(frozen=True)
class PlanPart:
    """One box of the network's plan.

    Attributes:
        title: for the tooltip.
        skip: whether a skip leads around it.
    """

    title: str
    skip: bool


@dataclass(frozen=True)
class Trace:
    """A small line figure that follows the film.

    Attributes:
        name: what is drawn, such as "loss".
        explanation: what that is, for the tooltip.
        values: one for every frame; whatever is not finite is left out.
        texts: the same for people, one for every frame.
        logarithmic: whether powers of ten are drawn at equal distances.
        truth: whether it takes the truth to draw it, which only the client knows.
        scale: curves of one scale share their axis, so that their heights compare; empty for an axis of its own.
    """

    name: str
    explanation: str
    values: Sequence[float]
    texts: Sequence[str]
    logarithmic: bool = False
    scale: str = ""
    truth: bool = False

    @property
    def heights(self) -> list[float | None]:
        """The values as they are drawn, None where there is none."""
        return [_height(value, self.logarithmic) for value in self.values]


def _curve_payloads(curves: Sequence[Trace]) -> list[dict[str, Any]]:
    """Plain JSON values of the curves: heights from 0 (lowest) to 1 (highest)."""
    payloads = []
    for curve in curves:
        company = [other for other in curves if other is curve or (curve.scale and other.scale == curve.scale)]
        known = [height for other in company for height in other.heights if height is not None]
        low, high = (min(known), max(known)) if known else (0.0, 0.0)
        span = (high - low) or 1.0
        payloads.append(
            {
                "name": curve.name,
                "explanation": curve.explanation,
                "texts": list(curve.texts),
                "truth": curve.truth,
                "heights": [None if height is None else (height - low) / span for height in curve.heights],
            }
        )
    return payloads


class _Pictures:
    """Every picture once, however many frames show it: the client's is the same in all of a search."""

    def __init__(self) -> None:
        self.sources: list[str] = []
        self._places: dict[str, int] = {}

    def payload(self, frame: Frame) -> dict[str, Any]:
        """Plain JSON values of a frame, its pictures replaced by their places in `sources`; -1 for none."""
        values = asdict(frame)
        return values | {name: self._place(values[name]) for name in ("source", "truth", "deviation")}

    def _place(self, source: str) -> int:
        if not source:
            return -1
        if source not in self._places:
            self._places[source] = len(self.sources)
            self.sources.append(source)
        return self._places[source]


def _height(value: float, logarithmic: bool) -> float | None:
    if not math.isfinite(value) or (logarithmic and value <= 0):
        return None
    return math.log10(value) if logarithmic else value


def frame_player(
    frames: Sequence[Frame],
    *,
    key: str,
    title: str = "",
    curves: Sequence[Trace] = (),
    plan: Sequence[PlanPart] = (),
    positions: Sequence[float] | None = None,
    axis: str = "",
    frames_per_second: float = 1.5,
    live: bool = False,
) -> None:
    """Draw the player.

    Args:
        frames: at least one picture, in the order of the story; a live player needs only the newest.
        key: identity of the player on the page; keep it fixed, so that new frames replace the old ones in place.
        title: the finding, in one line.
        curves: drawn beside the pictures.
        plan: of the network the film walks through, from its head to the picture.
        positions: places of the curves' values on their axis; those of the frames without.
        axis: what that axis is, such as "iteration".
        frames_per_second: pace while playing.
        live: whether the work still runs.
    """
    places = [frame.position for frame in frames] if positions is None else list(positions)
    pictures = _Pictures()
    content = {
        "title": title,
        "frames": [pictures.payload(frame) for frame in frames],
        "pictures": pictures.sources,
        "curves": _curve_payloads(curves),
        "plan": [asdict(part) for part in plan],
        "positions": places,
        "axis": axis,
        "interval": 1000 / frames_per_second,
        "live": live,
    }
    signature = hashlib.sha256(repr(content).encode()).hexdigest()[:16]
    _mount(key=key, data=content | {"signature": signature})
