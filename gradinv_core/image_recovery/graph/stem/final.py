"""The picture once the winners stand, every equation weighted by its noise, and the error bars that follow."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from gradinv_core.image_recovery.graph.stem.conjugate import conjugate_gradients
from gradinv_core.image_recovery.graph.stem.equations import Equations
from gradinv_core.image_recovery.graph.stem.pooled import PooledStem
from gradinv_core.image_recovery.graph.stem.winners import Winners
from gradinv_core.image_recovery.result import Stop

__all__ = ["Final", "largest_entries", "solve_finally", "take_at_word"]

_DRAWS = 16
_CHECKS = 6  # times the picture's own winners are compared with those it was solved for
_ROUNDS = 1000
_TRUSTS, _WORTH_TRUSTING = 5, 0.7  # at most so many solves without weights, each to bring the misfits below this share
_WORDS = 10  # turns in which they are all taken at their word
_OBJECTS = 3.0  # times the typical misfit of an output channel's gradient from which its winners are doubted
_SWAPS, _WORTH_SWAPPING = 8, 0.7  # at most so many, each to bring the squared misfit below this share
_DRAWN_ROUNDS, _DRAWN_TOLERANCE = 200, 1e-3
_TOLERANCE = 1e-11


@dataclass(frozen=True)
class Final:
    """The picture.

    Attributes:
        picture: (channels, height, width) shares.
        std: standard deviations of its shares.
        equations: entries of z and of the gradient that speak of it.
        misfit: relative, of the pooled map.
        of_gradient: relative, of the kernel's gradient.
    """

    picture: torch.Tensor
    std: torch.Tensor
    equations: int
    misfit: float
    of_gradient: float


def solve_finally(
    stem: PooledStem, winners: Winners, allowed: float, factor_std: float = 0.0, stop: Stop | None = None
) -> Final | None:
    """Solve for the picture, see that its own winners are those it was solved for, and draw its errors.

    The errors are drawn: the equations with noise of their own size in place of the data give one error of the picture
    (Papandreou and Yuille 2010); the root mean square of several, each pixel's with its neighbours', is the error bar.

    Args:
        stem: what is known.
        winners: nearly as they stand.
        allowed: relative misfit of map and gradient up to which they stand.
        factor_std: relative standard deviation of lambda: the pooled map grows by it as all of delta shrinks.
        stop: asked now and then.

    Returns:
        The picture; None if map or gradient misfits, so that some winners are wrong.

    Raises:
        StoppedError: the work was stopped.
    """
    for _ in range(_CHECKS):
        equations = Equations.of(stem, winners)
        picture = conjugate_gradients(equations.normal, equations.right(), winners.picture, _ROUNDS, _TOLERANCE, stop)
        again = largest_entries(stem, picture)
        same = torch.equal(again.dz, winners.dz)
        winners = again
        if same:
            break
    winners = _trusted(stem, winners, stop)
    picture, equations = winners.picture, Equations.of(stem, winners)
    if max(winners.misfit, winners.of_gradient) > allowed:
        return None
    std = _drawn(equations, stop) * max(equations.strain(picture), 1.0)
    # What delta errs by moves the map alike in all output channels, and that does not average out.
    known = stem.known
    shared = (stem.std[known].square().mean() / stem.target[known].square().mean()).sqrt()
    std = (std.square() + shared**2 * picture.square().mean()).sqrt()
    if factor_std > 0:
        moved = conjugate_gradients(
            equations.normal, equations.grown(), torch.zeros_like(picture), _ROUNDS, _DRAWN_TOLERANCE, stop
        )
        std = (std.square() + (factor_std * moved).square()).sqrt()
    return Final(picture, std, equations.count, winners.misfit, winners.of_gradient)


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
    equations = Equations.of(stem, winners, trusting=True)
    picture = conjugate_gradients(equations.normal, equations.right(), winners.picture, _ROUNDS, _TOLERANCE, stop)
    return largest_entries(stem, picture)


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


def _drawn(equations: Equations, stop: Stop | None) -> torch.Tensor:
    """Standard deviations of the picture, from draws of its error."""
    small = equations.single()
    generator = torch.Generator().manual_seed(0)

    def draw(shape: torch.Size | tuple[int, ...]) -> torch.Tensor:
        return torch.randn(_DRAWS, *shape, generator=generator)

    noise = small.stem.transposed(small.of_z.sqrt() * draw(small.of_z.shape))
    noise = noise + small.prior**0.5 * draw(small.stem.shape)
    of_gradient = small.of_gradient.sqrt() * draw(small.left.shape)
    noise = noise + small.stem.correlated_transposed(of_gradient, small.dz)
    errors = conjugate_gradients(small.normal, noise, torch.zeros_like(noise), _DRAWN_ROUNDS, _DRAWN_TOLERANCE, stop)
    variance = errors.double().square().mean(0)
    around = functional.avg_pool2d(variance[None], 3, 1, 1, count_include_pad=False)[0]
    return (variance / 2 + around / 2).sqrt() * equations.unit**-0.5
