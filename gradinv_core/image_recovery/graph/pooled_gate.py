"""Which units were active under an average over several positions (our derivation).

The average tells a channel's mean, not its units. But each hands on the same gradient c[o] = (W^T a)[o] / P wherever it
was active, and so the gradient of the layer below is a sum of patches over the active positions:

    dL/dW[o, :, tap] = scale[o] c[o] * sum over p of active[o, p] x[:, where the tap reads at p].

A tap at the kernel's edge reads padding at some positions, and those drop out of its sum: the matrices of different
taps span different subsets of the same P directions, each of them one position's column of active units. Where the
subsets that hold a position have nothing but it in common, its direction is what their spans have in common. Each is
nought or one up to a common factor, so one rounding reads all units off.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from gradinv_core.errors import NoExactRouteError
from gradinv_core.image_recovery.graph.signs import Reading

__all__ = ["active_units", "leading_directions", "separable"]

_POWER_ROUNDS = 3  # of the range finder
_OVERSAMPLED = 6
_COMMON = 0.9  # a direction in common has 1 for every tap that holds it; the next must fall short of that by a share
_HALF = 0.5
_WEAKEST = 1e-6  # of what typically arrives: below it a channel's units cannot be told, and do not matter
_STRONG = 0.3  # ... and above it they can, whatever the noise


def separable(held: Sequence[torch.Tensor]) -> bool:
    """Whether kernels tell positions apart by their padding.

    Args:
        held: (taps, positions) of every layer below: whether a tap reads a pixel there, and not padding.
    """
    every = torch.cat(list(held))
    return bool(every.any(0).all()) and all(int(every[one].all(0).sum()) == 1 for one in every.T)


def active_units(readings: Sequence[Reading], name: str) -> torch.Tensor:
    """(channels, positions) which units under global average pooling were active.

    Args:
        readings: of layers right below the units; what they would hand down if all were active is the same at every
            position.
        name: of the units' layer, for the message.

    Raises:
        NoExactRouteError: the positions cannot be told apart.
    """
    positions = readings[0].reader.taps.shape[1]
    common: list[list[torch.Tensor]] = [[] for _ in range(positions)]
    arriving = _factor(readings[0])
    for reading in readings:
        factor = _factor(reading)
        unify = torch.where(factor == 0, 0.0, arriving / torch.where(factor == 0, 1.0, factor))[:, None]
        held = reading.reader.taps < reading.reader.pixels
        for tap in range(len(held)):
            places = held[tap].nonzero()[:, 0]
            if len(places):
                basis = leading_directions(unify * reading.gradient[:, :, tap], len(places))
                for place in places.tolist():
                    common[place].append(basis)
    found = []
    for place, spans in enumerate(common):
        left, values, _ = torch.linalg.svd(torch.cat(spans, 1), full_matrices=False)
        most = float(values[0]) ** 2
        runner_up = float(values[1]) ** 2 if len(values) > 1 else 0.0
        if not spans or most < _COMMON * len(spans) or runner_up > (len(spans) - 0.5 * (1 - _COMMON)):
            raise NoExactRouteError(
                f"no exact route to the image is known for this gradient: the average over {positions} positions "
                f"behind {name} does not tell them apart, number {place + 1} of them looks like others. Label and "
                f"feature are recovered all the same."
            )
        found.append(_binary(left[:, 0], arriving))
    return torch.stack(found, 1)


def leading_directions(matrix: torch.Tensor, rank: int) -> torch.Tensor:
    """(rows, rank) orthonormal basis of the columns' leading directions."""
    rank = min(rank, *matrix.shape)
    draws = torch.randn(
        matrix.shape[1],
        min(rank + _OVERSAMPLED, matrix.shape[1]),
        dtype=matrix.dtype,
        generator=torch.Generator().manual_seed(0),
    )
    basis = matrix @ draws
    for _ in range(_POWER_ROUNDS):
        basis = matrix @ (matrix.T @ torch.linalg.qr(basis).Q)
    basis = torch.linalg.qr(basis).Q
    inner = torch.linalg.svd(basis.T @ matrix, full_matrices=False)
    return basis @ inner.U[:, :rank]


def _factor(reading: Reading) -> torch.Tensor:
    """(channels,) what an active unit hands to the layer, at whichever position."""
    assert reading.whole is not None  # noqa: S101 - these readings have a gate
    return reading.whole.mean(1)


def _binary(direction: torch.Tensor, arriving: torch.Tensor) -> torch.Tensor:
    """(channels,) at which entries the direction is what arrives there, up to one factor, and not nought."""
    told = arriving.abs() > _WEAKEST * float(arriving.abs().mean())
    share = torch.where(told, direction / torch.where(told, arriving, 1.0), 0.0)
    share = share * (share * arriving.square()).sum().sign()
    strong = share[arriving.abs() > _STRONG * float(arriving.abs().mean())]
    large = strong[strong > _HALF * float(strong.max())]
    level = float(large.median()) if len(large) else 1.0
    return share > _HALF * level
