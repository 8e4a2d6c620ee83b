"""Step two: which entry of every window the pool took, and the picture that follows (our derivation).

The loss gradient reaches the convolution only where a window's largest entry stood, so its weight gradient is a sum of
the picture's patches there, each weighted by what arrives at its cell. Given a picture, which is nearly right, that is
least squares over simplices: among the entries that may be the largest, how much of the cell's gradient does each
account for? Given the winners, the picture is linear: z there is the pooled value, and the patches add up to the
gradient. Both kinds of equations weigh by their misfit, so that smoothness closes what they leave open as long as
winners are wrong, and no longer. In turns all becomes exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from gradinv_core.image_recovery.graph.stem.conjugate import conjugate_gradients
from gradinv_core.image_recovery.graph.stem.edges import edges_of, of_edges
from gradinv_core.image_recovery.graph.stem.pooled import PooledStem
from gradinv_core.image_recovery.graph.stem.search import OnRound
from gradinv_core.image_recovery.graph.stem.shares import first_spread, likely_winners, spread_cells
from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.smoothness_bars import EDGE_SIZE
from gradinv_core.image_recovery.stopping import StoppedError, ask

__all__ = ["Enough", "Winners", "settle_winners"]

_SPREADS = (1.5, 0.5)  # times the misfits of map and gradient, z may be off in the next turn
_SMALLEST_SPREAD = 1e-7
_INNER = 150
_TOLERANCE = 1e-9
_FEWER = 1.5  # the gradient's misfit grows by this where shares have been fitted to it
_LEAST_NOISE = 0.01  # of the mean: no output channel's gradient is trusted more than that
_CERTAIN = 0.9  # share of its cell from which an entry is the winner
_BETTER = 0.9  # a turn must bring the misfit below this share of the best, or ...
_PATIENCE = 6  # ... so many turns later they start anew from the best picture, with the winners open again ...
_FRESH_STARTS, _FREED = 4, 10.0  # ... so often, and up to so many misfits from the largest
_STANDING = 2e-3  # share of the cells whose winner may be open when the rest is left to the last solve
_EXACT = 2e-6  # misfit of map and gradient at which float32 gradients have nothing more to say
_SINGLE = 1e-4  # ... and above which float32 does for the turns
_WON = 0.05  # squared share above which an entry is held at the pooled value and not below it
_RIDGE = 1e-3
_LOST, _WIDER = 2.0, 3.0  # times the best misfit, a turn has led astray; the next starts there again, so much wider
_HUBER = 3.0  # deviations from which an entry of the map counts less
_MEAN = 2.2  # a normal's mean square, in units of its median


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

    @property
    def total(self) -> float:
        """Both misfits."""
        return self.misfit + self.of_gradient


Enough = Callable[[torch.Tensor], bool]
"""Called with every entry's share of its cell, (outputs, cells, taps); True ends the turns."""


def settle_winners(
    stem: PooledStem,
    start: torch.Tensor,
    turns: int,
    on_round: OnRound | None = None,
    stop: Stop | None = None,
    enough: Enough | None = None,
) -> Winners:
    """Take turns until the winners stand.

    Args:
        stem: what is known.
        start: (channels, height, width) shares, nearly right.
        turns: at most so many.
        on_round: told after every turn.
        stop: asked in every turn.
        enough: likewise.

    Returns:
        The turn that fits best.

    Raises:
        StoppedError: the work was stopped before the first turn ended.
    """
    single = stem.to(torch.float32)
    picture, best, mark, waited = start, None, torch.inf, 0
    known = stem.target[stem.known]
    size = float(known.square().mean().sqrt())
    spread = first_spread(stem)
    shares: torch.Tensor | None = None
    kept: torch.Tensor | None = None
    exact, freed = False, 0
    for count in range(turns):
        try:
            ask(stop)
            turn, shares = _turn(stem if exact else single, picture, spread, shares, stop)
        except StoppedError:
            if best is None:
                raise
            break
        if on_round is not None:
            on_round(count + 1, turn.picture, turn.misfit)
        if enough is not None and enough(shares):
            return turn
        waited += 1
        if best is not None and turn.total > _LOST * best.total:
            picture, shares, spread = best.picture, kept, _WIDER * spread
        else:
            off = max(factor * part for factor, part in zip(_SPREADS, (turn.misfit, turn.of_gradient), strict=True))
            picture, spread = turn.picture, min(spread, max(off, _SMALLEST_SPREAD) * size)
        if best is None or turn.total < best.total:
            best, kept = turn, shares
        if best.total < _BETTER * mark:
            mark, waited = best.total, 0
        exact = exact or best.total < _SINGLE
        if (
            best.total < _EXACT
            or (best.total < _SINGLE and best.torn < _STANDING)
            or (waited >= _PATIENCE and freed == _FRESH_STARTS)
        ):
            break
        if waited >= _PATIENCE:
            picture, shares, spread = best.picture, None, _FREED * size * max(best.misfit, best.of_gradient)
            freed, waited = freed + 1, 0
    assert best is not None  # noqa: S101 - there is at least one turn
    return best


