"""A batch as one wide sample: the pixels of all samples one after the other (our derivation).

A layer's weight gradient is a sum over output positions, and it does not care whose they are. So the gradient of a
batch is that of one sample with B times the pixels and positions, where no kernel reaches from one sample into another:
all that reads a single sample's layer (`image_recovery.graph.signs`) reads a batch's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from gradinv_core.image_recovery.graph.reader import Reader

__all__ = ["apart", "side_by_side", "wide_reader"]


def wide_reader(reader: Reader, samples: int) -> Reader:
    """The reader of a batch, for a layer's reader of one sample.

    Args:
        reader: of one sample.
        samples: B.
    """
    first = torch.arange(samples)[:, None] * reader.pixels
    taps = reader.taps[:, None]
    wide = torch.where(taps < reader.pixels, taps + first, samples * reader.pixels)
    return replace(reader, taps=wide.flatten(1), pixels=samples * reader.pixels)


def side_by_side(values: torch.Tensor, channels: int) -> torch.Tensor:
    """(channels, B * pixels) for what B samples hold, (B, ...)."""
    return values.reshape(len(values), channels, -1).transpose(0, 1).reshape(channels, -1)


def apart(wide: torch.Tensor, samples: int, shape: Sequence[int]) -> torch.Tensor:
    """(B, *shape), the inverse of `side_by_side`."""
    return wide.reshape(len(wide), samples, -1).transpose(0, 1).reshape(samples, *shape)
