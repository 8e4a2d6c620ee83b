"""The fully connected layers whose ReLUs give the features: found in a network, or handed over as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import nn

from gradinv_core.arrays import Array, ArrayLike, as_array, keep_type, unit_roundoff
from gradinv_core.errors import OptionError, ShapeError
from gradinv_core.head import HeadView, view_head
from gradinv_core.image_recovery.chain import leaves_before_head

__all__ = ["BelowLike", "LayerBelow", "read_below", "view_below"]

BelowLike: TypeAlias = Sequence[ArrayLike | None]
"""(weight, weight_grad) or (weight, weight_grad, bias, bias_grad) of a layer below."""

_AXES = "units inputs"


@dataclass(frozen=True)
class LayerBelow:
    """What the server holds of a layer below, a bias as one more column of both.

    Attributes:
        weight: (d, m) or (d, m + 1).
        gradient: likewise.
        biased: whether there is that column.
        rounding: relative precision of the gradient's entries.
    """

    weight: Array
    gradient: Array
    biased: bool
    rounding: float


def view_below(model: nn.Module, sent: Mapping[str, torch.Tensor], head: str) -> list[HeadView]:
    """The fully connected layers below the head, as far as nothing but a ReLU follows each of them.

    Args:
        model: the network.
        sent: gradients as `read_gradients` gives them.
        head: name of the last layer, as `find_head` gives it.

    Returns:
        Their parameters and gradients, from the top down, as `recover_batch` takes them for ``below``. The list ends
        above the first layer of another kind, or the first that sent only a part of its gradient.
    """
    views: list[HeadView] = []
    activated = False
    for name, module in reversed(leaves_before_head(model, head)):
        if type(module) is nn.ReLU:
            activated = True
        elif type(module) is nn.Linear and activated and f"{name}.weight" in sent:
            view = view_head(model, sent, name)
            if view.bias is not None and view.bias_grad is None:
                break
            views.append(view)
            activated = False
        elif not isinstance(module, nn.Dropout | nn.Identity):
            break
    return views


def read_below(below: Sequence[BelowLike], features: int) -> list[LayerBelow]:
    """The arrays, checked; those of a zero gradient, and all below, left out.

    Args:
        below: as `recover_batch` takes it.
        features: d, which the uppermost has to give.

    Raises:
        OptionError, ShapeError, NonFiniteError: they are not such layers'.
    """
    layers: list[LayerBelow] = []
    for entry in below:
        layers.append(_read_layer(entry, features))
        features = layers[-1].weight.shape[1] - layers[-1].biased
    silent = next((place for place, layer in enumerate(layers) if not layer.gradient.any()), len(layers))
    return layers[:silent]


def _read_layer(entry: BelowLike, features: int) -> LayerBelow:
    """One layer that has to give so many features."""
    weight, weight_grad, bias, bias_grad = (*entry, None, None, None, None)[:4]
    if len(entry) not in (2, 4) or weight is None or weight_grad is None:
        raise OptionError(
            f"below: expected (weight, weight_grad) or (weight, weight_grad, bias, bias_grad) for each layer below the "
            f"last, got {len(entry)} entries; see view_below."
        )
    if (bias is None) != (bias_grad is None):
        raise OptionError("below: expected bias and bias_grad or neither, got one of them; pass both.")
    kept = keep_type(weight_grad, "below: weight_grad")
    parameters, gradient = as_array(weight, "below: weight", _AXES), as_array(kept, "below: weight_grad", _AXES)
    if gradient.shape != parameters.shape or len(parameters) != features:
        raise ShapeError(
            f"below: expected a weight with {features} rows, one for each input of the layer above, and its gradient "
            f"of the same shape, got {parameters.shape} and {gradient.shape}."
        )
    if bias is not None and bias_grad is not None:
        parameters = np.column_stack([parameters, _per_unit(bias, "bias", features)])
        gradient = np.column_stack([gradient, _per_unit(bias_grad, "bias_grad", features)])
    return LayerBelow(parameters, gradient, bias is not None, unit_roundoff(kept))


def _per_unit(values: ArrayLike, name: str, features: int) -> Array:
    array = as_array(values, f"below: {name}", "units")
    if len(array) != features:
        raise ShapeError(f"below: expected one entry of {name} for each of {features} units, got {len(array)}.")
    return array