def _turn(
    stem: PooledStem, picture: torch.Tensor, spread: float, before: torch.Tensor | None, stop: Stop | None
) -> tuple[Winners, torch.Tensor]:
    """One turn: the winners for a picture, and the picture for them; and all entries' shares of their cells."""
    picture = picture.to(stem.kernel)
    z = stem.z(picture)
    won = likely_winners(stem, picture, spread, before, stop)
    dz = spread_cells(stem, won * stem.delta[..., None])
    share = spread_cells(stem, won.square())
    aim = spread_cells(stem, won.square() * stem.target[..., None])
    share, aim = _with_bounds(stem, z, share, aim)
    found = _solve(stem, picture, share, aim, dz, stop)
    left = stem.gradient_left(dz)
    of_gradient = float((left - stem.correlated(found, dz)).norm() / stem.gradient.norm().clamp(min=1e-30))
    torn = float(((won.amax(-1) < _CERTAIN) & stem.known).sum()) / max(int(stem.known.sum()), 1)
    parts = (found.double(), share.double(), aim.double(), dz.double())
    return Winners(*parts, stem.misfit(stem.z(found)), of_gradient, torn), won


def _with_bounds(
    stem: PooledStem, z: torch.Tensor, share: torch.Tensor, aim: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Entries above what their windows allow are pulled down to it."""
    bound = torch.full((len(z), stem.positions + 1), torch.inf, dtype=z.dtype)
    targets = stem.target[:, None].expand(-1, len(stem.cells), -1).flatten(1)
    bound.scatter_reduce_(1, stem.cells.flatten().expand(len(z), -1), targets, "amin")
    bound = bound[:, :-1]
    over = (z > bound) & (share < _WON)
    return share + over, aim + torch.where(over, bound, 0.0)


def _solve(
    stem: PooledStem,
    start: torch.Tensor,
    share: torch.Tensor,
    aim: torch.Tensor,
    dz: torch.Tensor,
    stop: Stop | None,
) -> torch.Tensor:
    """The picture for given winners; both kinds of equations and smoothness weigh by what they miss at the start."""
    left = stem.gradient_left(dz)
    of_gradient = _FEWER * (left - stem.correlated(start, dz)).square().mean(1, keepdim=True)
    of_gradient = torch.maximum(of_gradient, _LEAST_NOISE * of_gradient.mean())
    relative = float(of_gradient.median() / stem.gradient.square().mean())
    held = share > _WON
    missed = (aim - share * stem.z(start)).square() / share.clamp(min=1e-3)
    size = float(stem.target[stem.known].square().mean())
    # A map with fewer entries than unknowns fits whatever the winners: it counts for no more than the gradient says.
    of_map = max(_MEAN * float(missed[held].median()), relative * size)
    trust = 1 / (1 + missed / of_map / _HUBER**2)  # a wrong winner misses by far more than the others
    share, aim = share * trust, aim * trust
    edges = edges_of(start)
    lengths = (edges.square().sum((0, 1)) + (0.1 * EDGE_SIZE) ** 2).sqrt()
    smooth = 1 / (EDGE_SIZE * lengths)
    unit = 1 / of_map  # the equations in units in which the map's weigh one
    of_gradient, smooth, ridge = of_gradient * unit, smooth / unit, _RIDGE / unit

    def normal(one: torch.Tensor) -> torch.Tensor:
        whole = stem.transposed(share * stem.linear(one)) + of_edges(smooth * edges_of(one)) + ridge * one
        return whole + stem.correlated_transposed(stem.correlated(one, dz) / of_gradient, dz)

    right = stem.transposed(aim - share * stem.offset) + ridge * start
    right = right + stem.correlated_transposed(left / of_gradient, dz)
    return conjugate_gradients(normal, right, start, _INNER, _TOLERANCE, stop)
