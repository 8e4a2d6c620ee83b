"""Error bars of a picture whose winners stand, drawn or exact (our derivation)."""

from __future__ import annotations

import torch
from torch.nn import functional

from gradinv_core.image_recovery.graph.stem.conjugate import conjugate_gradients
from gradinv_core.image_recovery.graph.stem.direct import factored
from gradinv_core.image_recovery.graph.stem.equations import Equations
from gradinv_core.image_recovery.graph.stem.pooled import PooledStem
from gradinv_core.image_recovery.graph.stem.winners import Winners
from gradinv_core.image_recovery.result import Stop

__all__ = ["error_bars", "shared_error"]

_DRAWS, _ROUNDS, _TOLERANCE = 16, 200, 1e-3
_MOVED_ROUNDS = 1000


def error_bars(stem: PooledStem, winners: Winners, factor_std: float = 0.0, stop: Stop | None = None) -> torch.Tensor:
    """Standard deviations of the picture, in shares, (channels, height, width).

    Those of a small picture come from the inverse of its equations. A large one's are drawn: the equations with noise
    of their own size in place of the data give one error of the picture (Papandreou and Yuille 2010); the root mean
    square of several, each pixel's with its neighbours', is the error bar, but never less than if all other pixels were
    known: what hardly an equation sees, rounds of conjugate gradients do not reach.

    Args:
        stem: what is known.
        winners: that stand, and their picture.
        factor_std: relative standard deviation of lambda: the pooled map grows by it as all of delta shrinks.
        stop: asked now and then.

    Raises:
        StoppedError: the work was stopped.
    """
    picture, equations = winners.picture, Equations.of(stem, winners)
    direct = factored(equations, stop)
    std = _drawn(equations, stop) if direct is None else direct.std()
    std = std * max(equations.strain(picture), 1.0)
    std = (std.square() + shared_error(stem) ** 2 * picture.square().mean()).sqrt()
    if factor_std == 0:
        return std
    if direct is None:
        nothing = torch.zeros_like(picture)
        moved = conjugate_gradients(equations.normal, equations.grown(), nothing, _MOVED_ROUNDS, _TOLERANCE, stop)
    else:
        moved = direct.solve(equations.grown())
    return (std.square() + (factor_std * moved).square()).sqrt()


def shared_error(stem: PooledStem) -> torch.Tensor:
    """What the map errs by, relative: delta's error moves all output channels alike, and does not average out."""
    known = stem.known
    return (stem.std[known].square().mean() / stem.target[known].square().mean()).sqrt()


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
    errors = conjugate_gradients(small.normal, noise, torch.zeros_like(noise), _ROUNDS, _TOLERANCE, stop)
    variance = errors.double().square().mean(0)
    around = functional.avg_pool2d(variance[None], 3, 1, 1, count_include_pad=False)[0]
    drawn = variance / 2 + around / 2
    return torch.maximum(drawn, 1 / equations.diagonal()).sqrt() * equations.unit**-0.5
