"""Which units were silent for which sample, where rounding leaves it open (our derivation).

A wrong sign spoils one row of a weight gradient, that of its unit, and no other: the inputs of all samples follow
from the rows that fit, and from them what the spoiled row's deltas really are, zero or the whole value.
"""

from __future__ import annotations

import numpy as np

from gradinv_core.arrays import Array

__all__ = ["with_mended_signs"]

_COLUMNS = 256  # of the gradient: they tell the signs as well as all of them
_ROUNDS = 4
_WEIGHINGS = 8
_SPOILED = 20.0  # times the middling row's misfit


def with_mended_signs(gradient: Array, full: Array, active: np.ndarray) -> Array:
    """(K, units) deltas of K samples, with every sign that its row contradicts turned.

    Args:
        gradient: (units, inputs) of the layer's weights.
        full: (K, units) deltas as if every unit had been active.
        active: (K, units) which are believed to have been.
    """
    part = gradient[:, :: max(1, gradient.shape[1] // _COLUMNS)]
    size: Array = np.linalg.norm(part, axis=1)
    smallest = 1e-6 * float(size.max())
    for _ in range(_ROUNDS):
        deltas = full * active
        weights = np.ones(len(part))
        for _ in range(_WEIGHINGS):
            inputs = np.linalg.lstsq(deltas.T * weights[:, None], part * weights[:, None], rcond=None)[0]
            misfit = np.linalg.norm(part - deltas.T @ inputs, axis=1) / np.maximum(size, smallest)
            limit = _SPOILED * max(float(np.median(misfit)), float(np.finfo(np.float32).eps))
            weights = 1 / (1 + (misfit / limit) ** 2)
        spoiled = np.flatnonzero(misfit > limit)
        if not spoiled.size:
            break
        seen = np.linalg.lstsq(inputs.T, part[spoiled].T, rcond=None)[0]  # (K, spoiled)
        whole = full[:, spoiled]
        turned = active.copy()
        turned[:, spoiled] = seen * np.sign(whole) > np.abs(whole) / 2
        if np.array_equal(turned, active):
            break
        active = turned
    return full * active
