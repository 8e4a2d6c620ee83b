"""Hand a figure to the browser as it is: Streamlit would have Plotly check every word of it in every redraw."""

from collections.abc import Mapping
from typing import Any

import streamlit as st
from plotly.basedatatypes import BaseFigure

from dashboard.address import classroom
from dashboard.figures.sketch import Sketch

__all__ = ["plotly_chart"]

_CONFIG = {"displayModeBar": False}
_LARGER = 1.25  # as the page's own letters grow for a projector
_FONTS = ("font", "tickfont")


class _Ready(BaseFigure):
    """What Streamlit takes for a figure that Plotly has checked; the tests have."""

    def __init__(self, spec: Mapping[str, Any]) -> None:  # a figure's own would check
        self._spec = spec

    def to_dict(self) -> Mapping[str, Any]:
        """The figure in plain words."""
        return self._spec


def plotly_chart(figure: Sketch, key: str, alt: str, *, hidden: int = 0, clickable: bool = False) -> int | None:
    """Draw a figure without Plotly's tool bar.

    Args:
        figure: what to draw.
        key: identity of the figure on the page.
        alt: what a screen reader says.
        hidden: pixels at the top that hold the figure's title, where the page says it itself: they are left out.
        clickable: whether a click on a mark draws the page, or the fragment, again.

    Returns:
        ``customdata`` of the mark that was clicked, its number; None without a click.
    """
    spec = figure.spec
    if hidden:
        layout = spec["layout"]
        margin = layout["margin"] | {"t": layout["margin"]["t"] - hidden}
        title = {"title": {"text": ""}, "height": layout["height"] - hidden, "margin": margin}
        spec = spec | {"layout": layout | title}
    if classroom().large:
        spec = _enlarged(spec)
    if not clickable:
        st.plotly_chart(_Ready(spec), theme=None, key=key, config=_CONFIG, alt=alt)
        return None
    event = st.plotly_chart(
        _Ready(spec), theme=None, key=key, config=_CONFIG, alt=alt, on_select="rerun", selection_mode="points"
    )
    clicked = [point["customdata"] for point in event["selection"]["points"] if "customdata" in point]
    return int(clicked[0]) if clicked else None


def _enlarged(part: Any) -> Any:
    """The same figure with larger letters; the original stays as it is, because it may be remembered."""
    if isinstance(part, list):
        # Long lists are numbers, without a letter in them.
        return [_enlarged(each) for each in part] if part and isinstance(part[0], Mapping) else part
    if not isinstance(part, Mapping):
        return part
    return {
        name: value | {"size": round(value["size"] * _LARGER)}
        if name in _FONTS and "size" in value
        else _enlarged(value)
        for name, value in part.items()
    }
