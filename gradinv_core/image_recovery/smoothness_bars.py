"""Error bars of a completion: how unsure smoothness leaves the directions that it closed.

Smoothness is an assumption, so the picture it chose is asked twice whether it holds. How large edges are is measured on
that picture: photographs have several times the edges of drawings, and bars for drawings would be too narrow. And the
equations say by how much their own solution had to be moved: where that is more than the noise in the directions that
smoothness decides explains, the bars grow by as much (Birge 1932), up to those that the equations alone give.
"""

from __future__ import annotations

from dataclasses import dataclass

import scipy.sparse as sparse
import torch

from gradinv_core.image_recovery.cholesky import factorise
from gradinv_core.image_recovery.open_directions import OpenDirections
from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.stopping import ask

__all__ = ["EDGE_SIZE", "SmoothnessBars", "smoothness_bars"]

EDGE_SIZE = 0.04
"""Typical difference between neighbours that is assumed beforehand, in units of the input's scale."""

_MEAN_FIELD = 1.25  # how much too narrow such bars are, measured on 20 LeNets: the fixed point leaves correlations out
_ROUNDS = 3  # of the fixed point
_FIRST_SPREAD, _FLOOR = 0.1, 1e-4  # of the edge size; the last corner has no neighbours and so no edge


@dataclass(frozen=True)
class SmoothnessBars:
    """How sure a completion is.

    Attributes:
        std: (n,) error bars.
        precision: (n, n) sparse precision that smoothness adds to the equations'.
        objection: squared standard deviations by which the equations object to the completed input, for each of the
            directions it could move along. The input that was there has about 1.
        decided: how many of the input's unknowns smoothness decides rather than the equations.
    """

    std: torch.Tensor
    precision: sparse.csr_array
    objection: float
    decided: float


def smoothness_bars(
    directions: OpenDirections,
    differences: sparse.csr_array,
    value: torch.Tensor,
    channels: int,
    scale: float,
    stop: Stop | None = None,
) -> SmoothnessBars:
    """Standard deviations of a completed input.

    A Laplace prior is a mixture of Gaussians; the one that holds at an edge is as wide as the edge, its own uncertainty
    included (variational Bayes: Babacan, Molina and Katsaggelos 2009). A fixed point of that width is the bar.

    Args:
        directions: those it could move along.
        differences: (2 n, n) to the right and the lower neighbour.
        value: (n,) the completed input.
        channels: of the input; their edges count together.
        scale: typical size of the input: 1 for pixels.
        stop: asked between rounds.
    """
    edge = EDGE_SIZE * scale
    square = torch.from_numpy(differences @ value.numpy()).square().reshape(2, channels, -1).sum((0, 1))
    spread = torch.full_like(square, (_FIRST_SPREAD * edge) ** 2)
    floor = (_FLOOR * edge) ** 2
    for _ in range(_ROUNDS):
        ask(stop)
        seen = max(edge, float((square + spread).sqrt().mean()))
        each = (2 * channels / seen / (square + spread + floor).sqrt()).expand(2, channels, -1).flatten()
        precision = sparse.csr_array(differences.T @ sparse.diags_array(each.numpy()) @ differences)
        compressed = directions.compress(precision)
        root = _root(directions, directions.precision + compressed, stop)
        of_edges = torch.from_numpy(differences @ root.T.numpy()).square().sum(1)
        spread = of_edges.reshape(2, channels, -1).sum((0, 1))
    moved = directions.along(value - directions.origin)
    objection = float(moved @ directions.precision @ moved)
    ask(stop)
    # Of the chi-square that the truth would have, smoothness may use up what it decides, no more.
    decided = float(each @ of_edges)  # the trace of smoothness' precision times the covariance
    strain = max(1.0, objection / max(decided, 1.0))
    own = _MEAN_FIELD**2 * root.square().sum(0)
    if strain > 1:
        of_equations = _root(directions, directions.precision.clone(), stop).square().sum(0)
        own = torch.minimum(strain * own, torch.maximum(own, of_equations))
    return SmoothnessBars((own + directions.closed_std**2).sqrt(), precision, objection / max(len(moved), 1), decided)


def _root(directions: OpenDirections, precision: torch.Tensor, stop: Stop | None) -> torch.Tensor:
    """(k, n) R with the covariance ``R^T R``, from the precision (k, k) along the directions, which is overwritten."""
    factor = factorise(precision, stop)
    if directions.basis is None:
        return factor.inverse(precision.dtype, stop)
    return factor.half_solve(directions.basis.T, stop)
