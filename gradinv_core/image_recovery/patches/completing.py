"""Patches whose equations leave a few directions open: bounds and smoothness choose among what fits.

What is open is open alike in every column of X, so the open directions of the whole picture follow from those of one
column; the completion itself is the one of all other layers.
"""

from __future__ import annotations

import torch

from gradinv_core.image_recovery.completion import Bounds, Completion, complete
from gradinv_core.image_recovery.open_directions import OpenDirections
from gradinv_core.image_recovery.patches.equations import PatchFit, Posterior
from gradinv_core.image_recovery.result import Stop

__all__ = ["close_patches"]

_OPEN = 10.0  # times the precision that the prior adds, below which a direction counts as open
_MOST_OPEN = 0.35  # share of the directions, from which too little is known for smoothness to rest on
_NEGLIGIBLE = 1e-3  # share of the variance that directions not counted may have, for those to be left alone


def close_patches(
    fit: PatchFit,
    belief: Posterior,
    places: torch.Tensor,
    shape: tuple[int, int, int],
    stop: Stop | None,
) -> Completion | None:
    """The picture, in shares, of least total variation that fits and keeps the range.

    Args:
        fit: of the equations.
        belief: of the shares.
        places: (N, P) where each entry of the patches stands in the flattened picture.
        shape: (channels, height, width).
        stop: asked now and then.

    Returns:
        The completion; None where open directions do not stand apart from the others, as under noise.

    Raises:
        StoppedError: the work was stopped.
    """
    patches, columns = places.shape
    is_open = belief.precision.min(1).values < _OPEN * belief.prior_precision
    variance = belief.precision.reciprocal()
    open_variance, closed_variance = float(variance[is_open].sum()), float(variance[~is_open].sum())
    if int(is_open.sum()) > _MOST_OPEN * patches or closed_variance > _NEGLIGIBLE * open_variance:
        return None
    size, ways = patches * columns, fit.directions[:, is_open]
    count = ways.shape[1]
    origin, closed = torch.empty(size, dtype=torch.float64), torch.empty(size, dtype=torch.float64)
    origin[places] = belief.mean
    closed[places] = (fit.directions[:, ~is_open] ** 2 @ variance[~is_open]).sqrt()
    basis = torch.zeros(size, columns * count, dtype=torch.float64)
    for column in range(columns):
        basis[places[:, column], column * count : (column + 1) * count] = ways
    directions = OpenDirections(origin, basis, torch.diag(belief.precision[is_open].T.flatten()), closed)
    return complete(directions, Bounds(shape, 1.0, 0.0, 1.0), stop)
