"""Patches whose equations leave directions open, or noisy: bounds and smoothness choose among what fits.

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

_OPEN = 100.0  # precision, relative to the prior's, below which a direction counts as open
_NEGLIGIBLE = 1e-2  # share of the variance that directions not counted may have, for the others to be left alone


def close_patches(
    fit: PatchFit,
    belief: Posterior,
    places: torch.Tensor,
    shape: tuple[int, int, int],
    prior_std: float,
    stop: Stop | None,
) -> Completion:
    """The picture, in shares, of least total variation that fits and keeps the range.

    Args:
        fit: of the equations.
        belief: with the weak prior.
        places: (N, P) where each entry of the patches stands in the flattened picture.
        shape: (channels, height, width).
        prior_std: of the prior that the belief rests on.
        stop: asked now and then.

    Raises:
        StoppedError: the work was stopped.
    """
    return complete(_open_directions(fit, belief, places, prior_std), Bounds(shape, 1.0, 0.0, 1.0), stop)


def _open_directions(fit: PatchFit, belief: Posterior, places: torch.Tensor, prior_std: float) -> OpenDirections:
    """Every open direction of the picture: one for each open direction of a column, and each column."""
    patches, columns = places.shape
    size = patches * columns
    origin = torch.empty(size, dtype=torch.float64)
    origin[places] = belief.mean
    open_ = belief.precision.min(1).values < _OPEN * prior_std**-2.0
    variance = belief.precision.reciprocal()
    if 2 * int(open_.sum()) >= patches or float(variance[~open_].sum()) > _NEGLIGIBLE * float(variance[open_].sum()):
        precision = torch.zeros(size, size, dtype=torch.float64)
        for column in range(columns):
            within = places[:, column]
            precision[within[:, None], within] = (fit.directions * belief.precision[:, column]) @ fit.directions.T
        return OpenDirections(origin, None, precision)
    ways = fit.directions[:, open_]
    count = ways.shape[1]
    basis = torch.zeros(size, columns * count, dtype=torch.float64)
    for column in range(columns):
        basis[places[:, column], column * count : (column + 1) * count] = ways
    closed = torch.empty(size, dtype=torch.float64)
    closed[places] = (fit.directions[:, ~open_] ** 2 @ variance[~open_]).sqrt()
    return OpenDirections(origin, basis, torch.diag(belief.precision[open_].T.flatten()), closed)
