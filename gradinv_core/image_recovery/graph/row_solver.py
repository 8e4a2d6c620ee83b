"""What a layer reads, from its weight gradient alone (our derivation).

The gradient of a convolution's weight is the correlation of its input with the loss gradient delta at its output:

    dL/dW[o, i, tap] = sum over pixels of M[o, tap, pixel] x[i, pixel],    M made of delta[o] alone.

It is linear in the input, and every input channel meets the same matrix: one small factorisation serves all of them. No
activation is inverted. Each output channel's rows err by their own noise, which the surplus rows show, and a channel
whose delta was wrong misfits by itself: least squares with weights that follow the misfits leaves it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.stopping import ask

__all__ = ["MISFIT", "Entries", "RowSolution", "Rows", "solve_rows"]

MISFIT = 8.0
"""Standard deviations beyond which an output channel's rows misfit; a channel's misfit is an average of many."""

_ROUNDS = 12
_SETTLED = 0.05  # relative change of all weights that ends the rounds
_HUBER = 3.0  # standard deviations from which a channel's weight falls
_FIRST_FLOOR = 0.1  # of the mean row's power: before anything is known, smaller rows are not trusted more than that
_RIDGE = 1e-13  # of the largest entry on the diagonal
_RANK = 1e-11  # eigenvalues below this share of the largest determine nothing
_NOISE_ROUNDS = 8
_ROUNDINGS = 3.0  # units of it in every row, at least
_SHARED_ROUNDINGS = 6.0  # ... and of the typical row's, which delta errs by where a channel's is small
_SMALLEST_NOISE = 1e-9  # relative: no gradient is better than this, even in float64
_LEAST_SPARE = 0.02  # share of a row's noise that shows, at least: less tells nothing of it
_CHUNK = 4_000_000  # entries at a time in the error bars


@dataclass(frozen=True)
class Rows:
    """The equations of one layer.

    Attributes:
        matrix: (outputs, taps, pixels) what multiplies every input channel.
        target: (outputs, taps, channels) the weight's gradient.
    """

    matrix: torch.Tensor
    target: torch.Tensor


@dataclass(frozen=True)
class Entries:
    """What is known of single entries of the input from elsewhere.

    Attributes:
        value: (channels, pixels).
        std: its standard deviations; infinite where nothing is known.
    """

    value: torch.Tensor
    std: torch.Tensor

    @property
    def precision(self) -> torch.Tensor:
        """(channels, pixels), nought where nothing is known."""
        return self.std.square().reciprocal()


@dataclass(frozen=True)
class RowSolution:
    """An input, and how well it fits.

    Attributes:
        value: (channels, pixels).
        std: its standard deviations.
        misfits: for each layer's rows, (outputs,) root mean square misfit in standard deviations of the noise.
        relative: for each layer, ``|dL/dW - M x| / |dL/dW|`` over the channels that do not misfit.
        rank: of the pixels of one channel, how many the rows determine.
        condition: ratio of the largest singular value to the smallest that counts.
        equations: rows of one input channel.
        precision: (channels, pixels, pixels) of all equations, where entries were known besides; None elsewhere.
    """

    value: torch.Tensor
    std: torch.Tensor
    misfits: tuple[torch.Tensor, ...]
    relative: tuple[float, ...]
    rank: int
    condition: float
    equations: int
    precision: torch.Tensor | None = None


def solve_rows(
    rows: Sequence[Rows], rounding: float, stop: Stop | None = None, entries: Entries | None = None
) -> RowSolution:
    """Solve for what all these layers read.

    Args:
        rows: of each layer; all have the same pixels and channels.
        rounding: unit roundoff of the gradient.
        stop: asked between rounds.
        entries: known from elsewhere.

    Raises:
        StoppedError: the work was stopped.
    """
    powers = [each.target.square().mean((1, 2)) for each in rows]
    noise = [_FIRST_FLOOR * power.mean() + power for power in powers]
    noise = [each.clamp(min=1e-300) for each in noise]
    weights = [1 / each for each in noise]
    count = sum(each.matrix.shape[0] * each.matrix.shape[1] for each in rows)
    for _ in range(_ROUNDS):
        ask(stop)
        solution, factor, normal = _least_squares(rows, weights, entries)
        powers = [(each.matrix.square() @ solution.square()).mean((1, 2)) for each in rows]
        spare = _to_spare(rows, weights, factor)
        misfits = [
            (each.target - each.matrix @ solution).square().mean((1, 2)) / left
            for each, left in zip(rows, spare, strict=True)
        ]
        noise = [_noise(misfit, power, rounding) for misfit, power in zip(misfits, powers, strict=True)]
        before, weights = (
            weights,
            [1 / size / (1 + misfit / size / _HUBER**2) for misfit, size in zip(misfits, noise, strict=True)],
        )
        if all(bool(((new / old - 1).abs() < _SETTLED).all()) for new, old in zip(weights, before, strict=True)):
            break
    solution, factor, normal = _least_squares(rows, weights, entries)
    rest = [each.target - each.matrix @ solution for each in rows]
    spare = _to_spare(rows, weights, factor)
    misfits = [each.square().mean((1, 2)) / left for each, left in zip(rest, spare, strict=True)]
    values = torch.linalg.eigvalsh(normal)
    known = values > _RANK * values[..., -1:]
    sigmas = tuple((misfit / size).sqrt() for misfit, size in zip(misfits, noise, strict=True))
    relative = tuple(
        _relative(each.target[fits], left[fits])
        for each, left, fits in zip(rows, rest, (sigma < MISFIT for sigma in sigmas), strict=True)
    )
    std = _bars(rows, rest, weights, factor, spare, stop)
    smallest = float(values[known].min()) if bool(known.any()) else 1.0
    condition = (float(values.max()) / smallest) ** 0.5
    rank = int(known.sum(-1).min())
    precision = None if entries is None else normal
    return RowSolution(solution.T.contiguous(), std.T.contiguous(), sigmas, relative, rank, condition, count, precision)


def _relative(rows: torch.Tensor, rest: torch.Tensor) -> float:
    size = float(rows.norm())
    return float(rest.norm()) / size if size > 0 else 0.0


def _least_squares(
    rows: Sequence[Rows], weights: Sequence[torch.Tensor], entries: Entries | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The input (pixels, channels), the Cholesky factor of the normal matrix, and that matrix.

    Known entries differ from channel to channel; with them there is one matrix, and one factor, for each.
    """
    normal: torch.Tensor | float = 0.0
    right: torch.Tensor | float = 0.0
    for each, weight in zip(rows, weights, strict=True):
        root = weight.sqrt()[:, None, None]
        matrix = (each.matrix * root).flatten(0, 1)
        normal = normal + matrix.T @ matrix
        right = right + matrix.T @ (each.target * root).flatten(0, 1)
    assert isinstance(normal, torch.Tensor)  # noqa: S101 - there is at least one layer
    assert isinstance(right, torch.Tensor)  # noqa: S101
    ridge = _RIDGE * float(normal.diagonal().max()) + 1e-300
    normal = normal + ridge * torch.eye(len(normal), dtype=torch.float64)
    if entries is None:
        factor = torch.linalg.cholesky(normal)
        return torch.cholesky_solve(right, factor), factor, normal
    normal = normal + torch.diag_embed(entries.precision)
    factor = torch.linalg.cholesky(normal)
    right = right.T + entries.precision * entries.value
    return torch.cholesky_solve(right[..., None], factor)[..., 0].T, factor, normal


