"""The loss curve over every candidate scalar, and the label each candidate would mean.

The head's gradient hides the soft label behind one unknown number, lambda. The figure draws the loss over lambda and,
under it, a slider. Moving it redraws the pseudo-label `softmax(lambda * u + b) - c / lambda` in the browser, so nothing
waits for the server.

Reading the page from a test: the slider is `[data-testid=lambda-slider]`, every bar is a `rect` of
`[data-testid=pseudo-label]` with the attributes `data-class` and `data-value` (the exact entry), and the cursor is
`[data-testid=lambda-cursor]` with `data-scale`. The picture is `[data-testid=lambda-picture]`, its brightness an inline
filter.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike

from dashboard.components.assets import LOSS_PLOT, read_parts

__all__ = ["ScrubberData", "lambda_scrubber"]

_FOLDER = Path(__file__).parent
_mount = st.components.v2.component(
    "lambda_scrubber",
    html=read_parts(_FOLDER, "lambda_scrubber.html"),
    css=read_parts(_FOLDER, "lambda_scrubber.css"),
    js=read_parts(_FOLDER, *LOSS_PLOT, "mathematics.js", "curve.js", "bars.js", "lambda_scrubber.js"),
)


@dataclass(frozen=True)
class ScrubberData:
    """All the figure draws; C classes, n points on the curve.

    Attributes:
        title: the finding, in one line.
        caption: how to read the figure.
        scales: (n,) candidate lambdas, ascending, every |lambda| >= 1.
        paper_loss: (n,) variance of the pseudo-label outside its largest entries, the paper's criterion.
        scale_free_loss: (n,) the same, divided by its own natural size.
        feasible: (n,) whether every entry of the pseudo-label lies in [0, 1].
        u: (C,) the weights times the head gradient's strongest row.
        b: (C,) head bias, zeros without one.
        c: (C,) ratios of the head gradient's rows to the strongest row.
        class_names: (C,) names under the bars.
        excluded: how many of the largest entries the losses leave out (1 smoothing, 2 mixup).
        found_scale: the recovered lambda, None when nothing was found.
        found_label: (C,) the recovered label, used to choose the bars worth drawing.
        true_scale: the client's lambda, None when it is not shown.
        true_label: (C,) the client's label, None when it is not shown.
        candidates: other lambdas the solver considered.
        intervals: (low, high) pieces of lambda consistent with the gradient; may reach infinity.
        ambiguous: whether the gradient leaves several answers: the intervals are then hatched.
        picture: the picture at `found_scale` as a `data:` address, where another lambda only makes it brighter or
            darker; empty without.
    """

    title: str
    caption: str
    scales: ArrayLike
    paper_loss: ArrayLike
    scale_free_loss: ArrayLike
    feasible: ArrayLike
    u: ArrayLike
    b: ArrayLike
    c: ArrayLike
    class_names: Sequence[str]
    excluded: int = 2
    found_scale: float | None = None
    found_label: ArrayLike | None = None
    true_scale: float | None = None
    true_label: ArrayLike | None = None
    candidates: Sequence[float] = field(default_factory=tuple)
    intervals: Sequence[tuple[float, float]] = field(default_factory=tuple)
    ambiguous: bool = False
    picture: str = ""

    def payload(self) -> dict[str, Any]:
        """Plain JSON values; whatever is not a finite number becomes None, which the figure leaves out.

        The `signature` entry names the content: the slider keeps its place as long as it stays the same.
        """
        values = {part.name: _plain(getattr(self, part.name)) for part in fields(self) if part.name != "intervals"}
        # JSON has no infinity; the axis ends at a million, so an endless interval ends there too.
        values["intervals"] = [[max(low, -1e6), min(high, 1e6)] for low, high in self.intervals]
        return values | {"signature": self._signature()}

    def _signature(self) -> str:
        content = hashlib.sha256()
        for part in fields(self):
            value = getattr(self, part.name)
            plain = isinstance(value, str | float | int | Sequence) or value is None
            content.update(repr(value).encode() if plain else np.ascontiguousarray(value).tobytes())
        return content.hexdigest()[:16]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    entries: list[Any] = np.asarray(value).tolist()
    return [None if isinstance(entry, float) and not math.isfinite(entry) else entry for entry in entries]


def lambda_scrubber(data: ScrubberData, *, key: str) -> None:
    """Draw the loss curve, the slider and the pseudo-label bars.

    Args:
        data: what to draw.
        key: identity of the figure on the page; keep it fixed, so that new data redraw it in place.
    """
    _mount(key=key, data=data.payload())
