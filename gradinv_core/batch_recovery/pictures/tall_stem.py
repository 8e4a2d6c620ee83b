"""The first layer's equations for all pictures of a batch, written as those of one tall picture (our derivation).

The pictures stand on top of each other with rows between them that the convolution reads as it reads its padding, so
that no kernel sees two of them. What each picture's pooled map says stays with that picture; the weight gradient is
that of the tall one. All that recovers one picture behind a max pool then recovers a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from gradinv_core.image_recovery.graph.stem import PooledStem

__all__ = ["cut", "stacked", "tall_stem"]


def tall_stem(stems: Sequence[PooledStem]) -> PooledStem:
    """The stem of the tall picture.

    Args:
        stems: of each picture, of one network, each with the whole batch's gradient.
    """
    first, count = stems[0], len(stems)
    height, (rows, columns) = first.shape[1], first.size
    stride, period = first.stride[0], _period(first)
    tall = (count - 1) * period + height
    reach = first.dilation[0] * (first.kernel.shape[2] - 1)
    size = ((tall + 2 * first.padding[0] - reach - 1) // stride + 1, columns)
    positions = size[0] * size[1]
    step = period // stride * columns  # from a position to the same in the next picture
    offset = torch.zeros(len(first.kernel), positions, dtype=torch.float64)
    cells = []
    for number, stem in enumerate(stems):
        offset[:, number * step : number * step + rows * columns] = stem.offset
        cells.append(torch.where(stem.cells < stem.positions, stem.cells + number * step, positions))

    def together(name: str) -> torch.Tensor:
        return torch.cat([getattr(stem, name) for stem in stems], 1)

    return replace(
        first,
        shape=(first.shape[0], tall, first.shape[2]),
        size=size,
        scale=stacked([stem.scale for stem in stems], first),
        shift=stacked([stem.shift for stem in stems], first),
        offset=offset,
        cells=torch.cat(cells, 1),
        target=together("target"),
        std=together("std"),
        known=together("known"),
        delta=together("delta"),
    )


def stacked(pictures: Sequence[torch.Tensor], stem: PooledStem, between: float = 0.0) -> torch.Tensor:
    """(channels, tall, width): pictures (channels, height, width) on top of each other.

    Args:
        pictures: of the batch.
        stem: of one of them.
        between: what the rows between hold.
    """
    height, period = stem.shape[1], _period(stem)
    result = pictures[0].new_full((stem.shape[0], (len(pictures) - 1) * period + height, stem.shape[2]), between)
    for number, picture in enumerate(pictures):
        result[:, number * period : number * period + height] = picture
    return result


def cut(tall: torch.Tensor, stem: PooledStem, count: int) -> torch.Tensor:
    """(B, channels, height, width), the inverse of `stacked`."""
    height, period = stem.shape[1], _period(stem)
    return torch.stack([tall[:, number * period : number * period + height] for number in range(count)])


def _period(stem: PooledStem) -> int:
    """Rows from one picture to the next: whole strides, with the padding between."""
    return -(-(stem.shape[1] + stem.padding[0]) // stem.stride[0]) * stem.stride[0]
