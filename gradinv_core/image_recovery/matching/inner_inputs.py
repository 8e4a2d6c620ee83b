"""Inputs of inner layers that are known before the search begins, and how far an image is from them.

A fully connected layer with a bias has the weight gradient ``G = delta x^T`` and the bias gradient ``delta``, so its
input is ``x = G^T delta / |delta|^2``: exact, whatever stands below it, pooling included (Geiping et al. 2020,
proposition 3.1; all rows are used here, which averages noise).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from gradinv_core.errors import OptionError
from gradinv_core.image_recovery.fully_connected import previous_input

__all__ = ["KnownInput", "known_inputs", "watch_inputs"]

_INNER_SHARE = 0.1  # of the feature's weight: measured, 0.03 to 0.3 serve alike; 1 drowns the gradient
_LARGEST_MISFIT = 0.1  # of G = delta x^T, relative: above it the layer saw more than one input, or mostly noise


@dataclass(frozen=True)
class KnownInput:
    """One layer's input, to be matched by the search.

    Attributes:
        layer: the layer's name in the network.
        value: (n,) its input, on the network's device and in its number type; not zero.
        weight: of its term ``weight * |x - value|^2 / |value|^2``.
        is_feature: whether it is the last-layer feature, recovered rather than read off a bias gradient.
    """

    layer: str
    value: torch.Tensor
    weight: float
    is_feature: bool = False

    def misfit(self, seen: torch.Tensor) -> tuple[float, torch.Tensor]:
        """The term for an input ``seen`` of any shape with n entries, and its derivative in that shape."""
        factor = self.weight / float(torch.dot(self.value, self.value))
        difference = seen.reshape(-1) - self.value
        return factor * float(torch.dot(difference, difference)), difference.mul_(2 * factor).view_as(seen)

    def misfits(self, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The terms (N,) of N inputs (N, n) and their derivatives, left where they are: a GPU is not waited for."""
        difference = seen - self.value
        factor = self.weight / self.value.dot(self.value)
        return factor * difference.square().sum(1), 2 * factor * difference


class _Keeper:
    """A hook that keeps a layer's input."""

    def __init__(self, seen: dict[str, torch.Tensor], layer: str) -> None:
        self._seen, self._layer = seen, layer

    def __call__(self, _: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        self._seen[self._layer] = inputs[0]


def watch_inputs(twin: nn.Module, inputs: Sequence[KnownInput]) -> dict[str, torch.Tensor]:
    """Keep what the layers of known inputs are fed: layer -> its input in the last pass, filled as the twin runs."""
    seen: dict[str, torch.Tensor] = {}
    for known in inputs:
        twin.get_submodule(known.layer).register_forward_pre_hook(_Keeper(seen, known.layer))
    return seen


def known_inputs(
    model: nn.Module,
    gradients: Mapping[str, torch.Tensor],
    sizes: Mapping[str, int],
    weight: float,
    *,
    feature: torch.Tensor | None,
    inner: bool,
    head: str | None,
) -> tuple[KnownInput, ...]:
    """The terms of the search besides the gradient.

    Args:
        model: the network.
        gradients: as from `read_gradients`; a layer whose gradients were not sent has no term.
        sizes: for every fully connected layer used once, the number of entries of its input.
        weight: of the feature's term; an inner input's has a tenth of it.
        feature: (d,) recovered last-layer feature, or None to leave it out.
        inner: whether to read exact inputs off the layers that have a bias.
        head: name of the last layer; None where nobody knows it, and then inner layers are left alone: the input of
            the last one is the feature, which ``terms`` speaks of.

    Returns:
        The head's input first if there is one, then the others in the network's order.

    Raises:
        OptionError: the feature is to be matched, and the last layer does not see just one.
    """
    if weight == 0:
        return ()
    reference = next(model.parameters())
    found = []
    if feature is not None and head is not None:
        if sizes.get(head) != len(feature):
            raise OptionError(
                f"terms: expected a last layer that is used once on one feature vector to match the feature, got layer "
                f'{head} used otherwise; choose terms "g".'
            )
        found.append(KnownInput(head, feature.to(reference), weight, is_feature=True))
    if inner and head is not None:
        layers = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)]
        for name, layer in layers:
            weight_grad, bias_grad = gradients.get(f"{name}.weight"), gradients.get(f"{name}.bias")
            if name == head or sizes.get(name) != layer.in_features or weight_grad is None or bias_grad is None:
                continue
            value = _exact_input(weight_grad, bias_grad)
            if value is not None:
                found.append(KnownInput(name, value.to(reference), _INNER_SHARE * weight))
    return tuple(found)


def _exact_input(weight_grad: torch.Tensor, bias_grad: torch.Tensor) -> torch.Tensor | None:
    """Input (n,) in float64, or None where the two gradients do not determine it."""
    delta = bias_grad.detach().double()
    peak = float(delta.abs().max())
    if peak == 0:
        return None
    value, _, misfit = previous_input(weight_grad.detach(), delta.cpu() / peak)  # squares of tiny entries would vanish
    return value / peak if value.any() and misfit <= _LARGEST_MISFIT else None
