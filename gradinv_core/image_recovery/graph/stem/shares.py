"""Which share of every cell's gradient each of its entries accounts for: least squares over simplices.

Shares are nought or more and add up to one in every cell. Projected gradients with momentum (Beck and Teboulle 2009)
reach that with nothing but products; each cell's step is as long as its own gradient allows.
"""

from __future__ import annotations

import torch

from gradinv_core.image_recovery.graph.stem.pooled import PooledStem
from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.stopping import ask

__all__ = ["cell_shares", "first_spread", "gather_cells", "likely_winners", "onto_simplex", "spread_cells"]

_ROUNDS = 80
_POWER_ROUNDS = 12
_SAFETY = 1.3  # times the largest curvature found
_SMALLEST_STEP = 0.03  # of the typical cell's gradient: smaller ones step as if they had that
_FLATTEST = 1e-4  # least curvature, in units of the cells' own pulls
_ASKED = 20
_FIRST_SPREAD = 0.05  # of the pooled map: how far z may be off at first
_NEAR = 4.0  # such spreads below the largest, an entry may have been the largest
_CLOSE = 0.007  # how much being one spread from the pooled value speaks against an entry
_KEPT = 0.5  # share from which the last turn's winner stays in the race


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


def first_spread(stem: PooledStem) -> float:
    """How far z may be off at first."""
    return _FIRST_SPREAD * float(stem.target[stem.known].std())


def likely_winners(
    stem: PooledStem, picture: torch.Tensor, spread: float, before: torch.Tensor | None = None, stop: Stop | None = None
) -> torch.Tensor:
    """Which share of its cell (outputs, cells, taps) each entry won, for a picture that is nearly right.

    Args:
        stem: what is known, in the precision wanted.
        picture: (channels, height, width) shares.
        spread: how far z may be off.
        before: likewise, of the turn before; None in the first.
        stop: asked now and then.

    Raises:
        StoppedError: the work was stopped.
    """
    picture = picture.to(stem.kernel)
    windows = stem.windows(stem.z(picture), -torch.inf).transpose(1, 2)
    largest = windows.amax(-1, keepdim=True)
    # Where the largest is off the pooled value, so may the others be.
    each = torch.where(stem.known[..., None], (largest - stem.target[..., None]).abs(), 0.0).clamp(min=spread)
    allowed = (windows >= largest - _NEAR * each) & stem.known[..., None]
    if before is not None:
        allowed = allowed | (before > _KEPT)
    off = ((windows - stem.target[..., None]).abs() / each).clamp(max=2 * _NEAR)
    far = _CLOSE * torch.where(allowed, off, 0.0)
    start = torch.where(allowed, 1 / (1 + far / _CLOSE), 0.0) if before is None else before.to(windows)
    start = torch.where((start * allowed).sum(-1, keepdim=True) > 0, start, allowed.to(windows))
    return cell_shares(stem, stem.patches(stem.scale * picture + stem.shift), allowed, far, start, stop)
