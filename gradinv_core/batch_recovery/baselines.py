"""Hard labels of a batch by the two ways that are known: what a naive attacker reads off the same gradient.

Both count how often each class was trained on, and know nothing of soft labels, features or which sample was which.
Written after the ideas of the papers, not after their code.
"""

from __future__ import annotations

import numpy as np

from gradinv_core.arrays import Array, ArrayLike, as_array
from gradinv_core.errors import OptionError, ShapeError

__all__ = ["count_by_magnitude", "count_by_means"]


def count_by_magnitude(weight_grad: ArrayLike, samples: int) -> list[int]:
    """Classes of a batch by the size of the gradient's row sums (the idea of LLG, Wainakh et al. 2022).

    With non-negative features a class that was trained on pulls its row down, once for every sample. So every row that
    is negative is named once and lifted by the share of one sample; then the lowest again and again. That share is
    taken from the gradient: all that is negative, over the number of samples, and a C-th more for the predictions.

    Args:
        weight_grad: (C, d) gradient of the head weights under the mean cross-entropy.
        samples: how many samples the batch has, >= 1.

    Returns:
        One class for each sample, in rising order.

    Raises:
        OptionError: ``samples`` is no whole number >= 1.
        ShapeError, NonFiniteError: the gradient is no finite matrix.
    """
    number = _samples(samples)
    sums = as_array(weight_grad, "weight_grad", "classes features").sum(1)
    share = -sums[sums < 0].sum() / number * (1 + 1 / len(sums))
    named = [int(index) for index in np.argsort(sums)[: min(number, int((sums < 0).sum()))]]
    sums[named] += share
    while len(named) < number:
        lowest = int(sums.argmin())
        named.append(lowest)
        sums[lowest] += share
    return sorted(named)


def count_by_means(
    weight: ArrayLike,
    weight_grad: ArrayLike,
    bias: ArrayLike,
    bias_grad: ArrayLike,
    samples: int,
) -> list[int]:
    """Classes of a batch with a head bias, from the mean feature (the idea of iLRG, Ma et al. 2023).

    The quotient of a row's gradient and its bias gradient is a mean feature, weighted by the residuals of that class.
    Where it stands for the whole batch, its prediction stands for the mean prediction, and mean prediction minus bias
    gradient is the mean label: the share of each class.

    Args:
        weight: (C, d) head weights.
        weight_grad: (C, d) their gradient under the mean cross-entropy.
        bias: (C,) head bias.
        bias_grad: (C,) its gradient, not all zero.
        samples: how many samples the batch has, >= 1.

    Returns:
        One class for each sample, in rising order: the shares rounded so that they add up to ``samples``.

    Raises:
        OptionError: ``samples`` is no whole number >= 1.
        ShapeError, NonFiniteError: the arrays do not fit together, are not finite, or the bias gradient is zero.
    """
    number = _samples(samples)
    w, gradient = (
        as_array(weight, "weight", "classes features"),
        as_array(weight_grad, "weight_grad", "classes features"),
    )
    b, change = as_array(bias, "bias", "classes"), as_array(bias_grad, "bias_grad", "classes")
    if gradient.shape != w.shape or len(b) != len(w) or len(change) != len(w):
        raise ShapeError(
            f"weight_grad: expected shape {w.shape} and {len(w)} biases with as many gradients, got {gradient.shape}, "
            f"{len(b)} and {len(change)}."
        )
    if not change.any():
        raise ShapeError("bias_grad: expected an entry other than zero, got zeros; there is nothing to divide by.")
    spoken = np.abs(change) > np.finfo(float).eps * np.abs(change).max()
    features = gradient[spoken] / change[spoken, None]  # every row has a mean feature of its own
    logits = features @ w.T + b
    predictions = np.exp(logits - logits.max(1, keepdims=True))
    predictions /= predictions.sum(1, keepdims=True)
    mean = np.zeros(len(w))
    mean[spoken] = predictions[np.arange(len(features)), np.flatnonzero(spoken)]
    return _rounded(np.maximum(mean - change, 0.0), number)


def _rounded(shares: Array, samples: int) -> list[int]:
    """Whole counts by the largest remainders."""
    exact = shares / max(shares.sum(), np.finfo(float).tiny) * samples
    counts = np.floor(exact).astype(int)
    for index in np.argsort(counts - exact)[: samples - counts.sum()]:
        counts[index] += 1
    return [int(name) for name in np.repeat(np.arange(len(counts)), counts)]


def _samples(samples: int) -> int:
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
        raise OptionError(f"samples: expected a whole number >= 1, got {samples!r}.")
    return samples
