"""Which module does the same as a function or a method of a tensor: one table, one line for each operation."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

__all__ = ["Add", "Concatenate", "Reshape", "as_module", "join"]


class Add(nn.Module):
    """The sum of two branches of one shape."""

    def forward(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Of two tensors."""
        return one + other


class Concatenate(nn.Module):
    """Branches side by side.

    Attributes:
        axis: along which, the batch counted.
    """

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *values: torch.Tensor) -> torch.Tensor:
        """Of any number of tensors."""
        return torch.cat(values, self.axis)


class Reshape(nn.Module):
    """The same entries in the same order, in another shape.

    Attributes:
        shape: without the batch.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        """Of a batch."""
        return value.reshape(len(value), *self.shape)


_Made = nn.Module | None
_Rule = Callable[..., _Made]


def _dropout(p: float = 0.5, training: bool = True, *_: Any, **__: Any) -> _Made:
    return None if training and p > 0 else nn.Identity()


def _mean(dim: Any = None, *_: Any, **__: Any) -> _Made:
    """Over height and width: global average pooling."""
    axes = {axis % 4 for axis in dim} if isinstance(dim, list | tuple) else set()
    return nn.AdaptiveAvgPool2d(1) if axes == {2, 3} else None


def _in_order(*_: Any, **__: Any) -> _Made:
    """Whatever leaves the entries in their order; its shape is looked up."""
    return Reshape(())


def _same(*_: Any, **__: Any) -> _Made:
    return nn.Identity()


_FUNCTIONS: Mapping[str, _Rule] = {
    "relu": nn.ReLU,
    "relu_": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "softplus": nn.Softplus,
    "max_pool2d": nn.MaxPool2d,
    "boolean_dispatch": nn.MaxPool2d,  # what PyTorch calls F.max_pool2d, which may return indices too
    "avg_pool2d": nn.AvgPool2d,
    "adaptive_avg_pool2d": nn.AdaptiveAvgPool2d,
    "mean": _mean,
    "dropout": _dropout,
    "dropout2d": _dropout,
    "feature_dropout": _dropout,
    "flatten": _in_order,
    "view": _in_order,
    "reshape": _in_order,
    "squeeze": _in_order,
    "unsqueeze": _in_order,
    "contiguous": _same,
    "clone": _same,
    "float": _same,
}
_SUMS = {"add", "iadd", "add_"}
_JOINS = {"cat", "concat", "concatenate"}


def as_module(called: Any, options: Sequence[Any], named: Mapping[str, Any]) -> nn.Module | None:
    """The module that does what a function or a method does to its one tensor; None where there is no rule.

    Args:
        called: the function, or the method's name.
        options: its arguments after the tensor.
        named: those given by name.
    """
    rule = _FUNCTIONS.get(_name(called))
    if rule is None or (not isinstance(called, str) and not _is_of_torch(called)):
        return None
    try:
        return rule(*options, **named)
    except (TypeError, ValueError):
        return None


def join(
    called: Any, shapes: Sequence[tuple[int, ...]], options: Sequence[Any], named: Mapping[str, Any]
) -> nn.Module | None:
    """The module that brings several tensors together; None where there is no rule.

    Args:
        called: the function, or the method's name.
        shapes: of the tensors, without the batch.
        options: its arguments after the tensors.
        named: those given by name.
    """
    name = _name(called)
    if name in _SUMS and len(shapes) == 2 and len(set(shapes)) == 1 and not options and not named:
        return Add()
    axis = named.get("dim", named.get("axis", options[0] if options else 0))
    axes = len(shapes[0]) + 1
    return Concatenate(axis % axes) if name in _JOINS and isinstance(axis, int) and axis % axes else None


def _name(called: Any) -> str:
    return called if isinstance(called, str) else str(getattr(called, "__name__", ""))


def _is_of_torch(function: Any) -> bool:
    """Whether a function is PyTorch's or Python's own, not one of the same name."""
    name = _name(function)
    places = (torch, functional, torch._C._nn, operator)
    return name == "boolean_dispatch" or any(getattr(place, name, None) is function for place in places)
