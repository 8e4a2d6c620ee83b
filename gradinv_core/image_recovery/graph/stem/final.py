"""The picture once the winners stand, every equation weighted by its noise, and the error bars that follow."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gradinv_core.image_recovery.graph.stem.conjugate import conjugate_gradients
from gradinv_core.image_recovery.graph.stem.pooled import PooledStem
from gradinv_core.image_recovery.graph.stem.winners import Winners
from gradinv_core.image_recovery.result import Stop

__all__ = ["Final", "solve_finally"]

_WON = 0.9  # squared share of its cell from which an entry's z is taken for the pooled value
_DRAWS = 24
_ROUNDS = 400
_DRAWN_ROUNDS, _DRAWN_TOLERANCE = 250, 1e-4
_TOLERANCE = 1e-12
_PRIOR = 0.5  # of a pixel's range: what is known before any equation
_LEAST = 3e-8  # relative noise, at least: rounding of float32


@dataclass(frozen=True)
class Final:
    """The picture.

    Attributes:
        picture: (channels, height, width) shares.
        std: standard deviations of its shares.
        equations: entries of z and of the gradient that speak of it.
    """

    picture: torch.Tensor
    std: torch.Tensor
    equations: int


def solve_finally(stem: PooledStem, winners: Winners, factor_std: float = 0.0, stop: Stop | None = None) -> Final:
    """Solve for the picture and draw its errors.

    The errors are drawn: the equations with noise of their own size in place of the data give one error of the picture
    (Papandreou and Yuille 2010); the root mean square of several, each pixel's with its neighbours', is the error bar.

    Args:
        stem: what is known.
        winners: as they stand.
        factor_std: relative standard deviation of lambda: the pooled map grows by it as all of delta shrinks.
        stop: asked now and then.

    Raises:
        StoppedError: the work was stopped.
    """
    won = winners.share > _WON
    aim = torch.where(won, winners.aim / winners.share.clamp(min=1e-300), 0.0)
    left = stem.gradient_left(winners.dz)
    rest_z = (aim - stem.z(winners.picture))[won]
    rest_g = left - stem.correlated(winners.picture, winners.dz)
    # Both kinds of equations err by what they show, and never by less than rounding.
    noise_z = torch.maximum(_std_at(stem, won), rest_z.square().mean().sqrt())
    rows = stem.gradient.square().mean(1, keepdim=True)
    noise_g = (rest_g.square().mean(1, keepdim=True) + _LEAST**2 * rows + 1e-6 * rest_g.square().mean()).sqrt()
    weight_z = torch.where(won, noise_z.clamp(min=_LEAST * float(stem.target.square().mean().sqrt())) ** -2, 0.0)
    weight_g = noise_g.clamp(min=1e-300) ** -2
    unit = float(weight_z.max())
    weight_z, weight_g = weight_z / unit, weight_g / unit
    prior = _PRIOR**-2 / unit

    def normal(one: torch.Tensor, of: PooledStem, dz: torch.Tensor, z: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        back = of.correlated_transposed(g * of.correlated(one, dz), dz)
        return of.transposed(z * of.linear(one)) + back + prior * one

    right = stem.transposed(weight_z * (aim - stem.offset)) + stem.correlated_transposed(weight_g * left, winners.dz)
    picture = conjugate_gradients(
        lambda one: normal(one, stem, winners.dz, weight_z, weight_g),
        right + prior * 0.5,
        winners.picture,
        _ROUNDS,
        _TOLERANCE,
        stop,
    )
    single = torch.float32
    small, dz, z, g = stem.to(single), winners.dz.to(single), weight_z.to(single), weight_g.to(single)
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(_DRAWS, *shape, generator=generator, dtype=single)

    noise = small.transposed(z.sqrt() * drawn(*z.shape)) + prior**0.5 * drawn(*stem.shape)
    noise = noise + small.correlated_transposed(g.sqrt() * drawn(*stem.gradient.shape), dz)
    errors = conjugate_gradients(
        lambda one: normal(one, small, dz, z, g),
        noise,
        torch.zeros_like(noise),
        _DRAWN_ROUNDS,
        _DRAWN_TOLERANCE,
        stop,
    )
    variance = errors.double().square().mean(0)
    around = torch.nn.functional.avg_pool2d(variance[None], 3, 1, 1, count_include_pad=False)[0]
    std = (variance / 2 + around / 2).sqrt() * unit**-0.5
    chi = (weight_z * (aim - stem.z(picture)).square())[won].sum()
    chi = chi + (weight_g * (left - stem.correlated(picture, winners.dz)).square()).sum()
    count = int(won.sum()) + stem.gradient.numel()
    strain = (float(chi) * unit / max(count - picture.numel(), 1)) ** 0.5
    std = std * max(strain, 1.0)
    if factor_std > 0:
        grown = stem.transposed(weight_z * aim) + stem.correlated_transposed(weight_g * stem.gradient, winners.dz)
        moved = conjugate_gradients(
            lambda one: normal(one, stem, winners.dz, weight_z, weight_g),
            grown,
            torch.zeros_like(picture),
            _ROUNDS,
            _DRAWN_TOLERANCE,
            stop,
        )
        std = (std.square() + (factor_std * moved).square()).sqrt()
    return Final(picture, std, count)


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
