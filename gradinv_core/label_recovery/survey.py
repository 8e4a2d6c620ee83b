"""Judging many lambdas of one head at once, keeping only what the scan needs of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.head import ObservedHead
from gradinv_core.head.consistency import SIMPLEX_SIGMAS, Fit, agreement, fit, good_fit_limit, plausible_amplitude
from gradinv_core.head.structures import LabelStructure

__all__ = ["Judge", "Survey"]

_FAR_ABOVE = 4.0  # times the most that `good` lets pass
_BLOCK_ENTRIES = 2**15  # label entries judged at a time: 256 kB


class Survey(NamedTuple):
    """What is kept of K lambdas, in ascending order; every field has shape (K,)."""

    scales: Array
    chi_square: Array
    outside: Array
    freedom: np.ndarray
    amplitude: Array

    @classmethod
    def joined(cls, *parts: Survey) -> Survey:
        """Several surveys as one, sorted, each lambda once."""
        together = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
        _, order = np.unique(together[0], return_index=True)
        return cls(*(column[order] for column in together))


@dataclass
class Judge:
    """Judges lambdas of one head, and counts how many."""

    head: ObservedHead
    structure: LabelStructure | None
    known_scale: bool
    evaluations: int = 0

    def fit(self, scales: Array) -> Fit:
        """Fit at (K,) lambdas; the fit's arrays have a leading axis of one head."""
        self.evaluations += scales.size
        return fit(self.head, scales[None], self.structure, self.known_scale)

    def __call__(self, scales: Array) -> Survey:
        """Survey (K,) lambdas, in blocks that stay in the processor's cache."""
        self.evaluations += scales.size
        block = max(1, _BLOCK_ENTRIES // self.head.classes)
        parts = []
        for start in range(0, scales.size, block):
            chosen = scales[start : start + block]
            found = agreement(self.head, chosen[None], self.structure, self.known_scale)
            parts.append((chosen, found.chi_square[0], found.outside[0], found.freedom[0], found.amplitude[0]))
        return Survey(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def misfit(self, survey: Survey) -> Array:
        """What the scan minimises, (K,): chi-square plus the squared way outside the simplex, or the latter alone.

        Infinite where a gradient of unknown scale would have to be a residual of nothing, blown up: one-hot predictions
        explain everything in that way, and would crowd out the minima that are looked for.
        """
        if self.structure is None:
            return survey.outside
        misfit: Array = survey.chi_square + np.maximum(survey.outside, 0.0) ** 2
        return misfit if self.known_scale else np.where(self._plausible(survey), misfit, np.inf)

    @property
    def hopeless(self) -> float:
        """A misfit far above anything that `good` lets pass."""
        outside = _FAR_ABOVE * SIMPLEX_SIGMAS
        if self.structure is None:
            return outside
        return _FAR_ABOVE * float(good_fit_limit(self.head.classes)) + outside**2

    def good(self, survey: Survey) -> np.ndarray:
        """Which of the (K,) lambdas noise explains."""
        explained: np.ndarray = survey.chi_square <= good_fit_limit(np.maximum(survey.freedom, 0))
        explained &= survey.outside <= SIMPLEX_SIGMAS
        if not self.known_scale:
            explained &= self._plausible(survey)
        return explained

    def _plausible(self, survey: Survey) -> np.ndarray:
        plausible: np.ndarray = plausible_amplitude(self.head, survey.scales[None], survey.amplitude[None])[0]
        return plausible
