"""The label that a lambda means after several local steps: the one whose path ends where the update says.

C equations in C unknowns, ``B_k(label) = c / lambda``, solved by Newton for many lambdas at once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.updates.trajectory import TrainedHead, softmax

__all__ = ["STARTS", "implied_labels"]

_FRESH = 16  # times the derivative is taken anew
_CHORDS = 8  # steps with one derivative
_EXACT = 1e-13  # of the largest possible end
_SETTLED = 1e-9  # what counts as solved where rounding stops the descent earlier
_BEND = 0.2  # of the way, each time
_BLOCK_ENTRIES = 2**18


def implied_labels(trained: TrainedHead, scales: Array, start: Array) -> tuple[Array, np.ndarray]:
    """The label that each lambda implies.

    Args:
        trained: the observed update.
        scales: (K,) candidate values of lambda_r.
        start: (K, C) first guess.

    Returns:
        Labels (K, C), and whether each was found (K,). They sum to 1 and may leave the simplex.
    """
    block = max(1, _BLOCK_ENTRIES // trained.head.classes**2)
    parts = [
        _newton(trained, scales[first : first + block], start[first : first + block])
        for first in range(0, len(scales), block)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def settled(trained: TrainedHead, scales: Array) -> Array:
    """First guess (K, C): the training has settled, so that the last prediction is the label."""
    steps = trained.steps
    end = trained.head.ratios[0] / scales[:, None]
    return softmax(trained.resting_logits(scales, steps.steps) - trained.strength(scales)[:, None] * end)


def straight(trained: TrainedHead, scales: Array) -> Array:
    """First guess (K, C): the logits went straight from their known beginning to their known end."""
    return _bent(trained, scales, rounds=0)


def bent(trained: TrainedHead, scales: Array) -> Array:
    """First guess (K, C): a straight path, bent a few times towards the one that its own label would take."""
    return _bent(trained, scales, rounds=4)


STARTS: tuple[Callable[[TrainedHead, Array], Array], ...] = (settled, straight, bent)
"""Where Newton may begin. Momentum can lead two labels to one end; then another start finds the other one."""


def _bent(trained: TrainedHead, scales: Array, rounds: int) -> Array:
    steps = trained.steps
    end = trained.head.ratios[0] / scales[:, None]
    push = trained.strength(scales)[:, None]
    path = [(step / steps.steps) * end for step in range(steps.steps)]
    for again in range(rounds, -1, -1):
        seen = [softmax(trained.resting_logits(scales, step) - push * point) for step, point in enumerate(path)]
        mean = np.einsum("t,tkc->kc", steps.shares / steps.total, np.array(seen))
        labels = mean - end / steps.total
        if not again:
            break
        summed, velocity = np.zeros_like(end), np.zeros_like(end)
        for step, prediction in enumerate(seen[:-1]):
            velocity = steps.momentum * velocity + prediction - labels - steps.decay * steps.rate * summed
            summed = summed + velocity
            path[step + 1] = path[step + 1] + _BEND * (summed - path[step + 1])
    return labels


def _newton(trained: TrainedHead, scales: Array, labels: Array) -> tuple[Array, np.ndarray]:
    labels = labels.copy()
    end = trained.head.ratios[0] / scales[:, None]
    limit = _EXACT * trained.steps.total
    miss = trained.ends(scales, labels) - end
    size = np.linalg.norm(miss, axis=1)
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
            trial_size = np.linalg.norm(trial_miss, axis=1)
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
