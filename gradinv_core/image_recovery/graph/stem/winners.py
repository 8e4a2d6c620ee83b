"""Step two: which entry of every window the pool took, and the picture that follows (our derivation).

The loss gradient reaches the convolution only where a window's largest entry stood, so its weight gradient is a sum of
the picture's patches there, each weighted by what arrives at its cell. Given a picture, which is nearly right, that is
non-negative least squares for every output channel: among the entries that may be the largest, how much of the cell's
gradient does each account for? Given the winners, the picture is linear: z there is the pooled value, and the patches
add up to the gradient. In turns both become exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import nnls

from gradinv_core.arrays import Array
from gradinv_core.image_recovery.graph.stem.conjugate import conjugate_gradients
from gradinv_core.image_recovery.graph.stem.pooled import PooledStem
from gradinv_core.image_recovery.graph.stem.search import OnRound
from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.stopping import StoppedError, ask

__all__ = ["Winners", "settle_winners"]

_FIRST_SPREAD = 0.05  # of the pooled map: how far z may be off at first
_NEAR = 4.0  # such spreads below the largest, an entry may have been the largest
_WHOLE = 3.0  # weight of a cell's shares adding up to one, where the gradient's norm is one
_CLOSE = 0.02  # weight of an entry being near the pooled value, in spreads
_SMALLEST_SPREAD = 1e-7
_LOST = 2.0  # times the best misfit: the turns lead away
_INNER, _TOLERANCE = 400, 1e-10
_RIDGE = 1e-9
_CERTAIN = 0.9  # share of its cell from which an entry is the winner
_STALLED = 0.8  # a round must bring the misfit below this share of the best, or ...
_PATIENCE = 4  # ... so many rounds later the turns end
_WON = 0.05  # weight above which an entry counts as a winner


@dataclass(frozen=True)
class Winners:
    """A picture, and the entries of z it rests on.

    Attributes:
        picture: (channels, height, width) shares.
        share: (outputs, positions) squared shares of the cells that each entry won, added up.
        aim: (outputs, positions) what they should be, times ``share``.
        dz: (outputs, positions) loss gradient at z.
        misfit: relative, of the pooled map.
        of_gradient: relative, of the kernel's gradient.
        torn: share of the cells whose winner is not certain.
    """

    picture: torch.Tensor
    share: torch.Tensor
    aim: torch.Tensor
    dz: torch.Tensor
    misfit: float
    of_gradient: float
    torn: float


def settle_winners(
    stem: PooledStem, start: torch.Tensor, rounds: int, on_round: OnRound | None = None, stop: Stop | None = None
) -> Winners:
    """Take turns until the winners stand.

    Args:
        stem: what is known.
        start: (channels, height, width) shares, nearly right.
        rounds: at most so many.
        on_round: told after every round.
        stop: asked in every round.

    Returns:
        The turn that fits best.

    Raises:
        StoppedError: the work was stopped before the first turn ended.
    """
    picture, best, waited = start, None, 0
    size = float(stem.target[stem.known].square().mean().sqrt())
    spread = _FIRST_SPREAD * float(stem.target[stem.known].std())
    for count in range(rounds):
        try:
            ask(stop)
            turn = _turn(stem, picture, spread, stop)
        except StoppedError:
            if best is None:
                raise
            break
        if on_round is not None:
            on_round(count + 1, turn.picture, turn.misfit)
        if best is not None and turn.misfit > _LOST * best.misfit:
            break
        waited = 0 if best is None or turn.misfit < _STALLED * best.misfit else waited + 1
        if best is None or turn.misfit < best.misfit:
            best = turn
        if waited >= _PATIENCE:
            break
        picture = turn.picture
        spread = min(spread, max(1.5 * turn.misfit * size, _SMALLEST_SPREAD * size))
    assert best is not None  # noqa: S101 - there is at least one round
    return best


def _turn(stem: PooledStem, picture: torch.Tensor, spread: float, stop: Stop | None) -> Winners:
    z = stem.z(picture)
    patches = stem.patches(stem.scale * picture + stem.shift)
    share, aim, dz = (torch.zeros_like(z) for _ in range(3))
    torn = 0
    windows = stem.windows(z, -torch.inf)
    may_win = (windows >= windows.amax(1, keepdim=True) - _NEAR * spread) & stem.known[:, None]
    for channel in range(len(z)):
        if channel % 8 == 0:
            ask(stop)
        taps, cells = np.nonzero(may_win[channel].numpy())
        if not len(cells):
            continue
        places = stem.cells.numpy()[taps, cells]
        weights = stem.delta[channel].numpy()[cells]
        near = np.abs(z[channel].numpy()[places] - stem.target[channel].numpy()[cells]) / spread
        won = _shares(patches.numpy()[:, places] * weights, stem.gradient[channel].numpy(), cells, near)
        largest = np.zeros(stem.cells.shape[1])
        np.maximum.at(largest, cells, won)
        torn += int((largest[np.unique(cells)] < _CERTAIN).sum())
        place = torch.from_numpy(places)
        dz[channel].index_add_(0, place, torch.from_numpy(won * weights))
        share[channel].index_add_(0, place, torch.from_numpy(won**2))
        aim[channel].index_add_(0, place, torch.from_numpy(won**2 * stem.target[channel].numpy()[cells]))
    share, aim = _with_bounds(stem, z, share, aim)
    found = _solve(stem, picture, share, aim, dz, stop)
    z = stem.z(found)
    left = stem.gradient_left(dz)
    of_gradient = float((left - stem.correlated(found, dz)).norm() / stem.gradient.norm().clamp(min=1e-300))
    return Winners(found, share, aim, dz, stem.misfit(z), of_gradient, torn / max(int(stem.known.sum()), 1))


def _shares(columns: Array, gradient: Array, cells: np.ndarray, near: Array) -> Array:
    """How much of its cell each entry won, adding up to one in every cell.

    Args:
        columns: (channels * taps, entries) patches times what arrives at their cells.
        gradient: (channels * taps,) of the output channel's kernel.
        cells: (entries,) to which cell each belongs.
        near: (entries,) distance to the pooled value, in spreads.
    """
    size = max(float(np.linalg.norm(gradient)), 1e-300)
    names, number = np.unique(cells, return_inverse=True)
    sums = np.zeros((len(names), len(cells)))
    sums[number, np.arange(len(cells))] = _WHOLE
    system = np.vstack([columns / size, sums, np.diag(_CLOSE * near)])
    wanted = np.concatenate([gradient / size, np.full(len(names), _WHOLE), np.zeros(len(cells))])
    found, _ = nnls(system, wanted, maxiter=30 * len(cells))
    totals = np.bincount(number, found)
    return found / np.maximum(totals, 1e-9)[number]


def _with_bounds(
    stem: PooledStem, z: torch.Tensor, share: torch.Tensor, aim: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Entries above what their windows allow are pulled down to it."""
    bound = torch.full((len(z), stem.positions + 1), torch.inf, dtype=z.dtype)
    cells = stem.cells.flatten()
    bound.scatter_reduce_(
        1, cells.expand(len(z), -1), stem.target[:, None].expand(-1, len(stem.cells), -1).flatten(1), "amin"
    )
    bound = bound[:, :-1]
    over = (z > bound + 1e-9) & (share < _WON)
    return share + over, aim + torch.where(over, bound, 0.0)


def _solve(
    stem: PooledStem,
    start: torch.Tensor,
    share: torch.Tensor,
    aim: torch.Tensor,
    dz: torch.Tensor,
    stop: Stop | None,
) -> torch.Tensor:
    """The picture for given winners; both kinds of equations weigh by their size."""
    of_map = 1 / float(stem.target.square().sum())
    left = stem.gradient_left(dz)
    of_gradient = 1 / float(stem.gradient.square().sum())
    ridge = _RIDGE * of_map * len(stem.kernel)

    def normal(one: torch.Tensor) -> torch.Tensor:
        of_z = of_map * stem.transposed(share * stem.linear(one))
        return of_z + of_gradient * stem.correlated_transposed(stem.correlated(one, dz), dz) + ridge * one

    right = of_map * stem.transposed(aim - share * stem.offset)
    right = right + of_gradient * stem.correlated_transposed(left, dz) + ridge * start
    return conjugate_gradients(normal, right, start, _INNER, _TOLERANCE, stop)
