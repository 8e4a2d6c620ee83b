"""The bias window: where the head has a bias, its gradient is the residual ``a`` itself, and nothing is left to search.

Our derivation. ``dL/db = a`` and ``dL/dW = a x^T`` share their left factor, so ``a_r`` is the least-squares factor
between ``dL/db`` and the ratios c. It uses every class, and holds for any soft label. If the whole gradient was
rescaled the factor is ``kappa a_r``, the feature is still exact, and a label structure is needed to tell kappa.
"""

from __future__ import annotations

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.consistency import SIMPLEX_SIGMAS, Fit, fit
from gradinv_core.errors import OptionError, RankError
from gradinv_core.head import ObservedHead
from gradinv_core.label_recovery.modes import Mode, Search
from gradinv_core.label_structures import LabelStructure

__all__ = ["solve"]

_MISMATCH = 1e-3  # relative; beyond rounding, and beyond what noise explains


def solve(
    head: ObservedHead, bias_grad: Array, structure: LabelStructure | None, known_scale: bool, sigmas: float
) -> Search:
    """Lambda from the bias gradient.

    Args:
        head: a single observed head.
        bias_grad: (C,) gradient of the head bias.
        structure: needed only if the gradient's scale is unknown.
        known_scale: whether the gradient reached the server unscaled.
        sigmas: half width of the interval in standard deviations.

    Returns:
        One mode.

    Raises:
        RankError: the two gradients do not share their left factor, so they are not from one sample.
        OptionError: the label they mean is no label, so they were rescaled.
    """
    ratios = head.ratios[0]
    noise = head.ratio_std[0] * np.linalg.norm(head.row_gradient[0])  # standard deviation of a gradient entry, by row
    power = float((ratios**2).sum())
    factor = float(bias_grad @ ratios) / power
    rest = float(np.linalg.norm(bias_grad - factor * ratios))
    size = float(np.linalg.norm(bias_grad))
    if factor == 0 or rest > _MISMATCH * size + 6 * float(np.linalg.norm(noise)):
        raise RankError(
            "bias_grad: expected the gradient of the same sample as weight_grad, which has the same left factor; "
            f"got {'one that differs from it by ' + format(rest / size, '.0%') if size > 0 else 'zeros'}. "
            f"Pass both gradients of one training step."
        )
    scale = 1 / factor
    factor_std = np.sqrt(((ratios * noise) ** 2).sum()) / power + 4 * head.rounding[0] * abs(factor)
    scale_std = float(abs(factor_std / factor**2))
    result = fit(head, np.array([[scale]]), structure, known_scale)
    if known_scale and (result.outside[0, 0] > SIMPLEX_SIGMAS or abs(scale) + sigmas * scale_std < 1 - 1e-6):
        raise OptionError(
            f"gradient_scale: expected gradients of one training step as they were computed, got ones that mean "
            f"label entries from {result.labels.min():.3g} to {result.labels.max():.3g}; if they were clipped or "
            f"multiplied, pass gradient_scale='unknown'."
        )
    width = sigmas * scale_std
    drift = np.abs(result.slope[0, 0]).max() * width + 2 * result.std[0, 0].max()
    if not known_scale and structure is not None:
        drift += 2 * float(np.abs(ratios).max()) * _amplitude_std(ratios, structure, result)
    freedom = int(result.freedom[0, 0])
    misfit = result.chi_square[0, 0] / max(freedom, 1)
    mode = Mode(
        scale, scale - width, scale + width, float(result.amplitude[0, 0]), float(misfit), freedom, float(drift)
    )
    return Search((mode,), complete=True, evaluations=1)


def _amplitude_std(ratios: Array, structure: LabelStructure, found: Fit) -> float:
    """Standard deviation of the residual's size where the gradient's scale is unknown (our derivation).

    The size is then a regression of the prediction on the ratios over the constrained classes. Where these lie close
    together, as they do for a confident residual, noise moves it freely.
    """
    std = np.maximum(found.std[0, 0], np.finfo(float).tiny ** 0.5)
    weights = np.where(structure.constrained(found.labels[0, 0]), std**-2, 0.0)
    centre = 0.0 if structure.value_is_zero else float(weights @ ratios) / float(weights.sum())
    spread = float(weights @ (ratios - centre) ** 2)
    return spread**-0.5 if spread > 0 else float("inf")
