"""A race of solvers along one curve: where each looked, on one clock that counts evaluations.

The server solves once; the figure then plays what happened, with a slider and a button, and asks for nothing more. It
opens at the end of the race and never starts by itself.

Reading the page from a test: the figure is `[data-testid=solver-race]`, its slider `race-slider`, its button
`race-play`, its clock `race-clock` with `data-evaluations`. Every racer's marks are a `g` with `data-racer`; the
particles are `[data-racer=swarm] circle`. Its row is `[data-testid=race-row]` with the same `data-racer`.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import streamlit as st

from dashboard.components.assets import LOSS_PLOT, read_parts
from dashboard.components.solver_race.thinning import rounded, thin_frames, thin_lambdas

__all__ = ["RaceData", "Track", "solver_race"]

Array = npt.NDArray[np.float64]

_FOLDER = Path(__file__).parent
_LARGEST = 1e6  # the axis ends here
_MOST_FRAMES, _MOST_PARTICLES, _MOST_TICKS = 80, 60, 160
_mount = st.components.v2.component(
    "solver_race",
    html=read_parts(_FOLDER, "solver_race.html"),
    css=read_parts(_FOLDER, "solver_race.css"),
    js=read_parts(_FOLDER, *LOSS_PLOT, "picture.js", "marks.js", "table.js", "solver_race.js"),
)


@dataclass(frozen=True)
class Track:
    """One racer: its way, and its row of the table. The tuples have one entry for every frame.

    Attributes:
        kind: which marks it gets.
        name: for people.
        explanation: what kind of solver that is, for the tooltip.
        path: (n,) lambdas it looked at, n of its own for every frame.
        losses: (n,) the paper's loss there.
        moves: "start", "step", "skip" or "restart".
        counts: evaluations by then.
        end: the lambda it ended at, None without one.
        evaluations: in all.
        time: its wall time, for people.
        ended_at: that lambda, for people.
        verdict: where it ended, for people.
        reason: its own last sentence, for the tooltip.
        knew: whether it would have known, for people.
        tone: how the verdict is marked.
    """

    kind: Literal["closed-form", "scan", "lbfgs", "swarm"]
    name: str
    explanation: str
    path: Sequence[Array]
    losses: Sequence[Array]
    moves: Sequence[str]
    counts: Sequence[int]
    end: float | None
    evaluations: int
    time: str
    ended_at: str
    verdict: str
    reason: str
    knew: str
    tone: Literal["right", "wrong", "open", "none"]

    def payload(self) -> dict[str, Any]:
        """Plain JSON values, thinned and rounded; a crowd's frames begin with its leader."""
        crowd = self.kind == "swarm"
        single = all(len(scales) <= 1 for scales in self.path)
        every = list(range(len(self.path)))
        frames = every if single else thin_frames(self.counts, self.moves, _MOST_FRAMES)
        path, losses = [], []
        for index in frames:
            scales, values = np.asarray(self.path[index]), np.asarray(self.losses[index])
            if self.kind == "scan":  # its grid goes far beyond the axis
                shown = np.abs(scales) <= _LARGEST
                scales, values = scales[shown], values[shown]
            kept = thin_lambdas(values, _MOST_PARTICLES if crowd else _MOST_TICKS, crowd)
            path.append(rounded(scales[kept]))
            losses.append(rounded(values[kept], losses=True))
        words = {name: getattr(self, name) for name in ("kind", "name", "explanation", "time", "ended_at")}
        words |= {name: getattr(self, name) for name in ("verdict", "reason", "knew", "tone", "evaluations")}
        return words | {
            "path": path,
            "losses": losses,
            "moves": [str(self.moves[index]) for index in frames],
            "counts": [int(self.counts[index]) for index in frames],
            "end": None if self.end is None else rounded(np.array([self.end]))[0],
            "end_loss": self._end_loss(),
        }

    def _end_loss(self) -> float | None:
        """The loss where it ended: every solver ends at a lambda it has looked at."""
        if self.end is None or not self.path:
            return None
        scales, losses = np.concatenate(self.path), np.concatenate(self.losses)
        known = np.isfinite(scales)
        if not known.any():
            return None
        nearest = np.abs(np.where(known, scales, np.inf) - self.end).argmin()
        return rounded(losses[[nearest]], losses=True)[0]


@dataclass(frozen=True)
class RaceData:
    """All the figure draws; n points on the curve.

    Attributes:
        title: the finding, in one line.
        caption: how to read the figure.
        scales: (n,) candidate lambdas, ascending, every |lambda| >= 1.
        paper_loss: (n,) the paper's variance loss.
        scale_free_loss: (n,) the same, divided by its own natural size.
        tracks: the racers.
        exact_scale: the server's exact lambda, None when it has none.
        intervals: (low, high) pieces of lambda that fit the gradient; may reach infinity.
        ambiguous: whether the gradient leaves several answers: the intervals are then hatched.
        swarm_bound: largest |lambda| the swarm may look at, None without bounds.
        lbfgs_bound: largest |lambda| at which L-BFGS goes on, None without bounds.
        dark: whether the page is dark, for the browser's own check boxes and slider.
    """

    title: str
    caption: str
    scales: Array
    paper_loss: Array
    scale_free_loss: Array
    tracks: Sequence[Track]
    exact_scale: float | None = None
    intervals: Sequence[tuple[float, float]] = field(default_factory=tuple)
    ambiguous: bool = False
    swarm_bound: float | None = None
    lbfgs_bound: float | None = None
    dark: bool = False

    def payload(self) -> dict[str, Any]:
        """Plain JSON values; the `signature` entry names the content, so that a redraw leaves the clock alone."""
        values: dict[str, Any] = {
            "title": self.title,
            "caption": self.caption,
            "scales": rounded(np.asarray(self.scales)),
            "paper_loss": rounded(np.asarray(self.paper_loss)),
            "scale_free_loss": rounded(np.asarray(self.scale_free_loss)),
            "tracks": [track.payload() for track in self.tracks],
            "exact_scale": None if self.exact_scale is None else rounded(np.array([self.exact_scale]))[0],
            "intervals": [[max(low, -_LARGEST), min(high, _LARGEST)] for low, high in self.intervals],
            "ambiguous": self.ambiguous,
            "swarm_bound": self.swarm_bound,
            "lbfgs_bound": self.lbfgs_bound,
        }
        # Wall times differ from run to run; the same race stays the same race, in either theme.
        timeless = values | {"tracks": [track | {"time": ""} for track in values["tracks"]]}
        text = json.dumps(timeless, sort_keys=True, allow_nan=False)
        return values | {"dark": self.dark, "signature": hashlib.sha256(text.encode()).hexdigest()[:16]}


def solver_race(data: RaceData, *, key: str) -> None:
    """Draw the race.

    Args:
        data: what to draw.
        key: identity of the figure on the page; keep it fixed, so that new data redraw it in place.
    """
    _mount(key=key, data=data.payload())
