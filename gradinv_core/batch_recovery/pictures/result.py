"""The pictures of a batch, what every layer read on the way to them, and what speaks for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from gradinv_core.batch_recovery.result import BatchRecovery

__all__ = ["BatchLayer", "BatchPictures", "BatchStep", "OnStep"]


@dataclass(frozen=True)
class BatchLayer:
    """What layers read of every sample, from their weight gradient.

    Attributes:
        name: of the layer; of several that read the same, with commas between.
        inputs: (K, ...) what it read, in the shape that it has in the network, float64.
        std: standard deviations of its entries.
        misfit: what the inputs leave of the gradient, relative to it.
        condition: how much the system for the inputs amplifies noise.
        equations: of one input channel.
        unknowns: of one input channel, in all samples together.
        unsettled: output channels that do not fit, for some unit's sign could not be settled there.
    """

    name: str
    inputs: torch.Tensor
    std: torch.Tensor
    misfit: float
    condition: float
    equations: int
    unknowns: int
    unsettled: int


@dataclass(frozen=True)
class BatchStep:
    """News on the way down.

    Attributes:
        title: what was found, in words.
        layer: name of the layer.
        images: (K, channels, height, width) pictures as far as known; None above the first layer.
        misfit: relative, of the equations that the pictures were searched with.
    """

    title: str
    layer: str
    images: torch.Tensor | None = None
    misfit: float | None = None


OnStep = Callable[[BatchStep], None]


@dataclass(frozen=True)
class BatchPictures:
    """The pictures of a batch.

    Attributes:
        images: (K, channels, height, width) float64, one for each answer in ``labels``; None where the way ended above.
        std: standard deviations of their pixels; None where none can be vouched for.
        layers: what was read, from the last layer's down.
        labels: what the head said.
        settled: whether equations determine the pictures; False where a search chose them.
        agreement: (K,) how far the feature that each picture leads to is off the one that the head gave away, relative;
            empty without pictures. Nothing made them agree.
        replayed: how far the gradient of these pictures and labels is off the one that came, relative; NaN without.
        reason: how they came about, or where the way ended and why, in sentences.
        stopped: whether it was stopped on the way.
        seconds: wall time of the pictures alone.
    """

    images: torch.Tensor | None
    std: torch.Tensor | None
    layers: tuple[BatchLayer, ...]
    labels: BatchRecovery
    settled: bool
    agreement: tuple[float, ...]
    replayed: float
    reason: str
    stopped: bool
    seconds: float
