"""What a max pool's output says of the convolution below it, whether that reads the picture or an inner activation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from gradinv_core.errors import NoExactRouteError
from gradinv_core.image_recovery.activations import invert
from gradinv_core.image_recovery.graph.backwards import is_activation
from gradinv_core.image_recovery.graph.reader import read_gradient
from gradinv_core.image_recovery.graph.signs import seen_active
from gradinv_core.image_recovery.graph.stem import PooledStem, pooled_stem
from gradinv_core.image_recovery.graph.structure import Plan
from gradinv_core.image_recovery.picture_map import PictureMap

__all__ = ["pool_equations"]


def pool_equations(
    plan: Plan,
    pool: int | None,
    front: Sequence[int],
    behind: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    gradients: Mapping[str, torch.Tensor],
    seen: PictureMap,
) -> PooledStem:
    """Write down what is known.

    Args:
        plan: of the network.
        pool: index of the max pool; None without one, so that every position is a window of its own.
        front: indices of the convolution, and of the lines and the activation between it and the pool.
        behind: output of the pool, or of the last of these without one, its standard deviations and the loss gradient
            there, each in its shape.
        gradients: ``{parameter name: gradient}``.
        seen: how the unknowns, in shares of their range, reach the convolution.

    Raises:
        NoExactRouteError: no unit was active, or the convolution's gradient was not sent.
    """
    nodes, layer = plan.nodes, plan.nodes[front[0]]
    module = nn.MaxPool2d(1) if pool is None else nodes[pool].module
    assert isinstance(module, nn.MaxPool2d)  # noqa: S101 - whoever calls has looked
    assert isinstance(layer.module, nn.Conv2d)  # noqa: S101
    line = next((nodes[index].module for index in front if isinstance(nodes[index].module, nn.BatchNorm2d)), None)
    bent = next((nodes[index].module for index in front if is_activation(nodes[index])), None)
    value, errors, delta = (part.reshape(layer.shape[0], -1) for part in behind)
    known = torch.ones_like(value, dtype=torch.bool)
    if isinstance(bent, nn.ReLU):
        known = seen_active(value, errors)
    elif bent is not None:  # it rises, so that the largest output is that of the largest input
        inverted = invert(bent, value.flatten(), errors.flatten())
        slope = inverted.slope.reshape(value.shape)
        value, errors, delta = inverted.value.reshape(value.shape), errors / slope.clamp(min=1e-30), delta * slope
    if not bool(known.any()):
        raise NoExactRouteError(f"layer {layer.name}: expected at least one active unit, found none.")
    return pooled_stem(
        layer.module,
        line,
        module,
        seen,
        (nodes[layer.inputs[0]].shape, layer.shape),
        (value, errors, known, torch.where(known, delta, 0.0)),
        read_gradient(gradients, layer.name, layer.module),
        layer.name,
    )
