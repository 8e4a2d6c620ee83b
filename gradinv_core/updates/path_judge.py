"""Judging many lambdas of one update at once: the label each implies, and how well it fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.head.consistency import SIMPLEX_SIGMAS, good_fit_limit
from gradinv_core.head.structures import LabelStructure
from gradinv_core.label_recovery.modes import Search
from gradinv_core.updates.implied_label import STARTS, implied_labels
from gradinv_core.updates.judge import PathFit, fit_paths, joined
from gradinv_core.updates.trajectory import TrainedHead

__all__ = ["PathJudge", "PathSearch", "share"]

_BLOCK_ENTRIES = 2**18


@dataclass(frozen=True)
class PathSearch:
    """What was found.

    Attributes:
        search: the ranges of lambda, best first.
        best: the fit at the best lambda, one row; the least misfit where nothing is consistent.
        scale: the lambda of that row.
        labels: (M, C) labels of the ranges.
        reach: what is known of lambda even where no label fits.
    """

    search: Search
    best: PathFit
    scale: float
    labels: Array
    reach: tuple[float, float] = (-np.inf, np.inf)


@dataclass
class PathJudge:
    """Judges lambdas, and counts how many."""

    trained: TrainedHead
    structure: LabelStructure | None
    start: Callable[[TrainedHead, Array], Array] = STARTS[0]
    evaluations: int = 0

    def __call__(self, scales: Array, scale_std: float | None = None) -> tuple[PathFit, np.ndarray]:
        """The fit at (K,) lambdas, and which of them (K,) can be followed to a label."""
        self.evaluations += scales.size
        labels, found = implied_labels(self.trained, scales, self.start(self.trained, scales))
        block = max(1, _BLOCK_ENTRIES // self.trained.head.classes**2)
        parts = [
            fit_paths(self.trained, scales[i : i + block], labels[i : i + block], self.structure, scale_std)
            for i in range(0, scales.size, block)
        ]
        fits = joined(parts)
        return fits, found & fits.followed

    def misfit(self, fits: PathFit) -> Array:
        """What is minimised: as in the scan of a single step."""
        if self.structure is None:
            return fits.outside
        misfit: Array = fits.chi_square + np.maximum(fits.outside, 0.0) ** 2
        return misfit

    def good(self, fits: PathFit, known: np.ndarray) -> np.ndarray:
        """Which lambdas noise explains."""
        good: np.ndarray = known & (fits.outside <= SIMPLEX_SIGMAS)
        return good & (fits.chi_square <= good_fit_limit(fits.freedom))


def share(fits: PathFit, index: int) -> float:
    """Chi-square per degree of freedom."""
    return float(fits.chi_square[index]) / max(fits.freedom, 1)
