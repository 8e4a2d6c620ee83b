"""A figure as the plain dictionaries that Plotly draws: quick to build, ready to be stored and sent.

Plotly's own objects check every word as it is set, which cost more than half of a page's redraw. Here nothing is
checked while a visitor waits: the tests hold every figure against Plotly's validation instead (`Sketch.checked`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

__all__ = ["Sketch"]


class Sketch:
    """A figure that is being drawn, in the words of Plotly's reference.

    Args:
        panels: share of the height (or of the width) of each panel, from the top (or the left).
        gap: between two panels, as a share of the whole.
        beside: whether the panels stand side by side and share their vertical axis; else they are stacked and share
            the horizontal one.

    Attributes:
        alt: all that the figure shows, in words; empty where its title says it.
    """

    def __init__(self, panels: Sequence[float] = (1.0,), *, gap: float = 0.0, beside: bool = False) -> None:
        self.alt = ""
        self._traces: list[dict[str, Any]] = []
        self._layout: dict[str, Any] = {"shapes": [], "annotations": []}
        self._numbers = [""] + [str(number) for number in range(2, len(panels) + 1)]
        taken, room = 0.0, 1 - gap * (len(panels) - 1)
        for number, share in zip(self._numbers, panels, strict=True):
            start, end = taken, taken + share / sum(panels) * room
            taken = end + gap
            across, up = ([start, end], [0.0, 1.0]) if beside else ([0.0, 1.0], [1 - end, 1 - start])
            self._layout[f"xaxis{number}"] = {"anchor": f"y{number}", "domain": across}
            self._layout[f"yaxis{number}"] = {"anchor": f"x{number}", "domain": up}
            if number:  # the first panel's axis leads the others
                self._layout[f"{'y' if beside else 'x'}axis{number}"]["matches"] = "y" if beside else "x"

    @property
    def spec(self) -> dict[str, Any]:
        """``{"data": [...], "layout": {...}}``, fit for JSON."""
        return {"data": self._traces, "layout": self._layout}

    @property
    def title(self) -> str:
        """The finding."""
        return str(self._layout.get("title", {}).get("text", ""))

    def checked(self) -> go.Figure:
        """Plotly's own figure.

        Raises:
            ValueError: a word or a value that Plotly does not know.
        """
        return go.Figure(self.spec)

    def add_bar(self, *, panel: int = 1, **words: Any) -> None:
        """A trace of bars, in a panel counted from 1."""
        self._add("bar", panel, words)

    def add_scatter(self, *, panel: int = 1, **words: Any) -> None:
        """A trace of marks and lines, in a panel counted from 1."""
        self._add("scatter", panel, words)

    def add_heatmap(self, *, panel: int = 1, **words: Any) -> None:
        """A coloured table, in a panel counted from 1."""
        self._add("heatmap", panel, words)

    def add_vrect(self, left: float, right: float, **look: Any) -> None:
        """A shade from the bottom to the top of the first panel."""
        self._shape("rect", {"x0": left, "x1": right, "yref": "y domain", "y0": 0, "y1": 1}, look)

    def add_hrect(self, below: float, above: float, **look: Any) -> None:
        """A shade from side to side of the first panel."""
        self._shape("rect", {"y0": below, "y1": above, "xref": "x domain", "x0": 0, "x1": 1}, look)

    def add_vline(self, place: float, **look: Any) -> None:
        """A line from the bottom to the top of the first panel."""
        self._shape("line", {"x0": place, "x1": place, "yref": "y domain", "y0": 0, "y1": 1}, look)

    def add_hline(self, height: float, **look: Any) -> None:
        """A line from side to side of the first panel."""
        self._shape("line", {"y0": height, "y1": height, "xref": "x domain", "x0": 0, "x1": 1}, look)

    def add_annotation(self, **words: Any) -> None:
        """Words at a place, without an arrow."""
        self._layout["annotations"].append(_plain({"showarrow": False} | words))

    def update_layout(self, **words: Any) -> None:
        """Change what concerns the whole figure; parts of a dictionary that are not named stay."""
        _merge(self._layout, _plain(words))

    def update_xaxes(self, *, panel: int | None = None, **words: Any) -> None:
        """Change the horizontal axis of a panel, or of all."""
        self._update_axes("x", panel, words)

    def update_yaxes(self, *, panel: int | None = None, **words: Any) -> None:
        """Change the vertical axis of a panel, or of all."""
        self._update_axes("y", panel, words)

    def update_annotations(self, **words: Any) -> None:
        """Change all annotations so far."""
        for note in self._layout["annotations"]:
            _merge(note, _plain(words))

    def _add(self, kind: str, panel: int, words: Mapping[str, Any]) -> None:
        number = self._numbers[panel - 1]
        self._traces.append({"type": kind, "xaxis": f"x{number}", "yaxis": f"y{number}"} | _plain(words))

    def _shape(self, kind: str, place: Mapping[str, Any], look: Mapping[str, Any]) -> None:
        self._layout["shapes"].append({"type": kind} | _plain(place) | _plain(look))

    def _update_axes(self, axis: str, panel: int | None, words: Mapping[str, Any]) -> None:
        numbers = self._numbers if panel is None else [self._numbers[panel - 1]]
        for number in numbers:
            _merge(self._layout[f"{axis}axis{number}"], _plain(words))


def _merge(into: dict[str, Any], words: Mapping[str, Any]) -> None:
    for word, value in words.items():
        if isinstance(value, dict) and isinstance(into.get(word), dict):
            _merge(into[word], value)
        else:
            into[word] = value


def _plain(value: Any) -> Any:
    """The value as JSON has it; what is left out, or no number, is null."""
    if isinstance(value, Mapping):
        return {word: _plain(part) for word, part in value.items() if part is not None}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple | range):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    return None if isinstance(value, float) and not math.isfinite(value) else value
