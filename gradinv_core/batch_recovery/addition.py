"""The test of a whole batch: do the answers, put together, give the gradient back?

Each label is first made what its format says, the classes outside it all equal; each feature gets its zeros. Then
``sum_k w_k (softmax(W x_k + b) - y_k) x_k^T``, or what an announced loss makes of it, has to be the gradient that came,
to the gradient's own noise. Nothing forces it to: the labels were read one by one, and only if every direction is one
sample's do their formats and their sum agree.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.batch_recovery.row_space import RowSpace
from gradinv_core.batch_recovery.split import SplitBatch
from gradinv_core.label_recovery import LabelRecovery, Status

__all__ = ["adds_up", "misfit"]

_EXCESS = 5.0  # times what noise is expected to leave
_COMPUTED = 8.0  # roundings of the client's softmax, relative to a probability of one
_FREE = {"hard": 1, "smoothing": 1, "mixup": 2, "mixup+smoothing": 2}


def misfit(
    space: RowSpace,
    split: SplitBatch,
    answers: Sequence[LabelRecovery],
    weight: Array,
    bias: Array | None,
    known_scale: bool = True,
) -> tuple[float, float]:
    """What the answers leave of the gradient, and what noise is expected to leave; both relative to the gradient.

    Args:
        space: the row space, with the gradient.
        split: the gradient taken apart.
        answers: one for each direction.
        weight: (C, d) of the head.
        bias: (C,) of the head, or None.
        known_scale: whether a sample's weight in the mean is known; otherwise the best one is taken.
    """
    size = float(np.linalg.norm(space.gradient))
    features = split.features.shape[1]
    rest = space.gradient[:, :features].copy()
    expected = float(space.variance.sum())
    for number, answer in enumerate(answers):
        direction = split.features[number]
        length = float(np.linalg.norm(direction))
        expected += float((split.residual_std[number] ** 2).sum()) * length**2
        expected += float((split.feature_std[number] ** 2).sum()) * float((split.residuals[number] ** 2).sum())
        if answer.status is not Status.UNIQUE:
            rest -= np.outer(split.residuals[number], direction)  # says nothing that could fail
            continue
        feature = answer.feature.numpy()
        feature = direction * (float(feature @ direction) / length**2)
        residual = split.loss.residual(weight @ feature + (0.0 if bias is None else bias), _as_its_format(answer))
        share = split.shares[number] * float(np.linalg.norm(feature)) / length
        if not known_scale:
            share = float(split.residuals[number] @ residual) / float(residual @ residual)
        rest -= share * np.outer(residual, direction)
        computed = _COMPUTED * space.rounding * split.loss.unit
        expected += (split.shares[number] * computed * float(np.linalg.norm(feature))) ** 2
    return float(np.linalg.norm(rest)) / size, expected**0.5 / size


def adds_up(left: float, expected: float) -> bool:
    """Whether noise explains what is left."""
    return left <= _EXCESS * expected


def _as_its_format(answer: LabelRecovery) -> Array:
    """(C,) the label with the classes outside its format made equal; as it is where it has none."""
    label = answer.label.numpy().copy()
    free = _FREE.get(answer.label_format)
    if free is not None and free < len(label):
        others = np.argsort(label)[:-free]
        label[others] = label[others].mean() if "smoothing" in answer.label_format else 0.0
    return label
