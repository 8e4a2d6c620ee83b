"""One front door to image recovery: recover label and feature if need be, choose the route, say why."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from math import prod

import torch
from torch import nn

from gradinv_core.arrays import ArrayLike, as_array, to_tensor
from gradinv_core.errors import NoExactRouteError, OptionError, ShapeError
from gradinv_core.image_recovery.fully_connected import fully_connected_layers, recover_input
from gradinv_core.image_recovery.result import ImageRecovery, OnStep, Step
from gradinv_core.label_recovery import LabelRecovery, Status, recover_label
from gradinv_core.networks import HeadView, observe_head

__all__ = ["METHODS", "reconstruct_image"]

METHODS = ("auto", "analytic")


def reconstruct_image(
    model: nn.Module,
    gradients: Mapping[str, torch.Tensor],
    input_shape: Sequence[int],
    *,
    method: str = "auto",
    label: ArrayLike | None = None,
    feature: ArrayLike | None = None,
    on_step: OnStep | None = None,
    seed: int | None = None,  # noqa: ARG001 - part of the stable interface; the analytic route draws nothing
) -> ImageRecovery:
    """Rebuild the client's image from one gradient.

    Args:
        model: the network, with the weights the client used.
        gradients: ``{parameter name: gradient}`` of one sample, as from `capture_gradients`.
        input_shape: (channels, height, width) of the image.
        method: "auto" or "analytic" (exact, layer by layer).
        label: (C,) soft label the server has recovered already; recovered here if None.
        feature: (d,) last-layer feature it has recovered already; recovered here if None.
        on_step: called with each `Step` as soon as it is known.
        seed: for routes that draw random numbers; the analytic one does not.

    Returns:
        The image and the way there.

    Raises:
        NoExactRouteError: no exact route is known for this network, or the gradient vanished.
        OptionError: unknown method, or only one of label and feature was given.
        ShapeError, NonFiniteError, RankError: the gradients do not fit the network or one sample.
    """
    started = time.perf_counter()
    if method not in METHODS:
        raise OptionError(f"method: expected one of {', '.join(METHODS)}, got {method!r}.")
    layers = fully_connected_layers(model)
    entries = layers[0][1].in_features
    sizes = tuple(input_shape) if isinstance(input_shape, Sequence) else ()
    if len(sizes) != 3 or not all(isinstance(size, int) and size > 0 for size in sizes) or prod(sizes) != entries:
        raise ShapeError(
            f"input_shape: expected (channels, height, width) with {entries} entries, got {input_shape!r}."
        )
    view = observe_head(model, gradients)
    answer, known_feature, residual = _label_and_feature(view, label, feature)
    flat, steps, found = recover_input(layers, gradients, known_feature, residual, on_step)
    image = flat.reshape(sizes)
    return ImageRecovery(
        image=image,
        method="analytic",
        reason="Every layer is fully connected: each layer's gradient is an outer product, so its input is exact.",
        steps=(*steps[:-1], Step("Image", image)),
        layers=found,
        label=answer,
        seconds=time.perf_counter() - started,
    )


def _label_and_feature(
    view: HeadView, label: ArrayLike | None, feature: ArrayLike | None
) -> tuple[LabelRecovery | None, torch.Tensor, torch.Tensor]:
    """Feature (d,) and residual p - y (C,), in float64, recovered or taken as given."""
    if (label is None) != (feature is None):
        raise OptionError(
            "label and feature: expected both or neither, got only one; leave both out to recover them here."
        )
    weight = view.weight.double().cpu()
    bias = torch.zeros(len(weight), dtype=torch.float64) if view.bias is None else view.bias.double().cpu()
    if label is not None and feature is not None:
        soft, value = (
            to_tensor(as_array(label, "label", "classes")),
            to_tensor(as_array(feature, "feature", "features")),
        )
        if len(soft) != weight.shape[0] or len(value) != weight.shape[1]:
            raise ShapeError(
                f"label and feature: expected {weight.shape[0]} and {weight.shape[1]} entries, "
                f"got {len(soft)} and {len(value)}."
            )
        return None, value, torch.softmax(weight @ value + bias, 0) - soft
    answer = recover_label(view.weight, view.weight_grad, view.bias, view.bias_grad)
    if answer.status is Status.VANISHED:
        raise NoExactRouteError(f"gradient: expected one that is not zero. {answer.message}")
    if not answer.feature.any():
        raise NoExactRouteError("the last layer's input is zero, so no gradient reaches the layers below it.")
    # a = G x / |x|^2 is what the gradient itself says; p - y would add the rounding of softmax.
    residual = view.weight_grad.double().cpu() @ answer.feature / float(answer.feature @ answer.feature)
    return answer, answer.feature, residual
