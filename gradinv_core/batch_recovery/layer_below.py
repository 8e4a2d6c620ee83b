"""The fully connected layer whose ReLU gives the features: found in a network, or handed over as arrays."""

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
"""(weight, weight_grad) or (weight, weight_grad, bias, bias_grad) of the layer below."""

_AXES = "units inputs"


@dataclass(frozen=True)
class LayerBelow:
    """What the server holds of the layer below, a bias as one more column of both.

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


def view_below(model: nn.Module, sent: Mapping[str, torch.Tensor], head: str) -> HeadView | None:
    """The fully connected layer below the head, if nothing but a ReLU lies between the two.

    Args:
        model: the network.
        sent: gradients as `read_gradients` gives them.
        head: name of the last layer, as `find_head` gives it.

    Returns:
        Its parameters and their gradient, as `recover_batch` takes them for ``below``; None where there is no such
        layer, where it sent nothing, or where its bias alone did not.
    """
    activated = False
    for name, module in reversed(leaves_before_head(model, head)):
        if type(module) is nn.ReLU:
            activated = True
        elif type(module) is nn.Linear:
            if not activated or f"{name}.weight" not in sent:
                return None
            view = view_head(model, sent, name)
            return view if view.bias is None or view.bias_grad is not None else None
        elif not isinstance(module, nn.Dropout | nn.Identity):
            return None
    return None


def read_below(below: BelowLike | None, features: int) -> LayerBelow | None:
    """The arrays, checked; None where they say nothing.

    Args:
        below: as `recover_batch` takes it.
        features: d, which the layer has to give.

    Raises:
        OptionError, ShapeError, NonFiniteError: they are not such a layer's.
    """
    if below is None:
        return None
    weight, weight_grad, bias, bias_grad = (*below, None, None)[:4]
    if len(below) not in (2, 4) or weight is None or weight_grad is None:
        raise OptionError(
            f"below: expected (weight, weight_grad) or (weight, weight_grad, bias, bias_grad) of the layer below the "
            f"last, got {len(below)} entries; see view_below."
        )
    if (bias is None) != (bias_grad is None):
        raise OptionError("below: expected bias and bias_grad or neither, got one of them; pass both.")
    kept = keep_type(weight_grad, "below: weight_grad")
    parameters, gradient = as_array(weight, "below: weight", _AXES), as_array(kept, "below: weight_grad", _AXES)
    if gradient.shape != parameters.shape or len(parameters) != features:
        raise ShapeError(
            f"below: expected a weight with {features} rows, one for each feature, and its gradient of the same shape, "
            f"got {parameters.shape} and {gradient.shape}."
        )
    if bias is not None and bias_grad is not None:
        parameters = np.column_stack([parameters, _per_unit(bias, "bias", features)])
        gradient = np.column_stack([gradient, _per_unit(bias_grad, "bias_grad", features)])
    if not gradient.any():
        return None
    return LayerBelow(parameters, gradient, bias is not None, unit_roundoff(kept))


def _per_unit(values: ArrayLike, name: str, features: int) -> Array:
    array = as_array(values, f"below: {name}", "units")
    if len(array) != features:
        raise ShapeError(f"below: expected one entry of {name} for each feature ({features}), got {len(array)}.")
    return array
