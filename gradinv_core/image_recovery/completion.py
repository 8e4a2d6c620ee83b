"""Convex completion: where a layer's equations leave directions open, what is known without them closes most.

Among all inputs that fit the equations, take the one of least total variation that respects every bound: pixels lie in
[0, 1], a ReLU's output is not negative, and an inactive unit's pre-activation is not positive. The problem is convex;
ADMM (Boyd et al. 2011, section 3) solves it in the coordinates of the open directions, so its matrix is small and is
factored once. Total variation couples the colour channels (Bresson and Chan 2008).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
import torch

from gradinv_core.image_recovery.open_directions import OpenDirections
from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.smoothness_bars import EDGE_SIZE, smoothness_bars
from gradinv_core.image_recovery.stopping import ask

__all__ = ["Bounds", "Completion", "complete"]

_ITERATIONS = 2000
_PAUSES = 25  # iterations between two questions whether to stop
_TOLERANCE = 1e-5  # of the image's scale: a step or a violation smaller than this ends the iteration
_STALLED = 0.98  # of the residual so many iterations ago: where bounds and equations contradict each other, it stays
_LOOK_BACK = 200
_RELAXATION = 1.6  # over-relaxation, as Boyd et al. recommend
_THRESHOLD = 0.02  # edges that one ADMM step flattens, likewise: balances the two residuals


@dataclass(frozen=True)
class Bounds:
    """What is known of an input besides the layer's equations.

    Attributes:
        shape: (channels, height, width).
        scale: its typical size: 1 for pixels.
        low: smallest value.
        high: largest value.
        half_matrix: rows R with ``R x <= half_limit``; None for none.
        half_limit: (rows,) their limits.
    """

    shape: tuple[int, ...]
    scale: float
    low: float
    high: float
    half_matrix: sparse.csr_array | None = None
    half_limit: torch.Tensor | None = None


@dataclass(frozen=True)
class Completion:
    """The completed input.

    Attributes:
        value: (n,) within the bounds to the tolerance.
        allowed: (n,) the copy that keeps the bounds exactly: its zeros are zeros.
        std: (n,) error bars, see `smoothness_bars`.
        smoothness: (n, n) sparse precision that total variation adds to the equations'.
        decided: how many unknowns smoothness decides rather than the equations.
        objection: squared standard deviations by which the equations object to it, per direction; the truth has 1.
        convergence: the larger of primal and dual residual after every iteration, relative to the scale.
        used: False where the equations' own solution was taken instead.
    """

    value: torch.Tensor
    allowed: torch.Tensor
    std: torch.Tensor
    smoothness: sparse.csr_array
    decided: float
    objection: float
    convergence: tuple[float, ...]
    used: bool = True


def complete(directions: OpenDirections, bounds: Bounds, stop: Stop | None = None) -> Completion:
    """Minimise total variation plus misfit over the open directions, within the bounds.

    Args:
        directions: that the equations leave open.
        bounds: what else is known.
        stop: asked now and then.

    Raises:
        StoppedError: the work was stopped.
    """
    differences = _differences(bounds.shape)
    size = len(directions.origin)
    maps, limits = [sparse.csr_array(sparse.eye_array(size))], [torch.zeros(size, dtype=torch.float64)]
    if bounds.half_matrix is not None and bounds.half_limit is not None:
        maps.append(bounds.half_matrix)
        limits.append(bounds.half_limit)
    maps.append(differences)
    limits.append(torch.zeros(differences.shape[0], dtype=torch.float64))
    coordinates, allowed, convergence = _admm(directions, maps, torch.cat(limits), bounds, stop)
    value = directions.at(coordinates)
    bars = smoothness_bars(directions, differences, value, bounds.shape[0], bounds.scale, stop)
    kept = value.clamp(bounds.low, bounds.high)
    return Completion(kept, allowed, bars.std, bars.precision, bars.decided, bars.objection, convergence)


def _admm(
    directions: OpenDirections,
    maps: list[sparse.csr_array],
    limits: torch.Tensor,
    bounds: Bounds,
    stop: Stop | None,
) -> tuple[torch.Tensor, torch.Tensor, tuple[float, ...]]:
    """Coordinates (k,) of the minimiser, its allowed copy (n,), and the residuals on the way."""
    scale, size = bounds.scale, len(directions.origin)
    weight = 2 * bounds.shape[0] / (EDGE_SIZE * scale)  # of a Laplace prior whose edges have that mean length
    coupling = weight / (_THRESHOLD * scale)
    stacked = sparse.csr_array(sparse.vstack(maps))
    back = sparse.csr_array(stacked.T)
    sizes = [rows.shape[0] for rows in maps]
    ask(stop)
    system = directions.precision + coupling * directions.compress(sparse.csr_array(back @ stacked))
    ask(stop)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(system)) * coupling
    rounded = inverse.float()  # halves the time of a step; stiff directions need the last one in float64
    start = torch.from_numpy(stacked @ directions.origin.numpy()) - limits
    split, multiplier = start.clone(), torch.zeros_like(start)
    norm = scale * size**0.5
    convergence: list[float] = []
    for iteration in range(_ITERATIONS):
        if iteration % _PAUSES == 0:
            ask(stop)
        wanted = torch.from_numpy(back @ (split - multiplier - start).numpy())
        coordinates = (rounded @ directions.along(wanted).float()).double()
        reached = torch.from_numpy(stacked @ directions.at(coordinates).numpy()) - limits
        relaxed = _RELAXATION * reached + (1 - _RELAXATION) * split
        nearest = _project(relaxed + multiplier, sizes, bounds, weight / coupling)
        multiplier += relaxed - nearest
        moved, violated = float((nearest - split).norm()), float((reached - nearest).norm())
        split = nearest
        convergence.append(max(moved, violated) / norm)
        if convergence[-1] < _TOLERANCE or _has_stalled(convergence):
            break
    return inverse @ directions.along(wanted), split[:size], tuple(convergence)


def _has_stalled(convergence: list[float]) -> bool:
    if len(convergence) % _PAUSES or len(convergence) < 2 * _LOOK_BACK:
        return False
    return min(convergence[-_LOOK_BACK:]) > _STALLED * min(convergence[:-_LOOK_BACK])


def _project(point: torch.Tensor, sizes: list[int], bounds: Bounds, threshold: float) -> torch.Tensor:
    """Nearest allowed point: bounds are clamped to, edges shrink by the threshold."""
    parts = list(point.split(sizes))
    parts[0] = parts[0].clamp(bounds.low, bounds.high)
    if len(parts) == 3:
        parts[1] = parts[1].clamp(max=0.0)
    edges = parts[-1].reshape(2, bounds.shape[0], -1)
    length = edges.square().sum((0, 1)).sqrt()
    parts[-1] = (edges * (1 - threshold / length.clamp(min=1e-300)).clamp(min=0)).flatten()
    return torch.cat(parts)


def _differences(shape: tuple[int, ...]) -> sparse.csr_array:
    """Differences to the right and the lower neighbour, (2 n, n), zero at the far edges."""
    channels, height, width = shape

    def along(size: int) -> sparse.csr_array:
        step = sparse.diags_array([-np.ones(size), np.ones(size - 1)], offsets=[0, 1]).tolil()
        step[size - 1, :] = 0
        return sparse.csr_array(step)

    rows = sparse.kron(sparse.eye_array(height), along(width))
    columns = sparse.kron(along(height), sparse.eye_array(width))
    every = sparse.eye_array(channels)
    return sparse.csr_array(sparse.vstack([sparse.kron(every, rows), sparse.kron(every, columns)]))
