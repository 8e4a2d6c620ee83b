"""The last solve done at once instead of in rounds: the matrix of all equations, and what it says of every pixel.

Equations that misfit weigh next to nothing, so what they alone tell has a weight ten orders below the rest, and
conjugate gradients do not get there in any number of rounds worth waiting for. A Cholesky factor does. Its matrix costs
little: an entry of the map reads one patch, so it is a sum of one small block for every position, and the kernel's
gradient adds one and the same block to every channel of the picture (our derivation).
"""

from __future__ import annotations

from math import prod

import torch

from gradinv_core.image_recovery.cholesky import factorise
from gradinv_core.image_recovery.graph.stem.equations import Equations
from gradinv_core.image_recovery.result import Stop

__all__ = ["Direct", "factored", "is_small", "normal_matrix"]

_LARGEST = 7000  # entries of a picture; the matrix has their square
_STEPS = 3  # of refinement
_RIDGE = 1e-13  # of each diagonal entry: what rounding may take from it
_CHUNK = 4_000_000  # entries of blocks at a time
_ROWS = 256  # likewise, rows of the factor's inverse


def is_small(shape: tuple[int, ...]) -> bool:
    """Whether the matrix for a picture of this shape is one to write down."""
    return prod(shape) <= _LARGEST


def factored(equations: Equations, stop: Stop | None = None) -> Direct | None:
    """The equations, factored; None for a large picture, or where they are too badly conditioned for float64.

    Args:
        equations: of any picture.
        stop: asked between blocks.

    Raises:
        StoppedError: the work was stopped.
    """
    if not is_small(equations.stem.shape):
        return None
    try:
        return Direct(equations, stop)
    except torch.linalg.LinAlgError:
        return None


class Direct:
    """All equations, factored.

    Args:
        equations: of a small picture.
        stop: asked between blocks.

    Raises:
        StoppedError: the work was stopped.
        torch.linalg.LinAlgError: the equations are too badly conditioned for float64.
    """

    def __init__(self, equations: Equations, stop: Stop | None = None) -> None:
        self._equations, self._stop = equations, stop
        self._factor = factorise(normal_matrix(equations), stop)

    def solve(self, right: torch.Tensor) -> torch.Tensor:
        """The picture (channels, height, width) for a right side of the same shape."""
        return self._factor.solve(right.flatten(), self._stop).reshape(right.shape)

    def solution(self) -> torch.Tensor:
        """The picture (channels, height, width) that all equations mean; each step mends the rounding of the last."""
        picture = self._equations.start
        for _ in range(_STEPS):
            picture = picture + self.solve(self._equations.pull(picture))
        return picture

    def std(self) -> torch.Tensor:
        """(channels, height, width) standard deviations of the picture's shares."""
        inverse = self._factor.inverse(torch.float64, self._stop)
        variance = sum(rows.square().sum(0) for rows in inverse.split(_ROWS))
        return (variance / self._equations.unit).sqrt().reshape(self._equations.stem.shape)


def normal_matrix(equations: Equations) -> torch.Tensor:
    """(pixels, pixels) what `Equations.normal` applies, and a ridge that keeps it positive."""
    stem, count = equations.stem, prod(equations.stem.shape)
    pixel = torch.arange(1, count + 1, dtype=torch.float64).reshape(stem.shape)
    read = (stem.patches(pixel).long() - 1) % (count + 1)  # (channels * taps, positions), the padding as one more
    kernel = stem.kernel.flatten(1)
    squares = (kernel[:, :, None] * kernel[:, None]).flatten(1)
    total = torch.zeros((count + 1) ** 2, dtype=torch.float64)
    size = max(_CHUNK // squares.shape[1], 1)
    for places, weights in zip(read.split(size, 1), equations.of_z.split(size, 1), strict=True):
        pairs = places.T[:, :, None] * (count + 1) + places.T[:, None]
        total.index_add_(0, pairs.flatten(), (weights.T @ squares).flatten())
    whole = total.reshape(count + 1, count + 1)[:-1, :-1]
    of_gradient = _of_gradient(equations, read)
    each, scale = len(of_gradient), stem.scale.flatten()
    for start in range(0, count, each):
        whole[start : start + each, start : start + each] += of_gradient
    whole *= scale
    whole *= scale[:, None]
    whole.diagonal().mul_(1 + _RIDGE).add_(equations.prior)
    return whole


def _of_gradient(equations: Equations, read: torch.Tensor) -> torch.Tensor:
    """What the kernel's gradient adds for each channel: (pixels, pixels) of one."""
    stem = equations.stem
    each = prod(stem.shape[1:])
    between = (equations.dz * equations.of_gradient).T @ equations.dz  # (positions, positions)
    total = torch.zeros(each + 1, each + 1, dtype=torch.float64)
    for places in read[: len(read) // stem.shape[0]].clamp(max=each):
        total[places[:, None], places] += between  # a tap reads no pixel twice; the padding's sum is not used
    return total[:-1, :-1]
