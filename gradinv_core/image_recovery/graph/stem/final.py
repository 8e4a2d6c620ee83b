"""The picture once nearly all winners stand: every equation weighted by its noise, and the last winners put right."""

from __future__ import annotations

import torch

from gradinv_core.image_recovery.graph.stem.bars import shared_error
from gradinv_core.image_recovery.graph.stem.conjugate import conjugate_gradients
from gradinv_core.image_recovery.graph.stem.direct import factored, is_small
from gradinv_core.image_recovery.graph.stem.equations import Equations
from gradinv_core.image_recovery.graph.stem.pooled import PooledStem
from gradinv_core.image_recovery.graph.stem.winners import Winners
from gradinv_core.image_recovery.result import Stop

__all__ = ["agree", "largest_entries", "resolve", "take_at_word"]

_CHECKS = 30  # at most so many solves for the winners of the picture before, ...
_WORTH_CHECKING, _PATIENCE = 0.7, 4  # ... of which so many in a row may fail to bring the misfits below this share
_ROUNDS = 1000
_TRUSTS, _WORTH_TRUSTING = 5, 0.7  # at most so many solves without weights, each to bring the misfits below this share
_WORDS = 10  # turns in which they are all taken at their word
_OBJECTS = 3.0  # times the typical misfit of an output channel's gradient from which its winners are doubted
_SWAPS, _WORTH_SWAPPING = 8, 0.7  # at most so many, each to bring the squared misfit below this share
_TOLERANCE = 1e-11
_ROUNDING = 1e-5  # relative misfit of map and gradient at which winners stand ...
_WIDE = 10.0  # ... besides so many times the gradient's noise; ...
_SHARED = 3.0  # ... the map also up to so many times what it errs by


def resolve(stem: PooledStem, winners: Winners, stop: Stop | None = None) -> Winners:
    """Solve for the picture, and see that its own winners are those it was solved for.

    Args:
        stem: what is known.
        winners: nearly as they stand.
        stop: asked now and then.

    Raises:
        StoppedError: the work was stopped.
    """
    best, mark, waited = winners, torch.inf, 0  # shares that were fitted to the gradient compare with nothing
    for _ in range(_CHECKS):
        again = largest_entries(stem, _solved(Equations.of(stem, winners), stop))
        same = torch.equal(again.dz, winners.dz)
        winners, waited = again, waited + 1
        best = winners if winners.total < best.total or mark == torch.inf else best
        if best.total < _WORTH_CHECKING * mark:
            mark, waited = best.total, 0
        if waited >= _PATIENCE or (same and (waited > 0 or not is_small(stem.shape))):  # weights go on moving it
            break
    return _trusted(stem, best, stop)


def agree(stem: PooledStem, winners: Winners, noise: float = 0.0) -> bool:
    """Whether map and gradient fit as well as they are known: a single wrong winner shows.

    Args:
        stem: what is known.
        winners: as they were resolved.
        noise: relative noise of the gradient, which no picture can fit better than.
    """
    rounding = _ROUNDING + _WIDE * noise
    return winners.misfit <= max(rounding, _SHARED * float(shared_error(stem))) and winners.of_gradient <= rounding


def _trusted(stem: PooledStem, winners: Winners, stop: Stop | None) -> Winners:
    """The same winners or better, once every equation was taken at its word.

    Equations that weigh by what they miss believe a few wrong pixels: those alone that see them miss, and so weigh
    nothing. Where the winners stand, all equations hold to rounding, and solved without such weights they show it. What
    comes of it stays as long as it misses less by much.
    """
    for _ in range(_TRUSTS):
        again = _trusting_turn(stem, winners, stop)
        if again.total > _WORTH_TRUSTING * winners.total:
            break
        winners = again
    return winners


