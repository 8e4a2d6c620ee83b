"""Layers of a plain chain, with the four passes that the derivative of a gradient distance takes.

The distance D of the gradient g to the observed one has the derivative v = dD/dg by g, and the image's share of it is
that of the number ``<g, v>``, v held fixed: how fast the training loss grows when the weights move along v. So (forward
over reverse, Pearlmutter 1994), for one image:

1. ``forward``: activations;
2. ``backward``: the training loss's derivative e by each of them, and the weight gradients g;
3. ``push``: how fast each activation grows when the weights move along v;
4. ``pull``: the derivative q of that growth of the loss by each activation, down to the image.

Every layer keeps what a later pass needs. The layers with weights write their part of g into ``parts``, views of one
long vector, which holds their part of v by the time of ``push``. One chain serves one search.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import nn

__all__ = ["Convolution", "Layer", "LeakyRelu", "LinearLayer", "Sigmoid", "Tanh"]


class Layer(Protocol):
    """One layer of a chain. Activations are flat vectors (n,)."""

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        """The output (m,) for the input ``value`` (n,)."""

    def backward(self, slope: torch.Tensor, *, first: bool) -> torch.Tensor | None:
        """The loss's derivative by the input, from that by the output; None for the first layer, which needs none."""

    def push(self, rate: torch.Tensor | None) -> torch.Tensor:
        """The output's rate of growth, from the input's; None stands for an input that does not move."""

    def pull(self, rate_slope: torch.Tensor) -> torch.Tensor:
        """The derivative of the loss's growth by the input, from that by the output."""


class LinearLayer:
    """``W x + b``: weight (m, n), bias (m,) or None."""

    def __init__(self, layer: nn.Linear) -> None:
        self.weight = layer.weight.detach()
        self.bias = None if layer.bias is None else layer.bias.detach()
        self.parts: list[torch.Tensor] = []

    def forward(self, value: torch.Tensor) -> torch.Tensor:  # noqa: D102 - as the protocol says, here and below
        self._value = value
        return torch.mv(self.weight, value) if self.bias is None else torch.addmv(self.bias, self.weight, value)

    def backward(self, slope: torch.Tensor, *, first: bool) -> torch.Tensor | None:  # noqa: D102
        self._slope = slope
        torch.outer(slope, self._value, out=self.parts[0])
        if self.bias is not None:
            self.parts[1].copy_(slope)
        return None if first else torch.mv(self.weight.T, slope)

    def push(self, rate: torch.Tensor | None) -> torch.Tensor:  # noqa: D102
        growth = torch.mv(self.parts[0], self._value)
        if self.bias is not None:
            growth.add_(self.parts[1])
        return growth if rate is None else growth.addmv_(self.weight, rate)

    def pull(self, rate_slope: torch.Tensor) -> torch.Tensor:  # noqa: D102
        return torch.mv(self.parts[0].T, self._slope).addmv_(self.weight.T, rate_slope)


