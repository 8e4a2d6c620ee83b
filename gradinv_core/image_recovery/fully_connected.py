"""Exact images from fully connected networks, with or without biases (paper, section on image reconstruction).

A linear layer's weight gradient is ``G = delta x^T``: the gradient at its output times its input. If delta is known,
``x = G^T delta / |delta|^2``. The head gives the first delta (``W^T a``) and the first x (the last-layer feature, whose
activation's derivative is known because its output is); each layer then gives the next, down to the pixels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import torch
from torch import nn

from gradinv_core.errors import NoExactRouteError, NonFiniteError, OptionError, RankError, ShapeError
from gradinv_core.image_recovery.result import LayerRecovery, OnStep, Step

__all__ = ["Layers", "fully_connected_layers", "recover_input"]

_ROWS = 512  # rows of a weight gradient taken to float64 at a time: a 4096 x 12288 layer must not cost 400 MB
_COLUMNS = 256  # columns from which a layer's misfit is measured
_REFUSE = 0.5  # relative misfit at which a layer's gradient is plainly not what delta predicts

_ACTIVE_SIGMAS = 3.0  # a ReLU output this far above its noise counts as active

Layers = list[tuple[str, nn.Linear, Sequence[nn.Module]]]
Slope = Callable[[torch.Tensor, float, nn.Module], torch.Tensor]


def _leaky_relu_slope(output: torch.Tensor, _: float, layer: nn.Module) -> torch.Tensor:
    negative = float(layer.negative_slope) if isinstance(layer, nn.LeakyReLU) else 0.0
    return torch.where(output > 0, 1.0, negative).to(output)


# Derivative of each activation in terms of its output and the output's standard deviation. A ReLU output below the
# noise is called inactive: leaving out an active unit costs little, letting an inactive one in brings a wrong sign.
_SLOPES: Mapping[type[nn.Module], Slope] = {
    nn.ReLU: lambda output, std, _: (output > _ACTIVE_SIGMAS * std).to(output),
    nn.LeakyReLU: _leaky_relu_slope,
    nn.Sigmoid: lambda output, _, __: output * (1 - output),
    nn.Tanh: lambda output, _, __: 1 - output**2,
}


def fully_connected_layers(model: nn.Module) -> Layers:
    """The linear layers of a sequential, fully connected network, each with the activations that follow it.

    Args:
        model: a (possibly nested) ``nn.Sequential`` of Flatten, Linear, Dropout and element-wise activations.

    Returns:
        (name, layer, activations) from the input to the head.

    Raises:
        NoExactRouteError: anything else is in the network; the message names it.
    """
    layers: list[tuple[str, nn.Linear, list[nn.Module]]] = []
    for name, module in _flat(model, ""):
        if isinstance(module, nn.Linear):
            if any(module.weight is other.weight for _, other, _ in layers):
                raise NoExactRouteError(
                    f"no exact route to the image is known for this network: layer {name} shares its weights with "
                    f"another, so their gradients arrive added up. Label and feature are recovered all the same."
                )
            layers.append((name, module, []))
        elif isinstance(module, nn.Identity):
            continue
        elif type(module) in _SLOPES and layers:
            layers[-1][2].append(module)
        elif not isinstance(module, nn.Flatten | nn.Dropout):
            raise NoExactRouteError(
                f"no exact route to the image is known for this network yet: it needs fully connected layers only, and "
                f"layer {name or 'input'} is a {type(module).__name__}. Label and feature are recovered all the same."
            )
    if not layers:
        raise NoExactRouteError("expected a fully connected network, found no linear layer in it.")
    if layers[-1][2]:
        raise NoExactRouteError(
            f"expected a network that ends in a linear layer, whose outputs are the logits; this one ends in "
            f"{type(layers[-1][2][0]).__name__}."
        )
    return [(name, layer, tuple(activations)) for name, layer, activations in layers]


def recover_input(
    layers: Layers,
    gradients: Mapping[str, torch.Tensor],
    feature: torch.Tensor,
    residual: torch.Tensor,
    on_step: OnStep | None = None,
) -> tuple[torch.Tensor, tuple[Step, ...], tuple[LayerRecovery, ...]]:
    """Walk from the head to the pixels.

    Args:
        layers: of the network, as from `fully_connected_layers`.
        gradients: ``{parameter name: gradient}``.
        feature: (d,) recovered last-layer feature.
        residual: (C,) recovered ``a = p - y``.
        on_step: called with each step as it is known.

    Returns:
        The flat input (n,), the steps from the feature to it, and what each layer gave.

    Raises:
        NoExactRouteError: a layer has no active unit, or more than one activation after it.
        OptionError, ShapeError, NonFiniteError: a gradient is missing, has the wrong shape or is not finite.
        RankError: a layer's gradient contradicts the recovered label and feature.
    """
    steps = [Step("Last-layer feature", feature)]
    found: list[LayerRecovery] = []
    if on_step is not None:
        on_step(steps[0])
    value, delta, std = feature, residual, _feature_std(layers, gradients, feature, residual)
    for (_, upper, _), (name, layer, activations) in pairwise(reversed(layers)):
        started = time.perf_counter()
        if value.numel() != layer.out_features:
            raise ShapeError(
                f"layer {name}: expected {layer.out_features} outputs to match the next layer's inputs, "
                f"got {upper.in_features}; the network is not a plain chain."
            )
        delta = _through(activations, value, std, upper.weight.detach().double().cpu().T @ delta, name)
        value, std, misfit = _previous_input(gradients, f"{name}.weight", layer, delta)
        found.append(
            LayerRecovery(
                name=name,
                kind=f"fully connected, {layer.in_features} to {layer.out_features}",
                unknowns=layer.in_features,
                equations=layer.in_features * int((delta != 0).sum()),
                residual=misfit,
                seconds=time.perf_counter() - started,
            )
        )
        if misfit > _REFUSE:
            raise RankError(
                f"gradient {name}.weight: expected the product of the recovered output gradient and one input, got one "
                f"that differs from it by {misfit:.0%}; the label may be ambiguous, or the gradient not of one sample."
            )
        steps.append(Step(f"Input of layer {name}", value))
        if on_step is not None:
            on_step(steps[-1])
    return value, tuple(steps), tuple(found)


def _feature_std(
    layers: Layers, gradients: Mapping[str, torch.Tensor], feature: torch.Tensor, residual: torch.Tensor
) -> float:
    """Standard deviation of the feature's entries; the head's gradient must be their product with the residual."""
    name, head, _ = layers[-1]
    implied, std, misfit = _previous_input(gradients, f"{name}.weight", head, residual)
    if misfit > _REFUSE or float((implied - feature).norm()) > _REFUSE * float(feature.norm()):
        raise RankError(
            "label and feature: expected the ones this gradient was made of, got a pair that does not multiply to the "
            "gradient of the last layer; leave both out to have them recovered here."
        )
    return std


def _flat(module: nn.Module, name: str) -> list[tuple[str, nn.Module]]:
    """Leaf modules of nested sequentials, in order of execution."""
    if not isinstance(module, nn.Sequential):
        return [(name, module)]
    # Not named_children(): that leaves out the second use of a shared activation.
    return [
        leaf
        for child, inner in module._modules.items()
        if inner is not None
        for leaf in _flat(inner, f"{name}.{child}" if name else child)
    ]


def _through(
    activations: Sequence[nn.Module], output: torch.Tensor, std: float, delta: torch.Tensor, name: str
) -> torch.Tensor:
    """Gradient before the activation, from the gradient after it and its output."""
    if len(activations) > 1:
        raise NoExactRouteError(f"layer {name}: expected one activation after it, found {len(activations)}.")
    for activation in activations:
        delta = delta * _SLOPES[type(activation)](output, std, activation)
    return delta


def _previous_input(
    gradients: Mapping[str, torch.Tensor], name: str, layer: nn.Linear, delta: torch.Tensor
) -> tuple[torch.Tensor, float, float]:
    """Input G^T delta / |delta|^2, its standard deviation, and the relative misfit of G = delta x^T.

    Block by block in float64. The misfit is the gradient's noise; divided by |delta|, it is the noise of the input.
    """
    if name not in gradients:
        raise OptionError(f"gradients: expected an entry {name}, got {', '.join(gradients) or 'none'}.")
    gradient = gradients[name].detach()
    if gradient.shape != layer.weight.shape:
        raise ShapeError(f"gradient {name}: expected shape {tuple(layer.weight.shape)}, got {tuple(gradient.shape)}.")
    if not torch.isfinite(gradient.sum()) and not torch.isfinite(gradient).all():
        raise NonFiniteError(f"gradient {name}: expected finite numbers, got NaN or infinity.")
    power = float(delta @ delta)
    if power == 0:
        raise NoExactRouteError(
            f"layer {name}: expected at least one active unit, found none, so no gradient reaches the layer below it."
        )
    value = torch.zeros(layer.in_features, dtype=torch.float64)
    active = torch.nonzero(delta)[:, 0]  # a ReLU layer's inactive rows say nothing of its input
    for rows in active.split(_ROWS):
        value += gradient[rows.to(gradient.device)].double().cpu().T @ delta[rows]
    value /= power
    # The misfit, from as many columns as it takes to know it well.
    step = max(1, layer.in_features // _COLUMNS)
    part = gradient[:, ::step].double().cpu()
    rest, total = float((part - torch.outer(delta, value[::step])).square().sum()), float(part.square().sum())
    std = (rest / part.numel() / power) ** 0.5
    return value, std, (rest / total) ** 0.5 if total > 0 else 0.0
