"""Each operation backwards: how a loss gradient passes it, and whether its input follows from its output.

Layers with weights and activations are not here: what they read, and what slope they had, is what the walk finds out.
"""

from __future__ import annotations

import torch
from torch import nn

from gradinv_core.image_recovery.activations import ACTIVATIONS
from gradinv_core.image_recovery.affine import AffineLine
from gradinv_core.image_recovery.graph.rules import Add, Concatenate, Reshape
from gradinv_core.image_recovery.graph.trace import Node

__all__ = ["LINES", "PASSED", "entry_line", "has_weights", "is_activation", "pull_back", "read_input", "reads_input"]

LINES = (nn.BatchNorm1d, nn.BatchNorm2d, AffineLine)
"""Operations that are a straight line for every entry."""

_IN_ORDER = (nn.Flatten, Reshape)
_POOLS = (nn.AvgPool2d,)
PASSED = (*LINES, *_IN_ORDER, *_POOLS, Add, Concatenate)
"""Operations that the gradient passes whatever their input was."""


def has_weights(node: Node) -> bool:
    """Whether a node is a layer whose weight's gradient tells what it reads."""
    return type(node.module) in (nn.Conv2d, nn.Linear)


def is_activation(node: Node) -> bool:
    """Whether a node is an activation that can be read backwards."""
    return type(node.module) in ACTIVATIONS


def entry_line(module: nn.Module, shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and shift of every entry, in the shape given, float64.

    Args:
        module: one of `LINES`; batch norm in evaluation mode.
        shape: of its input, without the batch.
    """
    if isinstance(module, AffineLine):
        return module.scale.reshape(shape), module.shift.reshape(shape)
    if not isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) or module.running_mean is None:
        raise TypeError(f"expected a straight line for every entry, got {type(module).__name__}")
    assert module.running_var is not None  # noqa: S101 - there is one where there is a mean
    scale = (module.running_var.detach().double().cpu() + module.eps).rsqrt()
    shift = -module.running_mean.detach().double().cpu() * scale
    if module.affine:
        weight = module.weight.detach().double().cpu()
        scale, shift = weight * scale, weight * shift + module.bias.detach().double().cpu()
    columns = (-1, *(1 for _ in shape[1:]))
    return scale.reshape(columns).expand(shape), shift.reshape(columns).expand(shape)


def pull_back(nodes: tuple[Node, ...], index: int, source: int, delta: torch.Tensor) -> torch.Tensor:
    """The gradient that a node hands to one of its inputs.

    Args:
        nodes: of the network.
        index: of the node, no activation and no layer with weights.
        source: index of the input.
        delta: gradient at the node's output, in its shape.

    Returns:
        The gradient in the shape of the source.
    """
    module, shape = nodes[index].module, nodes[source].shape
    if isinstance(module, Add):
        return delta
    if isinstance(module, LINES):
        return delta * entry_line(module, shape)[0]
    if isinstance(module, _IN_ORDER):
        return delta.reshape(shape)
    if isinstance(module, Concatenate):
        return _part(nodes, index, source, delta)
    if isinstance(module, nn.AvgPool2d):
        with torch.inference_mode(False), torch.enable_grad():  # linear, so its gradient anywhere is its transpose
            start = torch.zeros((1, *shape), dtype=torch.float64, requires_grad=True)
            (result,) = torch.autograd.grad(module(start), start, delta.clone()[None])
        return result[0]
    raise TypeError(f"expected an operation that passes gradients on, got {type(module).__name__}")


def reads_input(nodes: tuple[Node, ...], index: int) -> bool:
    """Whether a node's input follows from its output, entry by entry."""
    module = nodes[index].module
    if isinstance(module, LINES):
        return bool((entry_line(module, nodes[index].shape)[0] != 0).all())
    return isinstance(module, (*_IN_ORDER, Concatenate))


def read_input(
    nodes: tuple[Node, ...], index: int, source: int, value: torch.Tensor, std: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """A node's input and its standard deviations, for its output and theirs.

    Args:
        nodes: of the network.
        index: of a node that `reads_input`.
        source: index of the input.
        value: of the output, in its shape.
        std: of its entries.
    """
    module, shape = nodes[index].module, nodes[source].shape
    if isinstance(module, LINES):
        scale, shift = entry_line(module, shape)
        return (value - shift) / scale, std / scale.abs()
    if isinstance(module, Concatenate):
        return _part(nodes, index, source, value), _part(nodes, index, source, std)
    return value.reshape(shape), std.reshape(shape)


def _part(nodes: tuple[Node, ...], index: int, source: int, whole: torch.Tensor) -> torch.Tensor:
    """What one branch brought to a concatenation."""
    module = nodes[index].module
    assert isinstance(module, Concatenate)  # noqa: S101 - whoever calls has looked
    axis = module.axis - 1
    sizes = [nodes[each].shape[axis] for each in nodes[index].inputs]
    return whole.split(sizes, axis)[nodes[index].inputs.index(source)]
