"""A layer of many input channels, its signs settled by some of them: all channels meet the same equations.

Solving a wide layer once for each guess of the signs would take minutes; a part of its channels tells them as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from gradinv_core.image_recovery.graph.row_solver import MISFIT
from gradinv_core.image_recovery.graph.signs import Reading, Settled, settle
from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.stopping import ask

__all__ = ["settle_channels"]

_ENOUGH = 512  # input channels


def settle_channels(
    readings: Sequence[Reading], rounding: float, stop: Stop | None
) -> tuple[Settled, torch.Tensor, torch.Tensor]:
    """Signs, and the input (channels, pixels) that layers read, with its standard deviations.

    Args:
        readings: of the layers.
        rounding: relative precision of the client's arithmetic.
        stop: asked often.

    Raises:
        StoppedError: the work was stopped.
    """
    channels = readings[0].reader.channels
    step = -(-channels // _ENOUGH)
    if step == 1 or readings[0].reader.groups > 1:
        settled = settle(list(readings), rounding, stop)
        return settled, settled.solution.value, settled.solution.std
    settled = settle([_with_channels(reading, slice(None, None, step)) for reading in readings], rounding, stop)
    ask(stop)
    rows, right = [], []
    for reading, sigmas in zip(readings, settled.solution.misfits, strict=True):
        fits, seen = sigmas < MISFIT, reading.reader.seen
        rows.append(reading.reader.rows(reading.delta_now())[fits][:, seen].flatten(0, 1))
        right.append(reading.gradient[fits].transpose(1, 2)[:, seen].flatten(0, 1))
    value = (torch.linalg.pinv(torch.cat(rows)) @ torch.cat(right)).T
    std = settled.solution.std.square().mean(0).sqrt().expand(channels, -1)
    return settled, value, std


def _with_channels(reading: Reading, chosen: slice) -> Reading:
    """The same of some of the input's channels."""
    weight = reading.reader.weight[:, chosen]
    reader = replace(reading.reader, weight=weight, channels=weight.shape[1])
    return replace(reading, reader=reader, gradient=reading.gradient[:, chosen])
