"""What a server concludes that was told of a pipeline: it walks backwards, from what was sent to what was computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from gradinv_core.defences import Defence
from gradinv_core.defences.announced import Announced
from gradinv_core.defences.defence import norm_of

__all__ = ["read_announced"]


def read_announced(gradients: Mapping[str, torch.Tensor], defences: Sequence[Defence], head_weight: str) -> Announced:
    """Walk a pipeline backwards.

    Args:
        gradients: what was released.
        defences: checked, in the order in which they were applied.
        head_weight: name of the last layer's weight.

    Returns:
        What follows from the parameters. Where nothing was clipped, noise follows the gradient's own norm, which is
        estimated from the released one less the noise's own contribution.
    """
    announced = Announced(gradients, head_weight, norm_of(gradients))
    for index in reversed(range(len(defences))):
        clip_norm: float | None = None
        for earlier in defences[:index]:
            clip_norm = earlier.clip_norm_after(clip_norm)
        announced.noise_after[type(defences[index])] = announced.noise
        defences[index].announce(announced, clip_norm)
    return announced
