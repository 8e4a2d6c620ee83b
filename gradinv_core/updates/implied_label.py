"""The label that a lambda means after several local steps: the one whose path ends where the update says.

C equations in C unknowns, ``B_k(label) = c / lambda``, solved by Newton for many lambdas at once.
"""

from __future__ import annotations

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.updates.trajectory import TrainedHead, softmax

__all__ = ["implied_labels", "settled_labels"]

_FRESH = 12  # times the derivative is taken anew
_CHORDS = 8  # steps with one derivative
_EXACT = 1e-13  # of the largest possible end
_SETTLED = 1e-9  # what counts as solved where rounding stops the descent earlier
_BLOCK_ENTRIES = 2**18


def implied_labels(trained: TrainedHead, scales: Array, start: Array | None = None) -> tuple[Array, np.ndarray]:
    """The label that each lambda implies.

    Args:
        trained: the observed update.
        scales: (K,) candidate values of lambda_r.
        start: (K, C) first guess; None takes the straight path to the known end.

    Returns:
        Labels (K, C), and whether each was found (K,). They sum to 1 and may leave the simplex.
    """
    guess = _straight_path(trained, scales) if start is None else start
    block = max(1, _BLOCK_ENTRIES // trained.head.classes**2)
    parts = [
        _newton(trained, scales[first : first + block], guess[first : first + block])
        for first in range(0, len(scales), block)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def settled_labels(trained: TrainedHead, scales: Array) -> Array:
    """Another first guess (K, C): the training has settled, so that the last prediction is the label."""
    steps = trained.steps
    end = trained.head.ratios[0] / scales[:, None]
    return softmax(trained.resting_logits(scales, steps.steps) - trained.strength(scales)[:, None] * end)


def _straight_path(trained: TrainedHead, scales: Array) -> Array:
    """Labels (K, C) as if the logits went straight from their known beginning to their known end."""
    steps = trained.steps
    end = trained.head.ratios[0] / scales[:, None]
    push = trained.strength(scales)[:, None]
    mean = np.zeros_like(end)
    moments = np.unique(np.linspace(0, steps.steps - 1, min(steps.steps, 32)).astype(int))
    for step in moments:
        way = step / steps.steps
        mean += softmax(trained.resting_logits(scales, step) - push * way * end) / len(moments)
    return mean - end / steps.total


def _newton(trained: TrainedHead, scales: Array, labels: Array) -> tuple[Array, np.ndarray]:
    labels = labels.copy()
    end = trained.head.ratios[0] / scales[:, None]
    limit = _EXACT * trained.steps.total
    miss = trained.ends(scales, labels) - end
    size = np.abs(miss).max(1)
    active = np.flatnonzero(size > limit)
    for _ in range(_FRESH):
        if not active.size:
            break
        inverse = _inverse(trained.label_slopes(scales[active], labels[active]))
        before = size[active].copy()
        inner, steps = np.arange(active.size), np.ones(active.size)
        for _ in range(_CHORDS):
            chosen = active[inner]
            move = np.matmul(inverse[inner], miss[chosen][:, :, None])[:, :, 0]
            trial = labels[chosen] - steps[inner, None] * move
            trial_miss = trained.ends(scales[chosen], trial) - end[chosen]
            trial_size = np.abs(trial_miss).max(1)
            better = trial_size < size[chosen]
            quick = trial_size < 0.3 * size[chosen]
            kept = chosen[better]
            labels[kept], miss[kept], size[kept] = trial[better], trial_miss[better], trial_size[better]
            steps[inner[~better]] *= 0.25
            inner = inner[(~better & (steps[inner] > 1e-3)) | (quick & (trial_size > limit))]
            if not inner.size:
                break
        active = active[(size[active] > limit) & (size[active] < 0.9 * before)]
    return labels, size <= _SETTLED * trained.steps.total


def _inverse(matrices: Array) -> Array:
    """Inverses (K, C, C); zeros where there is none."""
    with np.errstate(all="ignore"):
        try:
            inverse = np.linalg.inv(matrices)
        except np.linalg.LinAlgError:
            inverse = np.stack([np.linalg.pinv(m) if np.isfinite(m).all() else np.zeros_like(m) for m in matrices])
    return np.nan_to_num(inverse, nan=0.0, posinf=0.0, neginf=0.0)
