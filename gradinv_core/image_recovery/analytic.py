"""The analytic route: label and feature from the head, then the network peeled down to the pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite

import torch
from torch import nn

from gradinv_core.arrays import ArrayLike, as_array, to_tensor, unit_roundoff
from gradinv_core.errors import NoExactRouteError, RankError, ShapeError
from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.chain import Link, check_shape, network_chain
from gradinv_core.image_recovery.fully_connected import previous_input
from gradinv_core.image_recovery.layer_solver import DENSE_LIMIT
from gradinv_core.image_recovery.peel import peel
from gradinv_core.image_recovery.result import ImageRecovery, LayerRecovery, Leak, OnStep, Step, Stop
from gradinv_core.label_recovery import LabelRecovery
from gradinv_core.networks import HeadView, view_head

__all__ = ["check_sent", "peel_image"]

_REFUSE = 0.5  # relative misfit at which a label and feature plainly do not belong to the gradient
_SIGMAS = 1.96  # half a confidence interval of 95 %
_ROUNDING_FLOOR = 1e-2  # of the root mean square: no entry is known better than this times the unit roundoff
_ROUNDING_RESIDUAL = 2e-7  # a head's relative residual below this is rounding, not added noise
_STOPPED = "Layer by layer, by linear algebra; stopped before the image was reached."


def peel_image(
    model: nn.Module,
    gradients: Mapping[str, torch.Tensor],
    input_shape: Sequence[int],
    answer: LabelRecovery | None,
    label: ArrayLike | None = None,
    feature: ArrayLike | None = None,
    on_step: OnStep | None = None,
    stop: Stop | None = None,
    head: str | None = None,
) -> ImageRecovery:
    """Recover the image by linear algebra.

    Args:
        model: a chain of layers, see `network_chain`.
        gradients: as from `read_gradients`.
        input_shape: (channels, height, width).
        answer: the label recovery; None if label and feature are handed in.
        label: (C,) soft label, where there is no answer.
        feature: (d,) last-layer feature, likewise.
        on_step: called with each `Step`.
        stop: asked between layers.
        head: name of the last layer; None takes the chain's last.

    Raises:
        NoExactRouteError: the network is no chain of known layers, a layer's gradient was not sent, or no gradient
            reaches a layer.
        RankError, ShapeError, NonFiniteError, OptionError: the gradients do not fit the network or one sample.
    """
    shape = check_shape(input_shape)
    links = network_chain(model, shape)
    _check_chain(links, gradients, head)
    view = view_head(model, gradients, links[-1].name)
    belief, residual, noise_std = _feature_belief(view, answer, label, feature)
    peeled = peel(links, gradients, belief, residual, noise_std, on_step, stop)
    last = peeled.steps[-1]
    reached = not peeled.stopped
    return ImageRecovery(
        image=last.value.reshape(shape) if reached else torch.full(shape, 0.5, dtype=torch.float64),
        method="analytic",
        reason=_reason(peeled.layers) if reached else _STOPPED,
        steps=(*peeled.steps[:-1], _as_image(last, shape)) if reached else peeled.steps,
        layers=peeled.layers,
        label=answer,
        seconds=0.0,
        std=last.std.reshape(shape) if reached and last.std is not None else None,
        soft_label=answer.label if answer is not None else to_tensor(as_array(label, "label", "classes")),  # type: ignore[arg-type]
        stopped=peeled.stopped,
    )


def _check_chain(links: Sequence[Link], gradients: Mapping[str, torch.Tensor], head: str | None) -> None:
    """Refuse a chain that goes on behind the head, or of which a layer's gradient is missing."""
    if head is not None and head != links[-1].name:
        raise NoExactRouteError(
            f"no exact route to the image is known from layer {head} of this network, because layer {links[-1].name} "
            f"follows it. Label and feature are recovered all the same."
        )
    for link in reversed(links):
        if isinstance(link.module, nn.Linear | nn.Conv2d):
            check_sent(link.name, gradients)


