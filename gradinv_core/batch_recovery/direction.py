"""One direction of the row space, and what speaks for its being one sample's feature alone.

A feature behind a ReLU is non-negative and zero in places. A mixture of features can be made to vanish in any K - 1
columns; in more only if they were zeros of one feature. So a direction is proven by its *spare* zeros, those
beyond K - 1, and only where every zero is confirmed by the others: taken away, it must not free the direction. The
difference ``x_1 - c x_2`` of two features with common zeros vanishes in many columns as well, but one of them, that of
the smallest ratio, nothing else confirms: its leverage is one (our derivation).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import pdtrc

from gradinv_core.arrays import Array
from gradinv_core.batch_recovery.row_space import RowSpace

__all__ = ["Direction", "refit", "same"]

_ZERO = 6.0  # standard deviations within which an entry counts as zero
_WIDTHS = (100.0, 10.0, 1.0, 1.0, 1.0, 1.0, 1.0)  # times that, round by round: an edge of the cone comes a little askew
_WIDEST = 1e-3  # of a middling entry: beyond noise, nothing further is taken for zero
_TURNS = 2  # in a plane of directions that shared zeros leave open
_RANK = 1e-6  # of the largest singular value: below, the zeros leave more than one direction
_OUT_OF_NOISE = 5.0  # times the noise that the next singular value must reach, likewise
_CONFIRMED = 0.999  # leverage from which a zero stands alone
_CHANCE = 1e-4  # probability above which that many zeros may be accidents
_SAME = 1e-6  # of the squared sine between two directions


@dataclass(frozen=True)
class Direction:
    """A candidate for one sample's feature, up to its scale.

    Attributes:
        coefficients: (K,) of unit length, in the row space's basis.
        entries: (D,) the direction itself, its largest entry positive.
        zeros: (D,) which live columns vanish.
        std: (D,) standard deviation of its entries by noise.
        spare: how many zeros it has beyond the K - 1 that any direction can have.
        leverage: of the zero that the others confirm least; 1 where one stands alone.
        chance: probability that as many zeros are accidents of the noise's width.
        nonnegative: whether no entry is below zero beyond noise.
        passed: whether the layer below gives this very feature, and none beside it.
    """

    coefficients: Array
    entries: Array
    zeros: np.ndarray
    std: Array
    spare: int
    leverage: float
    chance: float
    nonnegative: bool
    passed: bool = False

    @property
    def proven(self) -> bool:
        """Whether its zeros, or the layer below, show that it is one sample's feature."""
        if self.passed:
            return True
        return self.nonnegative and self.spare > 0 and self.leverage < _CONFIRMED and self.chance < _CHANCE

    @property
    def feature(self) -> Array:
        """(D,) the entries with exact zeros, and nothing negative."""
        return np.where(self.entries > _ZERO * self.std, self.entries, 0.0)


def refit(space: RowSpace, coefficients: Array) -> Direction:
    """Fit a direction to all its zeros, until they stay the same.

    Args:
        space: the row space.
        coefficients: (K,) a first guess, not zero.
    """
    current, zeros, leverage = coefficients / np.linalg.norm(coefficients), space.live, 1.0
    turns = _TURNS
    for width in _WIDTHS if space.size > 1 else (1,):
        sizes = np.abs(current @ space.basis)
        zero = _ZERO * space.std_of(current)
        widened = np.minimum(width * zero, _WIDEST * float(np.median(sizes[space.live])))
        found = space.live & (sizes < np.maximum(zero, widened))
        settled = width == 1 and np.array_equal(found, zeros)
        zeros = found
        if settled or zeros.sum() < space.size or space.size == 1:  # a direction by itself has nowhere to turn
            break
        left, values, right = np.linalg.svd(space.basis[:, zeros], full_matrices=False)
        current = left[:, -1] * np.sign(left[:, -1] @ current)
        # Zeros that two features share leave a whole plane of directions, which only noise tells apart.
        noise = float(np.linalg.norm(space.std_of(left[:, -2])[zeros]))
        confirmed = values[-2] > max(_RANK * values[0], _OUT_OF_NOISE * noise)
        leverage = float((right[:-1] ** 2).sum(0).max()) if confirmed else 1.0
        if not confirmed and turns:
            turns -= 1
            current = _densest(space, left[:, -2:], zeros)
    entries = current @ space.basis
    sign = np.sign(entries[np.abs(entries).argmax()])
    entries, std = sign * entries, space.std_of(current)
    spare = int(zeros.sum()) - (space.size - 1)
    size = float(np.median(np.abs(entries[space.live & ~zeros]))) if (space.live & ~zeros).any() else 0.0
    expected = _ZERO * float(std[space.live].sum()) / max(size, 1e-300)
    return Direction(
        coefficients=sign * current,
        entries=entries,
        zeros=zeros,
        std=std,
        spare=spare,
        leverage=leverage if spare > 0 else 1.0,
        chance=float(pdtrc(max(spare - 1, 0), expected)) if spare > 0 else 1.0,
        nonnegative=bool((entries > -_ZERO * std).all()),
    )


def _densest(space: RowSpace, plane: Array, zeros: np.ndarray) -> Array:
    """(K,) the direction of a plane (K, 2) in which most further columns vanish.

    Within a plane every column vanishes in one direction, at an angle; columns that are zeros of one feature share it.
    """
    across = plane.T @ space.basis[:, space.live & ~zeros]
    if across.shape[1] == 0:
        return plane[:, -1]
    angles = np.sort(np.arctan2(-across[0], across[1]) % np.pi)
    noise = [float(np.median(space.std_of(side)[space.live])) for side in plane.T]
    width = min(_ZERO * max(noise) / max(float(np.median(np.hypot(*across))), 1e-300), np.pi / 4)
    twice = np.concatenate([angles, angles + np.pi])
    counts = np.searchsorted(twice, twice + 2 * width) - np.arange(len(twice))
    start = int(counts[: len(angles)].argmax())
    middle = float(np.median(twice[start : start + counts[start]]))
    return plane @ np.array([np.cos(middle), np.sin(middle)])


def same(first: Direction, second: Direction) -> bool:
    """Whether two directions differ by noise only."""
    return bool(1 - (first.coefficients @ second.coefficients) ** 2 < _SAME)
