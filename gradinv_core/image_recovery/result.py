"""The answer of image recovery: the picture, and the way there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from gradinv_core.label_recovery import LabelRecovery

__all__ = ["ImageRecovery", "LayerRecovery", "OnStep", "Step"]


@dataclass(frozen=True)
class LayerRecovery:
    """One layer whose input was recovered.

    Attributes:
        name: module name in the network, such as "1".
        kind: what the layer is, in words.
        unknowns: entries of its input.
        equations: entries of its weight gradient, and of its output, that speak of them.
        residual: relative misfit of the layer's weight gradient, ``|G - delta x^T| / |G|``; rounding when all is well.
        seconds: wall time.
    """

    name: str
    kind: str
    unknowns: int
    equations: int
    residual: float
    seconds: float


@dataclass(frozen=True)
class Step:
    """One picture of the playback, from the last-layer feature back to the image.

    Attributes:
        title: what it shows.
        value: recovered activation as it stands in the network: (n,) or (channels, height, width), float64.
    """

    title: str
    value: torch.Tensor


OnStep = Callable[[Step], None]


@dataclass(frozen=True)
class ImageRecovery:
    """A recovered image.

    Attributes:
        image: (channels, height, width) float64, in the network's own pixel scale, not clipped.
        method: the route taken: "analytic".
        reason: why this route, in one sentence.
        steps: what to play back, feature first, image last.
        layers: what each layer gave, last layer first.
        label: the label recovery it started from; None if label and feature were handed in.
        seconds: wall time, label recovery included.
    """

    image: torch.Tensor
    method: str
    reason: str
    steps: tuple[Step, ...]
    layers: tuple[LayerRecovery, ...]
    label: LabelRecovery | None
    seconds: float
