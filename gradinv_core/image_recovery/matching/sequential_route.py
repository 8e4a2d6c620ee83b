"""The objective of a plain chain of layers, by hand: one forward and one backward pass, each followed by its own rate.

Several times faster than automatic differentiation for small networks, where building a graph costs more than what the
graph computes. Autograd remains the reference: the tests compare the two in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import nn

from gradinv_core.image_recovery.chain import leaf_modules
from gradinv_core.image_recovery.matching.distance import Distance
from gradinv_core.image_recovery.matching.inner_inputs import KnownInput
from gradinv_core.image_recovery.matching.objective import Candidate, Slope
from gradinv_core.image_recovery.matching.observed import ObservedGradient
from gradinv_core.image_recovery.matching.sequential_layers import (
    Convolution,
    Layer,
    LeakyRelu,
    LinearLayer,
    Sigmoid,
    Tanh,
)

__all__ = ["Chain", "SequentialRoute", "chain_of"]

_LARGEST_PATCHES = 2**21  # entries of a convolution's patches: 8 MB; beyond it arithmetic outweighs overhead

Chain = list[tuple[str, Layer]]


def chain_of(twin: nn.Module, shape: tuple[int, int, int]) -> Chain | None:
    """The network as a chain of layers known here, or None if it is anything else.

    Args:
        twin: private copy of the network.
        shape: (channels, height, width) of the image.

    Returns:
        (name, layer) from the input to the logits: nested ``nn.Sequential`` of Linear, Conv2d, Flatten, Identity,
        Dropout (evaluation mode) and sigmoid, tanh, ReLU, leaky ReLU.
    """
    chain: Chain = []
    used: set[int] = set()
    here: tuple[int, ...] = shape
    if any(module._forward_hooks or module._forward_pre_hooks for module in twin.modules()):
        return None  # a hook may change what passes
    for name, module in leaf_modules(twin):
        if any(id(p) in used for p in module.parameters()):
            return None
        used |= {id(parameter) for parameter in module.parameters()}
        kind = type(module)
        if isinstance(module, nn.Linear) and kind is nn.Linear and here == (module.in_features,):
            chain.append((name, LinearLayer(module)))
            here = (module.out_features,)
        elif isinstance(module, nn.Conv2d) and kind is nn.Conv2d and _is_plain(module, here):
            sizes = _output_size(module, here)
            if module.weight[0].numel() * prod(sizes) > _LARGEST_PATCHES:
                return None
            chain.append((name, Convolution(module, (here[0], here[1], here[2]))))
            here = (module.out_channels, *sizes)
        elif isinstance(module, nn.Flatten) and kind is nn.Flatten and (module.start_dim, module.end_dim) == (1, -1):
            here = (prod(here),)
        elif kind in (nn.Sigmoid, nn.Tanh, nn.ReLU, nn.LeakyReLU) and chain:
            chain.append((name, _activation(module)))
        elif kind not in (nn.Identity, nn.Dropout, nn.Dropout2d):
            return None
    # The entry weight must be in the first layer, and nothing may be learned outside the layers of the chain.
    complete = used == {id(parameter) for parameter in twin.parameters()}
    return chain if chain and complete and len(here) == 1 else None


def _is_plain(layer: nn.Conv2d, here: tuple[int, ...]) -> bool:
    plain = layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return plain and len(here) == 3 and here[0] == layer.in_channels


def _output_size(layer: nn.Conv2d, here: tuple[int, ...]) -> tuple[int, int]:
    sizes = []
    for axis in (0, 1):
        padding = int(layer.padding[axis])
        reach = here[1 + axis] + 2 * padding - layer.dilation[axis] * (layer.kernel_size[axis] - 1) - 1
        sizes.append(reach // layer.stride[axis] + 1)
    return sizes[0], sizes[1]


def _activation(module: nn.Module) -> Layer:
    if isinstance(module, nn.Sigmoid):
        return Sigmoid()
    if isinstance(module, nn.Tanh):
        return Tanh()
    return LeakyRelu(float(module.negative_slope) if isinstance(module, nn.LeakyReLU) else 0.0)


class SequentialRoute:
    """Gradient distance and known-input terms of a chain, by hand."""

    name = "sequential"

    def __init__(
        self,
        chain: Chain,
        observed: ObservedGradient,
        label: torch.Tensor | None,
        distance: Distance,
        inputs: Sequence[KnownInput],
    ) -> None:
        """Lay the long vectors out.

        Args:
            chain: as from `chain_of`.
            observed: the gradient to match.
            label: (C,) label; None when it is learned.
            distance: of gradients.
            inputs: known inputs of linear layers.
        """
        self._layers = [layer for _, layer in chain]
        self._known: list[list[KnownInput]] = [[known for known in inputs if known.layer == name] for name, _ in chain]
        self._observed = observed
        self._label = None if label is None else label.to(observed.direction)
        self._distance = distance
        self._vector = torch.empty_like(observed.direction)  # the gradient, then the distance's derivative by it
        self._unsent: list[torch.Tensor] = []  # gradients that nothing was sent to compare with
        parts = dict(zip(observed.shapes, observed.split(self._vector), strict=True))
        for name, layer in chain:
            if isinstance(layer, LinearLayer | Convolution):
                for kind, parameter in (("weight", layer.weight), ("bias", layer.bias)):
                    if parameter is None:
                        continue
                    part = parts.get(f"{name}.{kind}")
                    if part is None:
                        part = torch.empty_like(parameter)
                        self._unsent.append(part)
                    layer.parts.append(part.view(parameter.shape))

    def evaluate(self, candidate: Candidate) -> Slope:
        """Loss and derivative at the candidate."""
        value = candidate.image.reshape(-1)
        loss, extra = 0.0, {}
        for place, (layer, known_here) in enumerate(zip(self._layers, self._known, strict=True)):
            for known in known_here:
                misfit, slope = known.misfit(value)
                loss += misfit
                extra[place] = slope
            value = layer.forward(value)
        label = candidate.label(self._label)
        probabilities = torch.softmax(value, 0)
        weight = float(label.sum())
        back: torch.Tensor | None = (probabilities * weight).sub_(label)
        for place in range(len(self._layers) - 1, -1, -1):
            assert back is not None  # noqa: S101
            back = self._layers[place].backward(back, first=place == 0)
        distance = self._distance(self._vector, self._observed.direction, self._observed.size, self._vector)
        for part in self._unsent:  # the distance does not depend on them
            part.zero_()
        rate: torch.Tensor | None = None
        for layer in self._layers:
            rate = layer.push(rate)
        assert rate is not None  # noqa: S101
        # The loss grows at the rate (weight * p - y) . rate; its derivative by the logits, and by the label:
        pulled = (rate - torch.dot(probabilities, rate)).mul_(probabilities).mul_(weight)
        logits = None if self._label is not None else (torch.dot(label, rate) - rate).mul_(label)
        for place in range(len(self._layers) - 1, -1, -1):
            pulled = self._layers[place].pull(pulled)
            if place in extra:
                pulled += extra[place]
        return Slope(loss + distance, pulled.view(candidate.image.shape).clone(), logits)
