"""How steep the units stand that a recovered layer feeds: where they are flat, their gradients say nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from gradinv_core.image_recovery.activations import ACTIVATIONS, invert
from gradinv_core.image_recovery.chain import Link
from gradinv_core.image_recovery.result import ImageRecovery, LayerRecovery, Leak

__all__ = ["slopes_above", "weakest_layer"]

_GOOD = 1e-2  # reported error relative to the layer's size up to which a layer is well known


def weakest_layer(recovery: ImageRecovery) -> LayerRecovery | None:
    """The first layer on the way down from the head that is not exact; None if all are."""
    return next((layer for layer in recovery.layers if layer.leak is not Leak.EXACT or layer.error > _GOOD), None)


def slopes_above(name: str, links: Sequence[Link], recovery: ImageRecovery) -> tuple[torch.Tensor, bool]:
    """Slopes of the units above a layer, where the recovery says they stand.

    Args:
        name: of the layer.
        links: the network as a chain, by `network_chain`.
        recovery: of all layers.

    Returns:
        (n,) slopes relative to the activation's steepest, in [0, 1]; empty without units above, or outside the chain.
        And whether a slope of zero is in the activation's nature, as it is a ReLU's.
    """
    place = next((index for index, link in enumerate(links) if link.name == name), len(links))
    above = next((link for link in links[place + 1 :] if type(link.module) in ACTIVATIONS), None)
    weighted = next((link for link in links[place + 1 :] if isinstance(link.module, nn.Linear | nn.Conv2d)), None)
    if above is None or weighted is None:
        return torch.zeros(0), False
    # The feature's step carries the head's name or none; every other step that of the layer whose input it shows.
    step = next((step for step in recovery.steps if step.layer == weighted.name), recovery.steps[0])
    output = step.value.flatten()
    slope = invert(above.module, output, torch.zeros_like(output)).slope.abs()
    steepest = 0.25 if isinstance(above.module, nn.Sigmoid) else 1.0
    return slope / steepest, isinstance(above.module, nn.ReLU)
