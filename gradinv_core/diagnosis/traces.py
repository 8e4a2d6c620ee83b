"""Marks that processing leaves on a gradient, each read off the numbers alone (our derivations).

One sample's head gradient is an outer product ``a x^T``: zeros come in whole rows and columns, no two entries need to
be multiples of one step, and nothing is left beside the leading singular triplet but rounding. What breaks one of
these rules tells what was done.
"""

from __future__ import annotations

import numpy as np
from torch import nn

from gradinv_core.arrays import Array
from gradinv_core.gradients import GradientsLike, read_gradients
from gradinv_core.label_recovery import LabelRecovery

__all__ = [
    "dropped_rows",
    "gradient_factor",
    "grid_levels",
    "hole_share",
    "sample_count",
    "scale_invariance",
    "weight_decay",
]

_UNDERFLOW = 1e-30  # products of a row's and a column's largest entry below this may be zero by underflow
_OFF_GRID = 0.02  # of a step: no entry of a quantised tensor is further from a multiple
_MOST_LEVELS = 2**15
_SMALLEST_STEP = 1e-7  # of the largest entry: below that, every float32 number is on a grid
_ROUNDING = 1e-6  # of the largest singular value: what rounding of float32 leaves beside it
_MARGIN = 1.5
_MISSING = 1e-3  # of the gradient's norm: what its rows sum to beyond rounding
_DECAYED = 0.5  # share of what is outside rank one that the weights must explain to be called its reason
_FEW_ENTRIES = 32  # entries from which coincidence is excluded


def hole_share(gradient: Array) -> float:
    """Share of the zeros that no outer product explains, in [0, 1].

    Rows and columns of nothing but zeros are those of a zero residual or feature; a zero inside the others is a hole.

    Args:
        gradient: (C, d) head gradient.
    """
    size = np.abs(gradient)
    rows, columns = size.max(1), size.max(0)
    expected = np.outer(rows, columns) / max(float(size.max()), np.finfo(float).tiny)
    inside = expected > _UNDERFLOW
    count = int(inside.sum())
    return float(((size == 0) & inside).sum()) / count if count else 0.0


def dropped_rows(gradient: Array) -> int:
    """Number of rows of zeros that cannot be zero residuals, because without them the rows no longer sum to zero.

    Every column of ``a x^T`` sums to zero, for the residuals do.

    Args:
        gradient: (C, d) head gradient, not zero.
    """
    empty = int((~gradient.any(1)).sum())
    missing = float(np.linalg.norm(gradient.sum(0)) / np.linalg.norm(gradient))
    return empty if missing > _MISSING else 0


def grid_levels(gradient: Array) -> int | None:
    """Number of steps from zero to the largest entry, where all entries are multiples of one step; None otherwise.

    Args:
        gradient: tensor of any shape.
    """
    levels = np.unique(np.abs(gradient))
    levels = levels[levels > 0]
    if gradient.size < _FEW_ENTRIES or levels.size == 0 or levels.size > _MOST_LEVELS:
        return None
    if levels.size == 1:
        return 1
    step = float(min(levels[0], np.diff(levels).min()))
    if step < _SMALLEST_STEP * levels[-1]:
        return None
    multiples = levels / step
    # The step itself is known to rounding; measured at the largest multiple, it is known best.
    step = float(levels[-1] / round(float(multiples[-1])))
    off = np.abs(levels / step - np.round(levels / step)).max()
    return round(float(levels[-1] / step)) if off < _OFF_GRID else None


def sample_count(gradient: Array) -> int:
    """At least how many samples the head gradient adds up, by its singular values.

    N samples give rank N, up to C - 1 because every residual sums to zero. Noise spreads over all directions alike; a
    singular value that stands far above the smaller ones is a sample's.

    Args:
        gradient: (C, d) head gradient, not zero.
    """
    small = gradient if gradient.shape[0] <= gradient.shape[1] else gradient.T
    values = np.sqrt(np.maximum(np.linalg.eigvalsh(small @ small.T)[::-1], 0.0))
    few, many = np.sqrt(small.shape[0]), np.sqrt(small.shape[1])
    # The largest over the smallest singular value of white noise (Marchenko and Pastur); the sum to zero keeps the
    # smallest value of the gradient free of samples.
    spread = (many + few) / max(many - few, 1.0)
    floor = max(_ROUNDING * values[0], _MARGIN * spread * values[-1])
    return max(int((values > floor).sum()), 1)


def weight_decay(gradient: Array, weight: Array) -> float | None:
    """The rate of a weight decay that was added to the gradient; None where the weights do not explain the rest.

    ``G = a x^T + rate * W``: outside the leading singular pair, what is left of G must be a multiple of what is left of
    W there.

    Args:
        gradient: (C, d) head gradient, not zero.
        weight: (C, d) head weights.
    """
    left, _, right = np.linalg.svd(gradient, full_matrices=False)
    first, along = left[:, :1], right[:1]

    def outside(matrix: Array) -> Array:
        rest = matrix - first @ (first.T @ matrix)
        return np.asarray(rest - (rest @ along.T) @ along)

    rest, weights = outside(gradient), outside(weight)
    power = float((weights**2).sum())
    if power == 0 or not rest.any():
        return None
    rate = float((rest * weights).sum()) / power
    explained = rate * float((rest * weights).sum()) / float((rest**2).sum())
    return rate if explained > _DECAYED and rate > 0 else None


def gradient_factor(probabilities: Array, answer: LabelRecovery) -> float:
    """The factor the gradient was multiplied with, 1 where it came as it was computed.

    An answer found with an unknown scale implies the residual ``p - y``; the gradient's own row says
    ``1 / lambda`` of it.

    Args:
        probabilities: (C,) prediction that the answer's feature implies.
        answer: found with ``gradient_scale="unknown"``.
    """
    residual = probabilities - answer.label.numpy()
    return float(1.0 / (answer.scale * residual[answer.row]))


def scale_invariance(model: nn.Module, gradients: GradientsLike) -> dict[str, float]:
    """Cosine between weights and gradient of every convolution, channel by channel, its root mean square by layer.

    Normalising by the sample's own statistics makes the loss blind to the size of each channel's weights before it, so
    ``<W_c, dL/dW_c> = 0`` (Euler's rule for functions of degree 0). With known statistics nothing forces that.

    Returns:
        ``{layer name: cosine}`` of the convolutions that a batch norm follows; empty without any.
    """
    sent = read_gradients(model, gradients)
    found: dict[str, float] = {}
    convolution: tuple[str, nn.Conv2d] | None = None
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            convolution = (name, module)
        elif isinstance(module, nn.BatchNorm2d) and convolution is not None:
            layer, weights = convolution[0], convolution[1].weight.detach().double().flatten(1)
            gradient = sent.get(f"{layer}.weight")
            convolution = None
            if gradient is None or not bool(gradient.any()):
                continue
            slope = gradient.double().to(weights.device).flatten(1)
            product = (weights * slope).sum(1).square().sum()
            size = (weights.norm(dim=1) * slope.norm(dim=1)).square().sum()
            found[layer] = float((product / size).sqrt())
    return found
