"""Soft labels: a point of the probability simplex says how much of each class a training sample is worth.

Every function returns a float64 tensor of shape (C,) whose entries lie in [0, 1] and sum to 1.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import SupportsIndex

import numpy as np
import torch

from gradinv_core.arrays import ArrayLike, as_array, to_tensor
from gradinv_core.errors import ClassCountError, LabelError, NonFiniteError, ShapeError

__all__ = ["check_fraction", "check_soft_label", "custom_label", "hard_label", "mixup_label", "smooth_label"]

# A softmax computed in float32 misses a sum of 1 by about 1e-7; a label typed as 0.33, 0.33, 0.33 misses it by 1e-2.
_SIMPLEX_TOLERANCE = 1e-5


def hard_label(target: SupportsIndex, classes: SupportsIndex) -> torch.Tensor:
    """One-hot label: all the weight on one class.

    Args:
        target: class index, 0 <= target < classes.
        classes: number of classes C, at least 2.

    Returns:
        (C,) float64 tensor, 1 at ``target`` and 0 elsewhere.

    Raises:
        ClassCountError: fewer than two classes.
        LabelError: ``target`` is not one of the classes.

    Example:
        >>> hard_label(1, classes=3).tolist()
        [0.0, 1.0, 0.0]
    """
    count, index = _check_classes(classes), _as_index(target, "target")
    if not 0 <= index < count:
        raise LabelError(
            f"target: expected a class between 0 and {count - 1}, got {index}; "
            f"pick one of the {count} classes or raise the number of classes."
        )
    label = torch.zeros(count, dtype=torch.float64)
    label[index] = 1.0
    return label


def smooth_label(target: SupportsIndex, classes: SupportsIndex, epsilon: float) -> torch.Tensor:
    """Label smoothing: move the share ``epsilon`` of the weight evenly onto all classes.

    ``y = (1 - epsilon) * hard + epsilon / C`` (Szegedy et al., 2016, "Rethinking the Inception Architecture").

    Args:
        target: class index, 0 <= target < classes.
        classes: number of classes C, at least 2.
        epsilon: smoothing strength in [0, 1]; 0 gives the hard label, 1 the uniform one.

    Returns:
        (C,) float64 tensor.

    Raises:
        ClassCountError: fewer than two classes.
        LabelError: ``target`` is not one of the classes, or ``epsilon`` is outside [0, 1].

    Example:
        >>> smooth_label(0, classes=4, epsilon=0.4).tolist()
        [0.7, 0.1, 0.1, 0.1]
    """
    strength, hard = check_fraction(epsilon, "epsilon"), hard_label(target, classes)
    return (1.0 - strength) * hard + strength / len(hard)


def mixup_label(
    first: SupportsIndex, second: SupportsIndex, classes: SupportsIndex, ratio: float, epsilon: float = 0.0
) -> torch.Tensor:
    """Mixup (and CutMix) label: a weighted mean of two labels, each smoothed first if asked for.

    ``y = ratio * y_first + (1 - ratio) * y_second`` (Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018).

    Args:
        first: class index of the first image.
        second: class index of the second image; may equal ``first``.
        classes: number of classes C, at least 2.
        ratio: weight of ``first`` in [0, 1].
        epsilon: label smoothing strength in [0, 1], 0 for plain mixup.

    Returns:
        (C,) float64 tensor.

    Raises:
        ClassCountError: fewer than two classes.
        LabelError: a class index, ``ratio`` or ``epsilon`` is out of range.

    Example:
        >>> mixup_label(0, 2, classes=3, ratio=0.75).tolist()
        [0.75, 0.0, 0.25]
    """
    weight = check_fraction(ratio, "ratio")
    return weight * smooth_label(first, classes, epsilon) + (1.0 - weight) * smooth_label(second, classes, epsilon)


def custom_label(values: ArrayLike | Sequence[float]) -> torch.Tensor:
    """Any label at all, such as a teacher's softmax (distillation) or a perturbed label.

    Args:
        values: C numbers that are at least 0 and sum to 1.

    Returns:
        (C,) float64 tensor with the given values, not rescaled.

    Raises:
        ShapeError, NonFiniteError, ClassCountError, LabelError: as in `check_soft_label`.
    """
    return check_soft_label(values)


def check_soft_label(label: ArrayLike | Sequence[float], classes: int | None = None) -> torch.Tensor:
    """Check that ``label`` is one point of the probability simplex.

    Args:
        label: (C,) numbers, entries in [0, 1], sum 1, both to within 1e-5.
        classes: the number of classes it must have; None accepts any number from 2.

    Returns:
        The same values as a float64 CPU tensor that owns its memory.

    Raises:
        ShapeError: not one axis, or not ``classes`` entries.
        NonFiniteError: NaN or infinity inside.
        ClassCountError: fewer than two entries.
        LabelError: a negative entry, or a sum other than 1.
    """
    values = as_array(label, "label", "classes")
    if classes is not None and len(values) != classes:
        raise ShapeError(
            f"label: expected {classes} entries, one per class, got {len(values)}; "
            f"make the label and the network agree on the number of classes."
        )
    _check_classes(len(values))
    if values.min() < -_SIMPLEX_TOLERANCE:
        raise LabelError(
            f"label: expected entries of at least 0, got {values.min():.6g} for class {int(values.argmin())}; "
            f"a label shares a weight of 1 among the classes."
        )
    if abs(values.sum() - 1.0) > _SIMPLEX_TOLERANCE:
        raise LabelError(f"label: expected entries that sum to 1, got {values.sum():.6g}; divide them by their sum.")
    return to_tensor(values)


def check_fraction(value: float, name: str) -> float:
    """Return ``value`` as a float in [0, 1], or say which parameter (``name``) is out of range."""
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise LabelError(f"{name}: expected a number between 0 and 1, got {value!r}.") from error
    if np.isnan(number):
        raise NonFiniteError(f"{name}: expected a number between 0 and 1, got NaN; pass a number.")
    if not 0.0 <= number <= 1.0:
        raise LabelError(f"{name}: expected a number between 0 and 1, got {number:g}; move it into that range.")
    return number


def _check_classes(classes: SupportsIndex) -> int:
    count = _as_index(classes, "classes")
    if count < 2:
        raise ClassCountError(f"classes: expected at least 2, got {count}; one class leaves nothing to learn.")
    return count


def _as_index(value: SupportsIndex, name: str) -> int:
    """Plain int from an int, a numpy integer or a one-element integer tensor; booleans and floats are mistakes."""
    try:
        index = operator.index(value)
    except TypeError:
        index = None
    if index is None or isinstance(value, bool):
        raise LabelError(f"{name}: expected a whole number, got {value!r}; pass an integer.")
    return index
