"""What a factor on the whole gradient would show, and how far one could hide (our derivation)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.head.consistency import SHARED_VALUE, Fit, project_out
from gradinv_core.head.structures import LabelStructure

__all__ = ["FACTOR_SIGMAS", "FactorTrace", "amplitude_std", "factor_trace"]

FACTOR_SIGMAS = 3.0
"""A factor on the gradient is noticed where it explains this many standard deviations of misfit."""


class FactorTrace(NamedTuple):
    """What a factor on the whole gradient would leave in the constrained entries; both (N, K).

    Attributes:
        drift: how far any label entry moves under the largest factor that would not be noticed.
        pull: by how much chi-square falls if a factor is allowed for; a plain gradient leaves about 1.
    """

    drift: Array
    pull: Array


def factor_trace(structure: LabelStructure, result: Fit) -> FactorTrace:
    """Whether the gradient could be a multiple of the one it is taken for (our derivation).

    A factor changes the residual's size a_r, and lambda gives way; what neither lambda nor the shared value can take up
    is the factor's own trace in the constrained entries. Where the logits are nearly equal there is next to none, and a
    rescaled gradient passes for the plain one of another label.

    Args:
        structure: that was fitted.
        result: its fit at known scale.
    """
    weights = np.where(structure.constrained(result.labels), 1 / result.std**2, 0.0)
    ratios = result.ratios
    of_prediction = result.slope - ratios * (result.amplitude**2)[..., None]
    nuisances = [of_prediction] if structure.value_is_zero else [SHARED_VALUE, of_prediction]
    target = result.labels if structure.offset is None else result.labels - structure.offset
    trace, misfit = project_out([ratios, target], nuisances, weights)
    information = np.maximum((weights * trace**2).sum(-1), 1e-300)
    pull = (weights * misfit * trace).sum(-1) ** 2 / information
    return FactorTrace(FACTOR_SIGMAS * np.abs(ratios).max(-1) / np.sqrt(information), pull)


def amplitude_std(structure: LabelStructure, found: Fit) -> float:
    """Standard deviation of ``a_r`` at one known lambda (our derivation).

    It is then a regression of the prediction on the ratios over the constrained classes. Where these lie close
    together, as they do for a confident residual, noise moves it freely; infinite where they are equal.

    Args:
        structure: that was fitted.
        found: its fit of a single head at one lambda.
    """
    ratios = found.ratios[0, 0]
    std = np.maximum(found.std[0, 0], np.finfo(float).tiny ** 0.5)
    weights = np.where(structure.constrained(found.labels[0, 0]), std**-2, 0.0)
    centre = 0.0 if structure.value_is_zero else float(weights @ ratios) / max(float(weights.sum()), 1e-300)
    spread = float(weights @ (ratios - centre) ** 2)
    return spread**-0.5 if spread > 0 else float("inf")
