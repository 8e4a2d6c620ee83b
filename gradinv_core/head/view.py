"""What the server sees of the last fully connected layer: its parameters and their gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import nn

from gradinv_core.errors import OptionError
from gradinv_core.gradients import GradientsLike, read_gradients
from gradinv_core.head.search import find_head

__all__ = ["HeadView", "observe_head", "view_head"]


class HeadView(NamedTuple):
    """What the server sees of the last fully connected layer.

    Attributes:
        weight: (C, d) parameters.
        weight_grad: (C, d) their gradient.
        bias: (C,) parameters, None for a bias-free head.
        bias_grad: (C,) their gradient, None when the head has no bias or the client did not send it.
    """

    weight: torch.Tensor
    weight_grad: torch.Tensor
    bias: torch.Tensor | None
    bias_grad: torch.Tensor | None


def observe_head(model: nn.Module, gradients: GradientsLike, *, head: str | None = None) -> HeadView:
    """Pick the head's parameters and gradients out of what the server holds.

    Args:
        model: the network whose weights the server knows.
        gradients: as sent by the client, anything that `read_gradients` takes.
        head: name of the last layer; None looks for it, see `find_head`.

    Raises:
        OptionError: no head, several that may be it, or its weight gradient is missing.
        OptionError, ShapeError: as `read_gradients`.
    """
    return view_head(model, read_gradients(model, gradients), find_head(model, head))


def view_head(model: nn.Module, sent: Mapping[str, torch.Tensor], name: str) -> HeadView:
    """`observe_head` for gradients that `read_gradients` has read, and a head that `find_head` has found.

    Raises:
        OptionError: the head's weight gradient is missing.
    """
    weight_grad = sent.get(f"{name}.weight")
    if weight_grad is None:
        raise OptionError(
            f"gradients: expected an entry {name}.weight for the last layer, got {', '.join(sent) or 'none'}; "
            f"send the gradient of every parameter under its name in the network."
        )
    layer = model.get_submodule(name)
    weight, bias = layer.get_parameter("weight").detach(), layer.bias
    if not isinstance(bias, torch.Tensor):
        return HeadView(weight, weight_grad, None, None)
    return HeadView(weight, weight_grad, bias.detach(), sent.get(f"{name}.bias"))