def _to_spare(rows: Sequence[Rows], weights: Sequence[torch.Tensor], factor: torch.Tensor) -> list[torch.Tensor]:
    """For each layer, (outputs,) the share of its rows' noise that shows as misfit: what the solution does not follow.

    A row that alone speaks of something is followed to the letter (its leverage is one), however wrong it is.
    """
    found = []
    for each, weight in zip(rows, weights, strict=True):
        outputs, taps, pixels = each.matrix.shape
        columns = (each.matrix * weight.sqrt()[:, None, None]).reshape(-1, pixels).T
        followed = torch.zeros(outputs * taps, dtype=torch.float64)
        factors = factor if factor.ndim == 3 else factor[None]
        for one in factors:
            followed += torch.linalg.solve_triangular(one, columns, upper=False).square().sum(0)
        spare = 1 - followed.reshape(outputs, taps).mean(1) / len(factors)
        found.append(spare.clamp(min=_LEAST_SPARE))
    return found


def _noise(misfit: torch.Tensor, power: torch.Tensor, rounding: float) -> torch.Tensor:
    """(outputs,) variance of each output channel's rows: a part that all share, and one that grows with the row.

    Noise somebody added is the same in every row; rounding, and errors of delta, grow with it. Both parts follow from
    the misfits by least squares; channels that stick out are left out.

    Args:
        misfit: (outputs,) mean square misfit of each channel's rows.
        power: (outputs,) mean of the squared products that each row adds up, which rounding grows with.
        rounding: unit roundoff of the gradient.
    """
    least = power * max(_SMALLEST_NOISE, _ROUNDINGS * rounding) ** 2
    least = least + power.mean() * (_SHARED_ROUNDINGS * rounding) ** 2 + 1e-300
    design = torch.stack([torch.ones_like(power), power], 1)
    size = (misfit.median() + (misfit / power.clamp(min=1e-12 * float(power.max()) + 1e-300)).median() * power) / 2
    size = torch.maximum(size, least)
    for _ in range(_NOISE_ROUNDS):
        inside = misfit < _HUBER**2 * size
        if int(inside.sum()) < 3:
            break
        scaled, wanted = design[inside] / size[inside, None], misfit[inside] / size[inside]
        parts = _nonnegative(scaled, wanted)
        size = torch.maximum(design @ parts, least)
    return size


