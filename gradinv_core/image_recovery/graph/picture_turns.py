"""A picture that explains a max pool's output and the gradient of the convolution below it, too (our derivation).

A picture that the network turns into the pooled map is a first guess at which entries the pool took. The weight
gradient below holds more numbers than the picture has pixels, and it is linear in what the convolution reads once the
winners stand. So winners and picture take turns, as below a stem's pool; but here the unknowns are the picture's pixels
and not what the convolution reads, which are several times as many.
"""

from __future__ import annotations

import torch

from gradinv_core.image_recovery.graph.picture_search import PictureSearch
from gradinv_core.image_recovery.graph.stem import PooledStem, first_spread, likely_winners
from gradinv_core.image_recovery.graph.stem.shares import spread_cells
from gradinv_core.image_recovery.result import Stop

__all__ = ["explain_gradient"]

_TURNS = 6
_SPREADS = (1.5, 0.5)  # times the misfits of map and gradient, z may be off in the next turn
_FEWER = 1.5  # the gradient's misfit grows by this where shares have been fitted to it
_LEAST_NOISE = 0.01  # of the mean: no output channel's gradient is trusted more than that


def explain_gradient(
    search: PictureSearch, stem: PooledStem, pool: int, value: torch.Tensor, source: int, stop: Stop | None = None
) -> torch.Tensor:
    """Search on for a picture that explains the gradient, too.

    Args:
        search: has looked for the pool's output.
        stem: what that says.
        pool: index of the max pool.
        value: its output.
        source: index of the node that the convolution reads.
        stop: asked often.

    Returns:
        (channels, height, width) what the convolution reads, as ``stem`` counts it.

    Raises:
        StoppedError: the work was stopped.
    """
    single = stem.to(torch.float32)
    size = float(stem.target[stem.known].square().mean().sqrt())
    spread, shares = first_spread(stem), None
    for _ in range(_TURNS):
        read = (search.output(source) - stem.shift) / stem.scale
        shares = likely_winners(single, read, spread, shares, stop)
        dz = spread_cells(single, shares * single.delta[..., None])

        def left(read: torch.Tensor, dz: torch.Tensor = dz) -> torch.Tensor:
            return single.gradient - dz @ single.patches(read).T

        rest = left(single.scale * read.float() + single.shift)
        noise = _FEWER * rest.square().mean(1, keepdim=True)
        noise = torch.maximum(noise, _LEAST_NOISE * noise.mean()).clamp(min=1e-30)

        def missed(read: torch.Tensor, noise: torch.Tensor = noise) -> torch.Tensor:
            return (left(read).square() / noise).sum()

        search.explain(pool, value, source, missed)
        of_gradient = float(rest.norm() / single.gradient.norm().clamp(min=1e-30))
        off = max(factor * part for factor, part in zip(_SPREADS, (search.misfit, of_gradient), strict=True))
        spread = min(spread, off * size)
    return (search.output(source) - stem.shift) / stem.scale
