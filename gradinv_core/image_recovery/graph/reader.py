"""A layer with weights, as three linear maps of one geometry: what each tap of its kernel reads at each position.

A fully connected layer is a convolution with one tap over one pixel, so both are the same here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import nn

from gradinv_core.errors import NoExactRouteError
from gradinv_core.gradients import gradient_entry
from gradinv_core.image_recovery.convolution_matrix import tap_positions
from gradinv_core.image_recovery.graph.trace import Node

__all__ = ["Reader", "read_gradient", "reader_of", "reader_of_node", "taps_of"]


@dataclass(frozen=True)
class Reader:
    """How a convolution or linear layer reads its input, a (channels, pixels) matrix.

    Attributes:
        name: of the layer.
        weight: (outputs, channels per group, taps) float64.
        taps: (taps, positions) which pixel each tap reads at each output position; ``pixels`` in the padding.
        channels: of the input.
        pixels: of one input channel.
        groups: of channels that do not mix.
    """

    name: str
    weight: torch.Tensor
    taps: torch.Tensor
    channels: int
    pixels: int
    groups: int

    @property
    def outputs(self) -> int:
        """Output channels."""
        return len(self.weight)

    @property
    def seen(self) -> torch.Tensor:
        """(taps,) whether a tap ever reads anything but padding."""
        return (self.taps < self.pixels).any(1)

    def pull(self, delta: torch.Tensor) -> torch.Tensor:
        """The gradient at the input (channels, pixels), for one at the output (outputs, positions)."""
        by_group = self.weight.reshape(self.groups, self.outputs // self.groups, -1)
        columns = by_group.transpose(1, 2) @ delta.reshape(self.groups, self.outputs // self.groups, -1)
        result = torch.zeros(self.channels, self.pixels + 1, dtype=torch.float64)
        result.index_add_(1, self.taps.flatten(), columns.reshape(self.channels, -1))
        return result[:, : self.pixels]

    def push(self, value: torch.Tensor, squared: bool = False) -> torch.Tensor:
        """The output (outputs, positions) without the bias, for an input (channels, pixels).

        Args:
            value: the input, or its variances.
            squared: whether every weight counts squared, which turns variances into variances.
        """
        by_group = self.weight.reshape(self.groups, self.outputs // self.groups, -1)
        patches = self.patches(value).reshape(self.groups, by_group.shape[2], -1)
        return ((by_group.square() if squared else by_group) @ patches).reshape(self.outputs, -1)

    def patches(self, value: torch.Tensor) -> torch.Tensor:
        """(channels, taps, positions) what each tap reads of an input (channels, pixels)."""
        return torch.cat([value, torch.zeros(len(value), 1, dtype=value.dtype)], 1)[:, self.taps]

    def rows(self, delta: torch.Tensor) -> torch.Tensor:
        """(outputs, taps, pixels): what turns an input channel into its part of the weight's gradient.

        Every channel of a group meets the same rows.

        Args:
            delta: (outputs, positions) gradient at the output.
        """
        count, positions = self.taps.shape
        result = torch.zeros(len(delta), count, self.pixels + 1, dtype=torch.float64)
        # No tap reads a pixel twice; only the padding's column is written over.
        result.scatter_(
            2, self.taps.expand(len(delta), -1, -1), delta[:, None].expand(-1, count, positions).contiguous()
        )
        return result[..., : self.pixels]


def taps_of(layer: nn.Module, input_shape: tuple[int, ...]) -> torch.Tensor:
    """(taps, positions) as in `Reader`."""
    if isinstance(layer, nn.Linear):
        return torch.zeros(1, 1, dtype=torch.long)
    if not isinstance(layer, nn.Conv2d):
        raise TypeError(f"expected a layer with weights, got {type(layer).__name__}")
    taps = torch.from_numpy(tap_positions(layer, input_shape))
    return torch.where(taps < 0, input_shape[1] * input_shape[2], taps)


def reader_of(name: str, layer: nn.Module, input_shape: tuple[int, ...]) -> Reader:
    """The reader that a layer is.

    Args:
        name: of the layer.
        layer: ``nn.Conv2d`` padded with zeros, or ``nn.Linear`` that reads one axis.
        input_shape: of what it reads, without the batch.
    """
    weight: torch.Tensor = layer.weight.detach().double().cpu()  # type: ignore[operator]
    taps = taps_of(layer, input_shape)
    groups = layer.groups if isinstance(layer, nn.Conv2d) else 1
    return Reader(name, weight.reshape(*weight.shape[:2], -1), taps, input_shape[0], prod(input_shape[1:]), int(groups))


def reader_of_node(nodes: Sequence[Node], index: int) -> Reader:
    """The reader that a node is.

    Args:
        nodes: of the network.
        index: of a layer with weights.
    """
    node = nodes[index]
    assert node.module is not None  # noqa: S101 - it has weights
    return reader_of(node.name, node.module, nodes[node.inputs[0]].shape)


def read_gradient(gradients: Mapping[str, torch.Tensor], name: str, layer: nn.Module) -> torch.Tensor:
    """(outputs, channels per group, taps) gradient of a layer's weight, float64.

    Raises:
        NoExactRouteError: it was not sent.
        ShapeError, NonFiniteError: it has another shape, or is not finite.
    """
    if f"{name}.weight" not in gradients:
        raise NoExactRouteError(
            f"the gradient of layer {name} was not sent, and the exact route needs that of every layer; gradient "
            f"matching does with those that were sent."
        )
    shape: torch.Size = layer.weight.shape  # type: ignore[assignment]
    gradient = gradient_entry(gradients, f"{name}.weight", shape).double().cpu()
    return gradient.reshape(*gradient.shape[:2], -1)