def take_at_word(stem: PooledStem, winners: Winners, stop: Stop | None = None) -> Winners:
    """Turns in which every equation is taken at its word, whatever it misses by, until no winner changes.

    Turns that weigh equations by what they miss can come to rest where some winners are wrong: the equations that say
    so weigh nothing. Taken at their word these pull the picture elsewhere, where it fits the map worse at first, and
    from where weighing turns come to the end.

    Args:
        stem: what is known.
        winners: where turns came to rest.
        stop: asked now and then.

    Raises:
        StoppedError: the work was stopped.
    """
    for _ in range(_WORDS):
        again = _trusting_turn(stem, winners, stop)
        same = torch.equal(again.dz, winners.dz)
        winners = again
        if same:
            break
    return winners


def _trusting_turn(stem: PooledStem, winners: Winners, stop: Stop | None) -> Winners:
    return largest_entries(stem, _solved(Equations.of(stem, winners, trusting=True), stop))


def _solved(equations: Equations, stop: Stop | None) -> torch.Tensor:
    """The picture that the equations mean; a large one as near as rounds from where it was come."""
    direct = factored(equations, stop)
    if direct is not None:
        return direct.solution()
    return conjugate_gradients(equations.normal, equations.right(), equations.start, _ROUNDS, _TOLERANCE, stop)


def largest_entries(stem: PooledStem, picture: torch.Tensor) -> Winners:
    """The winners of a picture that is nearly right: in every window the largest entry, unless the gradient objects.

    Where an output channel's gradient misfits by far more than the others', single cells are looked for whose winner is
    another: swapping it brings the misfit down at once.

    Args:
        stem: what is known.
        picture: (channels, height, width) shares.
    """
    z = stem.z(picture)
    windows = stem.windows(z, -torch.inf).transpose(1, 2)
    top = windows.argmax(-1)
    patches = stem.patches(stem.scale * picture + stem.shift)
    dz = _at(stem, top, stem.delta)
    rest = stem.gradient - dz @ patches.T
    size = rest.square().sum(1)
    loud = stem.gradient.square().sum(1) > 0
    usual = size[loud].median() if bool(loud.any()) else size.new_zeros(())
    for channel in (size > _OBJECTS**2 * usual).nonzero()[:, 0].tolist():
        _swap(stem, patches, rest[channel], channel, top)
    dz = _at(stem, top, stem.delta)
    share, aim = _at(stem, top, stem.known.double()), _at(stem, top, stem.target * stem.known)
    rest = stem.gradient - dz @ patches.T
    of_gradient = float(rest.norm() / stem.gradient.norm().clamp(min=1e-300))
    return Winners(picture, share, aim, dz, stem.misfit(z), of_gradient, 0.0)


def _at(stem: PooledStem, top: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """(outputs, positions): the sum of values (outputs, cells) at their winners, by tap (outputs, cells)."""
    places = stem.cells.T.expand(len(top), -1, -1).gather(2, top[..., None])[..., 0]
    total = torch.zeros(len(top), stem.positions + 1, dtype=values.dtype)
    return total.scatter_add(1, places, values)[:, :-1]


def _swap(stem: PooledStem, patches: torch.Tensor, rest: torch.Tensor, channel: int, top: torch.Tensor) -> None:
    """Swap winners of one output channel, in ``top`` itself, as long as each brings its misfit down by much."""
    inside = stem.cells < stem.positions
    every = torch.cat([patches, torch.zeros(len(patches), 1, dtype=patches.dtype)], 1)[:, stem.cells]
    delta = stem.delta[channel]
    for _ in range(_SWAPS):
        now = every.gather(1, top[channel].expand(len(every), 1, -1))
        change = delta * (now - every)
        left = (rest[:, None, None] + change).square().sum(0).masked_fill(~inside, torch.inf)
        best = int(left.argmin())
        tap, cell = divmod(best, left.shape[1])
        if float(left.flatten()[best]) > _WORTH_SWAPPING * float(rest.square().sum()):
            return
        rest = rest + change[:, tap, cell]
        top[channel, cell] = tap
