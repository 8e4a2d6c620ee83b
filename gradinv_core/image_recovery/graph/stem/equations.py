"""All that is known of a picture once the winners stand: linear equations, each weighted by its noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from gradinv_core.image_recovery.graph.stem.pooled import PooledStem
from gradinv_core.image_recovery.graph.stem.winners import Winners

__all__ = ["Equations"]

_WON = 0.9  # squared share of its cell from which an entry's z is taken for the pooled value
_HUBER = 3.0  # deviations from which an entry counts less
_SHARED = 1e-4  # of the typical output channel's rounding, which all have
_NORMAL_MEDIAN = 0.6745
_PRIOR = 0.5  # of a pixel's range: what is known before any equation
_LEAST = 2e-7  # relative noise, at least: rounding of float32, and what delta errs by


@dataclass(frozen=True)
class Equations:
    """Both kinds of equations, weighted by their noise, in units in which the best known entry of the map weighs one.

    Attributes:
        stem: what is known.
        dz: (outputs, positions) loss gradient at z.
        aim: (outputs, positions) what z is where it won.
        left: (outputs, channels * taps) the kernel's gradient, as far as it grows with the picture.
        of_z: (outputs, positions) weights.
        of_gradient: (outputs, 1) weights.
        start: (channels, height, width) the picture that winners came from, where one stays that no equation sees: what
            other entries of its windows may reach would forbid most of the grey that is as likely.
        prior: weight of that.
        unit: what all weights were divided by.
    """

    stem: PooledStem
    dz: torch.Tensor
    aim: torch.Tensor
    left: torch.Tensor
    of_z: torch.Tensor
    of_gradient: torch.Tensor
    start: torch.Tensor
    prior: float
    unit: float

    @classmethod
    def of(cls, stem: PooledStem, winners: Winners, trusting: bool = False) -> Equations:
        """The equations of such winners; both kinds err by what they show, and never by less than rounding.

        Args:
            stem: what is known.
            winners: as they stand.
            trusting: all err by rounding alone.
        """
        picture, won = winners.picture, winners.share > _WON
        aim = torch.where(won, winners.aim / winners.share.clamp(min=1e-300), 0.0)
        left = stem.gradient_left(winners.dz)
        size = float(stem.target.square().mean().sqrt())
        missed = (aim - stem.z(picture)).abs()
        typical = float(missed[won].median()) / _NORMAL_MEDIAN
        noise = (_std_at(stem, won).square() + typical**2 + (_LEAST * size) ** 2).sqrt()
        noise = noise * (1 + (missed / noise / _HUBER).square()).sqrt()  # a wrong winner misses by far more
        if trusting:
            noise = (_std_at(stem, won).square() + (_LEAST * size) ** 2).sqrt()
        rest = (left - stem.correlated(picture, winners.dz)).square().mean(1, keepdim=True)
        rows = stem.gradient.square().mean(1, keepdim=True)
        rest = torch.zeros_like(rest) if trusting else rest
        of_gradient = 1 / (rest + _LEAST**2 * (rows + _SHARED * rows.mean())).clamp(min=1e-300)
        of_z = torch.where(won, noise**-2.0, 0.0)
        unit = float(of_z.max())
        return cls(stem, winners.dz, aim, left, of_z / unit, of_gradient / unit, picture, _PRIOR**-2 / unit, unit)

    @property
    def count(self) -> int:
        """How many there are."""
        return int((self.of_z > 0).sum()) + self.left.numel()

    def normal(self, one: torch.Tensor) -> torch.Tensor:
        """All of them, and back."""
        stem = self.stem
        back = stem.correlated_transposed(self.of_gradient * stem.correlated(one, self.dz), self.dz)
        return stem.transposed(self.of_z * stem.linear(one)) + back + self.prior * one

    def diagonal(self) -> torch.Tensor:
        """(channels, height, width) what each pixel by itself is seen by."""
        squared = replace(self.stem, kernel=self.stem.kernel.square(), scale=self.stem.scale.square())
        back = squared.correlated_transposed(self.of_gradient.expand_as(self.left), self.dz.square())
        return squared.transposed(self.of_z) + back + self.prior

    def right(self) -> torch.Tensor:
        """What they say."""
        back = self.stem.correlated_transposed(self.of_gradient * self.left, self.dz)
        return self.stem.transposed(self.of_z * (self.aim - self.stem.offset)) + back + self.prior * self.start

    def pull(self, picture: torch.Tensor) -> torch.Tensor:
        """``right - normal(picture)`` from what each equation misses, which keeps its digits where those are few."""
        of_gradient = self.of_gradient * (self.left - self.stem.correlated(picture, self.dz))
        of_z = self.of_z * (self.aim - self.stem.z(picture))
        back = self.stem.correlated_transposed(of_gradient, self.dz)
        return self.stem.transposed(of_z) + back + self.prior * (self.start - picture)

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

    def single(self) -> Equations:
        """The same in float32."""
        names = ("dz", "aim", "left", "of_z", "of_gradient", "start")
        parts = {name: getattr(self, name).float() for name in names}
        return replace(self, stem=self.stem.to(torch.float32), **parts)


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