class Convolution:
    """A convolution as one matrix product with the image's patches, gathered by an index made once.

    For the small images of these networks a general convolution spends its time on set-up, not on arithmetic.
    """

    def __init__(self, layer: nn.Conv2d, shape: tuple[int, int, int]) -> None:
        """Prepare for inputs of ``shape`` (channels, height, width)."""
        self.weight = layer.weight.detach().reshape(layer.out_channels, -1)
        self.bias = None if layer.bias is None else layer.bias.detach()[:, None]
        self.parts: list[torch.Tensor] = []
        entries = shape[0] * shape[1] * shape[2]
        # Entry number n, one past the last, stands for the padding: read as zero, and written to without effect.
        numbers = torch.arange(1, entries + 1, dtype=torch.float64).view(1, *shape)
        patches = torch.nn.functional.unfold(
            numbers, layer.kernel_size, dilation=layer.dilation, padding=_pair(layer.padding), stride=layer.stride
        )[0].long()
        patches = torch.where(patches == 0, entries + 1, patches) - 1
        self._index = patches.reshape(-1).to(self.weight.device)
        # Memory used at every step is taken once: a fresh block of this size costs more than the arithmetic in it.
        self._padded = self.weight.new_zeros(entries + 1)
        self._patches, self._rate_patches, self._work = self.weight.new_empty(3, *patches.shape)
        self._interior = self._padded[:-1]
        self._back_sum, self._pull_sum = self.weight.new_empty(2, entries + 1)

    def _gather(self, value: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """Patches (channels * kernel, positions) of an image (n,)."""
        self._interior.copy_(value)
        torch.index_select(self._padded, 0, self._index, out=out.view(-1))
        return out

    def _scatter(self, patches: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """The adjoint: sum the patches back into an image (n,)."""
        return out.zero_().scatter_add_(0, self._index, patches.view(-1))[:-1]

    def forward(self, value: torch.Tensor) -> torch.Tensor:  # noqa: D102
        self._gather(value, self._patches)
        if self.bias is None:
            return torch.mm(self.weight, self._patches).view(-1)
        return torch.addmm(self.bias, self.weight, self._patches).view(-1)

    def backward(self, slope: torch.Tensor, *, first: bool) -> torch.Tensor | None:  # noqa: D102
        self._slope = slope.view(self.weight.shape[0], -1)
        torch.mm(self._slope, self._patches.T, out=self.parts[0])
        if self.bias is not None:
            torch.sum(self._slope, 1, keepdim=True, out=self.parts[1])
        if first:
            return None
        return self._scatter(torch.mm(self.weight.T, self._slope, out=self._work), self._back_sum)

    def push(self, rate: torch.Tensor | None) -> torch.Tensor:  # noqa: D102
        if self.bias is None:
            growth = torch.mm(self.parts[0], self._patches)
        else:
            growth = torch.addmm(self.parts[1], self.parts[0], self._patches)
        if rate is not None:
            growth.addmm_(self.weight, self._gather(rate, self._rate_patches))
        return growth.view(-1)

    def pull(self, rate_slope: torch.Tensor) -> torch.Tensor:  # noqa: D102
        patches = torch.mm(self.parts[0].T, self._slope, out=self._work)
        return self._scatter(patches.addmm_(self.weight.T, rate_slope.view(self.weight.shape[0], -1)), self._pull_sum)


class _Activation:
    """An element-wise function f: ``pull`` is ``q f' + e f'' rate``."""

    _steepness: torch.Tensor
    _bend: torch.Tensor | None  # f'' where it is not zero everywhere

    def backward(self, slope: torch.Tensor, *, first: bool) -> torch.Tensor | None:  # noqa: ARG002
        self._slope = slope
        return slope * self._steepness

    def push(self, rate: torch.Tensor | None) -> torch.Tensor:
        assert rate is not None, "an activation is never the first layer with weights"  # noqa: S101
        self._rate = rate
        return rate * self._steepness

    def pull(self, rate_slope: torch.Tensor) -> torch.Tensor:
        pulled = rate_slope * self._steepness
        return pulled if self._bend is None else pulled.addcmul_(self._slope * self._bend, self._rate)


class Sigmoid(_Activation):
    """``1 / (1 + exp(-z))``."""

    def forward(self, value: torch.Tensor) -> torch.Tensor:  # noqa: D102
        output = torch.sigmoid(value)
        self._steepness = output.addcmul(output, output, value=-1)
        self._bend = self._steepness.addcmul(self._steepness, output, value=-2)
        return output


class Tanh(_Activation):
    """The hyperbolic tangent."""

    def forward(self, value: torch.Tensor) -> torch.Tensor:  # noqa: D102
        output = torch.tanh(value)
        self._steepness = (output * output).neg_().add_(1)
        self._bend = (output * self._steepness).mul_(-2)
        return output


class LeakyRelu(_Activation):
    """Slope 1 above zero, ``negative_slope`` at and below it; zero for ReLU."""

    _bend = None

    def __init__(self, negative_slope: float) -> None:
        self._negative_slope = negative_slope

    def forward(self, value: torch.Tensor) -> torch.Tensor:  # noqa: D102
        positive = (value > 0).to(value.dtype)
        self._steepness = positive if self._negative_slope == 0 else positive.clamp_(min=self._negative_slope)
        return value * self._steepness


def _pair(padding: object) -> tuple[int, int]:
    """Padding of a convolution whose padding is not a word (`chain_of` lets no other through)."""
    assert isinstance(padding, tuple)  # noqa: S101
    return padding[0], padding[1]
