"""What a study plays: its cells, how often each is played, and who is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.server.image_solvers import IMAGE_SOLVERS
from gradinv_core.experiments.server.label_solvers import LABEL_SOLVERS

__all__ = ["KINDS", "Specification"]

KINDS: Mapping[str, Mapping[str, Any]] = {"label": LABEL_SOLVERS, "picture": IMAGE_SOLVERS}
"""What is recovered -> the solvers that can be asked for it."""


@dataclass(frozen=True)
class Specification:
    """A study.

    Attributes:
        name: of the preset or the file.
        title: for people.
        about: one or two sentences.
        kind: "label" or "picture".
        solvers: who is asked, keys of the kind's catalogue.
        seeds: how many; the first is 0, so a larger number goes on where a smaller one ended.
        samples_per_seed: for each cell, how many pictures each seed draws.
        rows: fields of a scenario whose values make a row of the report; cells that agree in them are counted together.
        epsilon: range that a label's smoothing is drawn from.
        ratio: range that a mixture's weight is drawn from.
        iterations: of gradient matching.
        cells: one scenario each, before anything is drawn.
        fixed: for each cell, the fields that its block set.
    """

    name: str
    title: str
    about: str
    kind: str
    solvers: tuple[str, ...]
    seeds: int
    samples_per_seed: tuple[int, ...]
    rows: tuple[str, ...]
    epsilon: tuple[float, float]
    ratio: tuple[float, float]
    iterations: int
    cells: tuple[Scenario, ...]
    fixed: tuple[frozenset[str], ...]

    @property
    def total(self) -> int:
        """Number of samples."""
        return self.seeds * sum(self.samples_per_seed)
