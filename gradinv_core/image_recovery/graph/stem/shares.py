"""Which share of every cell's gradient each of its entries accounts for: least squares over simplices.

Shares are nought or more and add up to one in every cell. Projected gradients with momentum (Beck and Teboulle 2009)
reach that with nothing but products; each cell's step is as long as its own gradient allows.
"""

from __future__ import annotations

import torch

from gradinv_core.image_recovery.graph.stem.pooled import PooledStem
from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.stopping import ask

__all__ = ["cell_shares", "gather_cells", "onto_simplex", "spread_cells"]

_ROUNDS = 80
_POWER_ROUNDS = 12
_SAFETY = 1.3  # times the largest curvature found
_SMALLEST_STEP = 0.03  # of the typical cell's gradient: smaller ones step as if they had that
_FLATTEST = 1e-4  # least curvature, in units of the cells' own pulls
_ASKED = 20


def gather_cells(stem: PooledStem, values: torch.Tensor) -> torch.Tensor:
    """(outputs, cells, taps) of values (outputs, positions); nought in the padding."""
    border = torch.zeros(len(values), 1, dtype=values.dtype)
    return torch.cat([values, border], 1)[:, stem.cells.T]


def spread_cells(stem: PooledStem, values: torch.Tensor) -> torch.Tensor:
    """(outputs, positions): the sum of values (outputs, cells, taps) at every position."""
    total = torch.zeros(len(values), stem.positions + 1, dtype=values.dtype)
    total.index_add_(1, stem.cells.T.flatten(), values.flatten(1))
    return total[:, :-1]


def onto_simplex(values: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """The nearest entries (..., taps) that are nought or more, add up to one, and are nought where not allowed."""
    held = values.masked_fill(~allowed, -torch.inf)
    held = held - held.amax(-1, keepdim=True).clamp(min=-1e30)  # the same for all, which changes nothing but rounding
    ordered = held.sort(-1, descending=True).values
    sums = ordered.cumsum(-1)
    numbers = torch.arange(1, values.shape[-1] + 1, dtype=values.dtype)
    inside = (ordered * numbers > sums - 1) & ordered.isfinite()
    count = inside.sum(-1, keepdim=True).clamp(min=1)
    level = (sums.gather(-1, count - 1) - 1) / count
    return torch.where(allowed, (held - level).clamp(min=0), 0.0)


def cell_shares(
    stem: PooledStem,
    patches: torch.Tensor,
    allowed: torch.Tensor,
    far: torch.Tensor,
    start: torch.Tensor,
    stop: Stop | None = None,
) -> torch.Tensor:
    """Shares (outputs, cells, taps) with which the patches add up to the kernel's gradient.

    Args:
        stem: what is known, in the precision wanted.
        patches: (channels * taps of the kernel, positions) of the picture as far as known.
        allowed: (outputs, cells, taps) entries that may have been the largest.
        far: (outputs, cells, taps) what speaks against each: its share squared costs this squared, where missing all
            of an output channel's gradient costs one.
        start: (outputs, cells, taps) shares to start from.
        stop: asked now and then.

    Raises:
        StoppedError: the work was stopped.
    """
    size = stem.gradient.norm(dim=1).clamp(min=1e-30)
    arriving = stem.delta / size[:, None]
    wanted = stem.gradient / size[:, None]
    allowed = allowed & stem.known[..., None]
    cost = torch.where(allowed, far, 0.0).square()
    # How strongly a cell can pull: with all others of its output channel, and against what speaks against its entries.
    power = float(patches.square().sum(0).mean())
    loud = arriving.abs() + _SMALLEST_STEP * arriving.abs().mean(1, keepdim=True)
    step = (power * loud * loud.sum(1, keepdim=True) + cost.amax(-1)).clamp(min=1e-30)

    def curved(shares: torch.Tensor) -> torch.Tensor:
        there = spread_cells(stem, arriving[..., None] * shares) @ patches.T
        return arriving[..., None] * gather_cells(stem, there @ patches) + cost * shares

    right = arriving[..., None] * gather_cells(stem, wanted @ patches)
    # The largest curvature of each output channel along directions that leave every cell's sum alone.
    along = torch.where(allowed, torch.cos(torch.arange(allowed.numel()).reshape(allowed.shape)).to(patches), 0.0)
    count = allowed.sum(-1, keepdim=True).clamp(min=1)
    root = step.sqrt()[..., None]
    largest = torch.ones(len(along), 1, 1, dtype=patches.dtype)
    for _ in range(_POWER_ROUNDS):
        along = torch.where(allowed, along - along.sum(-1, keepdim=True) / count, 0.0)
        along = along / along.flatten(1).norm(dim=1).clamp(min=1e-30)[:, None, None]
        image = curved(along / root) / root
        image = torch.where(allowed, image - image.sum(-1, keepdim=True) / count, 0.0)
        largest = image.flatten(1).norm(dim=1)[:, None, None]
        along = image
    length = 1 / (_SAFETY * largest.clamp(min=_FLATTEST) * step[..., None])
    shares = onto_simplex(start, allowed)
    ahead, momentum = shares, torch.ones_like(largest)
    for number in range(_ROUNDS):
        if number % _ASKED == 0:
            ask(stop)
        moved = onto_simplex(ahead - length * (curved(ahead) - right), allowed)
        following = (1 + (1 + 4 * momentum**2).sqrt()) / 2
        # Momentum that leads uphill starts anew (O'Donoghue and Candes 2015), in every output channel by itself.
        uphill = ((ahead - moved) * (moved - shares) / length).flatten(1).sum(1)[:, None, None] > 0
        following = torch.where(uphill, 1.0, following)
        ahead = moved + torch.where(uphill, 0.0, (momentum - 1) / following) * (moved - shares)
        shares, momentum = moved, following
    return shares
