"""Step one: a picture that the pooled map allows (our derivation).

Three things are known of the picture without a single weight gradient: z is a convolution of it; no entry of a window
exceeds the pooled value, and the largest one equals it; pixels keep their range and pictures are made of smooth parts.
The first is linear, every other by itself is easily put right, and the alternating direction method of multipliers
(Boyd et al. 2011) brings them together. The pooled values are not convex, for any entry of a window may be the largest;
still the search gets near, because the other entries' bound is.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.grad import conv2d_input

from gradinv_core.image_recovery.graph.stem.conjugate import conjugate_gradients
from gradinv_core.image_recovery.graph.stem.edges import edges_of, of_edges
from gradinv_core.image_recovery.graph.stem.pooled import PooledStem
from gradinv_core.image_recovery.result import Stop

__all__ = ["OnRound", "search"]

OnRound = Callable[[int, torch.Tensor, float], None]
"""Called with the number of the round, the picture in shares and the relative misfit of the pooled map."""

# All in units of how strongly z speaks of a pixel, found for ResNet's stem and shared by others through that unit.
_SMOOTH_FIRST, _SMOOTH_LAST = 1.2e-2, 2e-5  # weight of the total variation, falling from round to round
_SMOOTH_PULL = 0.25  # of its split
_RANGE_PULL = 0.1  # of the split that keeps pixels in their range
_RIDGE = 1e-6
_INNER = 8  # rounds of conjugate gradients in each round, which starts where the last one ended
_START_SPREAD = 0.1
_TOLD = 25  # rounds between pictures


def search(stem: PooledStem, rounds: int, on_round: OnRound | None = None, stop: Stop | None = None) -> torch.Tensor:
    """Look for a picture.

    Args:
        stem: what is known.
        rounds: of the search.
        on_round: told now and then.
        stop: asked in every round; True ends the search.

    Returns:
        (channels, height, width) shares, float64: the last round's.
    """
    small = stem.to(torch.float32)
    counts = _counts(small)
    unit = _unit(small, counts)
    drawn = torch.randn(stem.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    picture = 0.5 + _START_SPREAD * drawn
    inside = small.cells < small.positions
    split = torch.zeros(len(small.kernel), *small.cells.shape)
    split_edges, split_range = torch.zeros(2, *stem.shape), torch.zeros(stem.shape)
    smooth, ranged, ridge = _SMOOTH_PULL * unit, _RANGE_PULL * unit, _RIDGE * unit
    z = small.z(picture)

    def normal(one: torch.Tensor) -> torch.Tensor:
        whole = small.transposed(counts * small.linear(one)) + (ranged + ridge) * one
        return whole + smooth * of_edges(edges_of(one))

    for count in range(rounds):
        if stop is not None and stop():
            break
        weight = _SMOOTH_FIRST * unit * (_SMOOTH_LAST / _SMOOTH_FIRST) ** (count / rounds)
        allowed = _allowed(small, small.windows(z) + split, inside)
        edges = edges_of(picture) + split_edges
        lengths = edges.square().sum((0, 1), keepdim=True).sqrt().clamp(min=1e-12)
        edges = edges * (1 - weight / smooth / lengths).clamp(min=0)
        held = (picture + split_range).clamp(0, 1)
        right = small.transposed(_spread(small, (allowed - split) * inside) - counts * small.offset)
        right = right + smooth * of_edges(edges - split_edges) + ranged * (held - split_range) + ridge * picture
        picture = conjugate_gradients(normal, right, picture, _INNER)
        z = small.z(picture)
        split = (split + small.windows(z) - allowed) * inside
        split_edges = split_edges + edges_of(picture) - edges
        split_range = split_range + picture - held
        if on_round is not None and count % _TOLD == _TOLD - 1:
            on_round(count + 1, picture.double(), small.misfit(z))
    return picture.double()


def _allowed(stem: PooledStem, windows: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """The nearest windows (outputs, taps, cells) that the pooled map allows."""
    top = windows.masked_fill(~inside, -torch.inf).argmax(1, keepdim=True)
    bound = stem.target[:, None]
    capped = torch.minimum(windows, bound)
    wanted = torch.where(stem.known[:, None], bound, capped.gather(1, top))
    return capped.scatter(1, top, wanted)


def _counts(stem: PooledStem) -> torch.Tensor:
    """(positions,) in how many windows each entry of z stands."""
    counts = torch.zeros(stem.positions + 1)
    counts.index_add_(0, stem.cells.flatten(), torch.ones(stem.cells.numel()))
    return counts[:-1]


def _spread(stem: PooledStem, windows: torch.Tensor) -> torch.Tensor:
    """The sum (outputs, positions) of what windows say of every entry."""
    total = torch.zeros(len(windows), stem.positions + 1, dtype=windows.dtype)
    total.index_add_(1, stem.cells.flatten(), windows.flatten(1))
    return total[:, :-1]


def _unit(stem: PooledStem, counts: torch.Tensor) -> float:
    """How strongly all of z speaks of one pixel, on average."""
    squared = stem.to(stem.kernel.dtype)
    power = conv2d_input(
        [1, *stem.shape],
        squared.kernel.square(),
        counts.expand(1, len(stem.kernel), -1).reshape(1, -1, *stem.size),
        stem.stride,
        stem.padding,
        stem.dilation,
    )
    return float((power[0] * stem.scale.square()).mean())