def _nonnegative(design: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """(2,) non-negative least squares, of two unknowns: the best of the whole and of each alone."""
    both = torch.linalg.lstsq(design, wanted[:, None], driver="gelsd").solution[:, 0]
    if bool((both >= 0).all()):
        return both
    alone = ((design * wanted[:, None]).sum(0) / design.square().sum(0).clamp(min=1e-300)).clamp(min=0)
    left = [float((design[:, k] * alone[k] - wanted).square().sum()) for k in range(2)]
    best = 0 if left[0] < left[1] else 1
    return torch.where(torch.arange(2) == best, alone, 0.0)


def _bars(
    rows: Sequence[Rows],
    rest: Sequence[torch.Tensor],
    weights: Sequence[torch.Tensor],
    factor: torch.Tensor,
    spare: Sequence[torch.Tensor],
    stop: Stop | None,
) -> torch.Tensor:
    """(pixels, channels) standard deviations.

    The posterior's, scaled to the misfits of each input channel; and where all rows of an output channel err together,
    as they do when its delta errs, what the channels' own pulls show (the sandwich of Liang and Zeger 1986); whichever
    is larger.
    """
    inverse = torch.cholesky_inverse(factor)
    pixels = factor.shape[-1]
    total, power = 0.0, torch.zeros(rest[0].shape[2], dtype=torch.float64)
    pulls = torch.zeros(pixels, rest[0].shape[2], dtype=torch.float64)
    for each, left, weight, share in zip(rows, rest, weights, spare, strict=True):
        power = power + (weight[:, None, None] * left.square()).sum((0, 1))
        total += float(share.sum()) * left.shape[1]
        left = left / share.sqrt()[:, None, None]
        step = max(1, _CHUNK // (pixels * left.shape[2]))
        for part in torch.arange(len(left)).split(step):
            ask(stop)
            pull = (each.matrix[part] * weight[part, None, None]).transpose(1, 2) @ left[part]
            if inverse.ndim == 2:
                pulls += (inverse @ pull).square().sum(0)
            else:
                pulls += torch.einsum("cpq,oqc->opc", inverse, pull).square().sum(0)
    of_channel = power / max(total, 1.0)
    of_channel = of_channel.clamp(min=1e-4 * float(of_channel.mean()) + 1e-300)
    own = inverse.diagonal(dim1=-2, dim2=-1)
    if inverse.ndim == 2:
        return torch.maximum(own[:, None] * of_channel, pulls).sqrt()
    return torch.maximum(own.T * of_channel.clamp(min=1.0), pulls).sqrt()