def check_sent(name: str, gradients: Mapping[str, torch.Tensor]) -> None:
    """Refuse a layer whose weight gradient was not sent.

    Raises:
        NoExactRouteError: it was not.
    """
    if f"{name}.weight" not in gradients:
        raise NoExactRouteError(
            f"the gradient of layer {name} was not sent, and the exact route needs that of every layer; gradient "
            f"matching does with those that were sent."
        )


def _as_image(step: Step, shape: tuple[int, int, int]) -> Step:
    std = None if step.std is None else step.std.reshape(shape)
    return replace(step, title="Image", value=step.value.reshape(shape), std=std)


def _feature_belief(
    view: HeadView, answer: LabelRecovery | None, label: ArrayLike | None, feature: ArrayLike | None
) -> tuple[Belief, torch.Tensor, float]:
    """Belief about the feature (d,), the residual p - y (C,), and the noise added to each gradient entry."""
    gradient = view.weight_grad.double().cpu()
    if answer is not None:
        value = answer.feature
        # a = G x / |x|^2 is what the gradient itself says; p - y would add the rounding of softmax.
        residual = gradient @ value / float(value @ value)
    else:
        value, residual = _handed_in(view, label, feature)
    implied, std, misfit = previous_input(gradient, residual)
    if misfit > _REFUSE or float((implied - value).norm()) > _REFUSE * float(value.norm()):
        raise RankError(
            "label and feature: expected the ones this gradient was made of, got a pair that does not multiply to the "
            "gradient of the last layer; leave both out to have them recovered here."
        )
    rounding = unit_roundoff(view.weight_grad)
    # Rounding errs in proportion to each entry, which a small leaky-ReLU output profits from; added noise does not.
    noise_std = std * float(residual.norm()) if misfit > _ROUNDING_RESIDUAL else 0.0
    own = rounding * (value.abs() + _ROUNDING_FLOOR * float(value.square().mean().sqrt()))
    entry_std = own if noise_std == 0 else (std**2 + own**2).sqrt()
    belief = Belief.independent(value, entry_std.clamp(min=1e-30))
    # A large layer gives its input exactly; a matrix for the factor it shares would only cost memory.
    factor = 0.0 if answer is None or len(value) > DENSE_LIMIT else _factor_std(answer)
    return belief.with_common_factor(factor), residual, noise_std


def _handed_in(view: HeadView, label: ArrayLike | None, feature: ArrayLike | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Feature and residual that follow from a label and feature somebody recovered before."""
    weight = view.weight.double().cpu()
    bias = torch.zeros(len(weight), dtype=torch.float64) if view.bias is None else view.bias.double().cpu()
    soft = to_tensor(as_array(label, "label", "classes"))  # type: ignore[arg-type]
    value = to_tensor(as_array(feature, "feature", "features"))  # type: ignore[arg-type]
    if len(soft) != weight.shape[0] or len(value) != weight.shape[1]:
        raise ShapeError(
            f"label and feature: expected {weight.shape[0]} and {weight.shape[1]} entries, "
            f"got {len(soft)} and {len(value)}."
        )
    return value, torch.softmax(weight @ value + bias, 0) - soft


def _factor_std(answer: LabelRecovery) -> float:
    """Relative standard deviation of lambda, which feature and residual share."""
    for low, high in answer.intervals:
        if low <= answer.scale <= high:
            width = (high - low) / (2 * _SIGMAS) / abs(answer.scale)
            return min(width, 1.0) if isfinite(width) else 1.0
    return 0.0


def _reason(layers: Sequence[LayerRecovery]) -> str:
    """Why this route, and how far it carried, in words."""
    if all(layer.kind.startswith("fully connected") for layer in layers):
        return "Every layer is fully connected: each layer's gradient is an outer product, so its input is exact."
    completed = [layer for layer in layers if layer.completed]
    if completed:
        names = ", ".join(layer.name for layer in completed)
        return (
            f"The equations of layer {names} leave some directions open; bounds and smoothness choose among what fits, "
            f"a convex problem."
        )
    if all(layer.leak is Leak.EXACT for layer in layers):
        return "Every layer has more equations than unknowns: linear algebra gives its input, down to the pixels."
    return (
        "Layer by layer, linear algebra gives what the equations determine; the error bars show what they leave open."
    )
