"""The analytic route: label and feature from the head, then the network peeled down to the pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf

import torch
from torch import nn

from gradinv_core.arrays import ArrayLike, as_array, to_tensor
from gradinv_core.errors import MisfitError, NoExactRouteError
from gradinv_core.head import view_head
from gradinv_core.head.factors import predicted
from gradinv_core.image_recovery.activations import Range, output_range
from gradinv_core.image_recovery.chain import Link, check_shape
from gradinv_core.image_recovery.head_start import feature_and_residual, feature_belief
from gradinv_core.image_recovery.judgement import Known, judge
from gradinv_core.image_recovery.open_scale import doubt_of, open_scale
from gradinv_core.image_recovery.peel import ContradictionError, Peeled, peel
from gradinv_core.image_recovery.picture_map import picture_map
from gradinv_core.image_recovery.result import ImageRecovery, OnStep, Stop
from gradinv_core.image_recovery.suspects import list_suspects
from gradinv_core.label_recovery import LabelRecovery
from gradinv_core.pixels import PixelSpace

__all__ = ["check_sent", "peel_image"]

_STOPPED = "Layer by layer, by linear algebra; stopped before the image was reached."


def peel_image(
    model: nn.Module,
    links: list[Link],
    gradients: Mapping[str, torch.Tensor],
    input_shape: Sequence[int],
    answer: LabelRecovery | None,
    label: ArrayLike | None = None,
    feature: ArrayLike | None = None,
    on_step: OnStep | None = None,
    stop: Stop | None = None,
    head: str | None = None,
    space: PixelSpace | None = None,
) -> ImageRecovery:
    """Recover the image by linear algebra.

    Args:
        model: the network.
        links: its layers, as from `network_chain`.
        gradients: as from `read_gradients`.
        input_shape: (channels, height, width).
        answer: the label recovery; None if label and feature are handed in.
        label: (C,) soft label, where there is no answer.
        feature: (d,) last-layer feature, likewise.
        on_step: called with each `Step`.
        stop: asked between layers.
        head: name of the last layer; None takes the chain's last.
        space: which values the picture's pixels may have, and how the network sees them; None for [0, 1].

    Raises:
        NoExactRouteError: a layer's gradient was not sent, or no gradient reaches a layer.
        RankError, ShapeError, NonFiniteError, OptionError: the gradients do not fit the network or one sample.
    """
    shape = check_shape(input_shape)
    space = space or PixelSpace()
    _check_chain(links, gradients, head)
    view = view_head(model, gradients, links[-1].name)
    picture = picture_map(links, shape, space)
    value, residual = feature_and_residual(view, answer, label, feature)
    doubt = doubt_of(answer)

    def walk(factor: float, on_step: OnStep | None, stop: Stop | None) -> tuple[Peeled, float]:
        """Down to the pixels, for a lambda that is ``factor`` times the answer's."""
        belief, noise_std, share = feature_belief(view, value * factor, residual / factor)
        std = 0.0 if doubt.wide else doubt.std
        start = belief.sharing(std)
        way = peel(links, gradients, start, residual / factor, noise_std, on_step, stop, picture, std, share)
        return way, noise_std

    spread = None
    if doubt.wide and answer is not None and _all_linear(links):
        spread = open_scale(
            answer,
            lambda scale: walk(scale / answer.scale, None, None)[0].belief,
            space,
            output_range(links[-2].module) if len(links) > 1 else Range(-inf, inf, 0.0, None),
            sum(parameter.numel() for parameter in model.parameters()),
        )
    factor = 1.0 if spread is None or answer is None else spread.scale / answer.scale
    try:
        peeled, noise_std = walk(factor, None if spread is not None else on_step, stop)
    except ContradictionError as error:
        suspects = list_suspects(model, answer, error.picture, bounds_alone=error.bounds_alone)
        raise MisfitError(f"{error} It may be {suspects}.") from error
    soft_label = answer.label if answer is not None else to_tensor(as_array(label, "label", "classes"))  # type: ignore[arg-type]
    if spread is not None:
        soft_label = predicted(view.weight, view.bias, value * factor) - residual / factor
    if peeled.stopped:
        grey = space.from_unit(torch.full(shape, 0.5, dtype=torch.float64))
        steps, image, std, reason, why_no_std = peeled.steps, grey, None, _STOPPED, ""
    else:
        last = peeled.steps[-1]
        known = Known(doubt, spread, noise_std, answer is not None)
        std, reason, why_no_std = judge(model, peeled, last, known, space)
        last = replace(last, title="Image", value=last.value.reshape(shape), std=_shaped(std, shape))
        image, std, steps = last.value, last.std, (*peeled.steps[:-1], last)
    if spread is not None and on_step is not None:
        for step in steps:
            on_step(step)
    return ImageRecovery(
        image=image,
        method="analytic",
        reason=reason,
        steps=steps,
        layers=peeled.layers,
        label=answer,
        seconds=0.0,
        std=std,
        soft_label=soft_label,
        stopped=peeled.stopped,
        why_no_std=why_no_std,
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


def _shaped(std: torch.Tensor | None, shape: tuple[int, int, int]) -> torch.Tensor | None:
    return None if std is None else std.reshape(shape)


def _all_linear(links: Sequence[Link]) -> bool:
    """Whether every layer with weights is fully connected, so that the picture of one more lambda is cheap."""
    return not any(isinstance(link.module, nn.Conv2d | nn.AvgPool2d) for link in links)
