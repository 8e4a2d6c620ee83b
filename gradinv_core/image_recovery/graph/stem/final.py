"""The picture once the winners stand, every equation weighted by its noise, and the error bars that follow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch.nn import functional

from gradinv_core.image_recovery.graph.stem.conjugate import conjugate_gradients
from gradinv_core.image_recovery.graph.stem.pooled import PooledStem
from gradinv_core.image_recovery.graph.stem.winners import Winners
from gradinv_core.image_recovery.result import Stop

__all__ = ["Final", "largest_entries", "solve_finally"]

_WON = 0.9  # squared share of its cell from which an entry's z is taken for the pooled value
_DRAWS = 16
_CHECKS = 6  # times the picture's own winners are compared with those it was solved for
_ROUNDS = 1000
_TRUSTS, _WORTH_TRUSTING = 5, 0.7  # at most so many solves without weights, each to bring the misfits below this share
_OBJECTS = 3.0  # times the typical misfit of an output channel's gradient from which its winners are doubted
_SWAPS, _WORTH_SWAPPING = 8, 0.7  # at most so many, each to bring the squared misfit below this share
_HUBER = 3.0  # deviations from which an entry counts less
_SHARED = 1e-4  # of the typical output channel's rounding, which all have
_NORMAL_MEDIAN = 0.6745
_DRAWN_ROUNDS, _DRAWN_TOLERANCE = 200, 1e-3
_TOLERANCE = 1e-11
_PRIOR = 0.5  # of a pixel's range: what is known before any equation
_LEAST = 2e-7  # relative noise, at least: rounding of float32, and what delta errs by


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
        equations = _Equations.of(stem, winners)
        picture = conjugate_gradients(equations.normal, equations.right(), winners.picture, _ROUNDS, _TOLERANCE, stop)
        again = largest_entries(stem, picture)
        same = torch.equal(again.dz, winners.dz)
        winners = again
        if same:
            break
    winners = _trusted(stem, winners, stop)
    picture, equations = winners.picture, _Equations.of(stem, winners)
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
        equations = _Equations.of(stem, winners, trusting=True)
        picture = conjugate_gradients(equations.normal, equations.right(), winners.picture, _ROUNDS, _TOLERANCE, stop)
        again = largest_entries(stem, picture)
        if again.total > _WORTH_TRUSTING * winners.total:
            break
        winners = again
    return winners


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


@dataclass(frozen=True)
class _Equations:
    """Both kinds of equations, weighted by their noise, in units in which the best known entry of the map weighs one.

    Attributes:
        stem: what is known.
        dz: (outputs, positions) loss gradient at z.
        aim: (outputs, positions) what z is where it won.
        left: (outputs, channels * taps) the kernel's gradient, as far as it grows with the picture.
        of_z: (outputs, positions) weights.
        of_gradient: (outputs, 1) weights.
        prior: weight of grey.
        unit: what all weights were divided by.
    """

    stem: PooledStem
    dz: torch.Tensor
    aim: torch.Tensor
    left: torch.Tensor
    of_z: torch.Tensor
    of_gradient: torch.Tensor
    prior: float
    unit: float

    @classmethod
    def of(cls, stem: PooledStem, winners: Winners, trusting: bool = False) -> _Equations:
        """The equations of such winners; both kinds err by what they show, and never by less than rounding.

        Args:
            stem: what is known.
            winners: as they stand.
            trusting: all err by rounding alone.
        """
        won = winners.share > _WON
        aim = torch.where(won, winners.aim / winners.share.clamp(min=1e-300), 0.0)
        left = stem.gradient_left(winners.dz)
        size = float(stem.target.square().mean().sqrt())
        missed = (aim - stem.z(winners.picture)).abs()
        typical = float(missed[won].median()) / _NORMAL_MEDIAN
        noise = (_std_at(stem, won).square() + typical**2 + (_LEAST * size) ** 2).sqrt()
        noise = noise * (1 + (missed / noise / _HUBER).square()).sqrt()  # a wrong winner misses by far more
        if trusting:
            noise = (_std_at(stem, won).square() + (_LEAST * size) ** 2).sqrt()
        rest = (left - stem.correlated(winners.picture, winners.dz)).square().mean(1, keepdim=True)
        rows = stem.gradient.square().mean(1, keepdim=True)
        rest = torch.zeros_like(rest) if trusting else rest
        of_gradient = 1 / (rest + _LEAST**2 * (rows + _SHARED * rows.mean())).clamp(min=1e-300)
        of_z = torch.where(won, noise**-2.0, 0.0)
        unit = float(of_z.max())
        return cls(stem, winners.dz, aim, left, of_z / unit, of_gradient / unit, _PRIOR**-2 / unit, unit)

    @property
    def count(self) -> int:
        """How many there are."""
        return int((self.of_z > 0).sum()) + self.left.numel()

    def normal(self, one: torch.Tensor) -> torch.Tensor:
        """All of them, and back."""
        stem = self.stem
        back = stem.correlated_transposed(self.of_gradient * stem.correlated(one, self.dz), self.dz)
        return stem.transposed(self.of_z * stem.linear(one)) + back + self.prior * one

    def right(self) -> torch.Tensor:
        """What they say."""
        back = self.stem.correlated_transposed(self.of_gradient * self.left, self.dz)
        return self.stem.transposed(self.of_z * (self.aim - self.stem.offset)) + back + self.prior * 0.5

    def grown(self) -> torch.Tensor:
        """How what they say changes with lambda."""
        back = self.stem.correlated_transposed(self.of_gradient * self.stem.gradient, self.dz)
        return self.stem.transposed(self.of_z * self.aim) + back

    def strain(self, picture: torch.Tensor) -> float:
        """Root mean square misfit of the equations left over, in units of their noise."""
        of_z = self.of_z * (self.aim - self.stem.z(picture)).square()
        of_gradient = self.of_gradient * (self.left - self.stem.correlated(picture, self.dz)).square()
        surplus = max(self.count - picture.numel(), 1)
        return (float(of_z.sum() + of_gradient.sum()) * self.unit / surplus) ** 0.5

    def single(self) -> _Equations:
        """The same in float32."""
        names = ("dz", "aim", "left", "of_z", "of_gradient")
        parts = {name: getattr(self, name).float() for name in names}
        return replace(self, stem=self.stem.to(torch.float32), **parts)


def _drawn(equations: _Equations, stop: Stop | None) -> torch.Tensor:
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


def _std_at(stem: PooledStem, won: torch.Tensor) -> torch.Tensor:
    """(outputs, positions) error bars of the pooled values at the entries that won; where they won none, nought."""
    result = torch.zeros(len(won), stem.positions + 1, dtype=torch.float64)
    result.scatter_reduce_(
        1,
        stem.cells.flatten().expand(len(won), -1),
        torch.where(stem.known, stem.std, 0.0)[:, None].expand(-1, len(stem.cells), -1).flatten(1),
        "amax",
    )
    return result[:, :-1] * won
