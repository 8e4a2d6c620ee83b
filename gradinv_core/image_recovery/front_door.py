"""One front door to image recovery: recover label and feature if need be, choose the route, say why."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from torch import nn

from gradinv_core.arrays import ArrayLike, as_array, to_tensor
from gradinv_core.errors import MisfitError, NoExactRouteError, OptionError
from gradinv_core.gradients import GradientsLike, read_gradients
from gradinv_core.head import find_head
from gradinv_core.image_recovery.analytic import check_sent, peel_image
from gradinv_core.image_recovery.chain import check_shape, network_chain
from gradinv_core.image_recovery.deep_evidence import recover_from_gradients
from gradinv_core.image_recovery.graph.recover import plan_network, walk_back
from gradinv_core.image_recovery.matching import MatchingOptions, match_gradients
from gradinv_core.image_recovery.patches import PatchSearch, ask_last_layer, find_patches, recover_patches
from gradinv_core.image_recovery.result import ImageRecovery, OnStep, Stop
from gradinv_core.label_recovery import LabelRecovery, Status
from gradinv_core.losses import TrainingLoss, training_loss
from gradinv_core.pixels import PerChannel, PixelSpace, pixel_space
from gradinv_core.wrappers import unwrapped

__all__ = ["METHODS", "reconstruct_image"]

METHODS = ("auto", "analytic", "matching")
_OPTIONS = tuple(field.name for field in fields(MatchingOptions))


def reconstruct_image(
    model: nn.Module,
    gradients: GradientsLike,
    input_shape: Sequence[int],
    *,
    method: str = "auto",
    label: ArrayLike | LabelRecovery | None = None,
    feature: ArrayLike | None = None,
    start: torch.Tensor | None = None,
    on_step: OnStep | None = None,
    stop: Stop | None = None,
    seed: int | None = None,
    head: str | None = None,
    temperature: float = 1.0,
    class_weights: ArrayLike | None = None,
    mean: PerChannel | None = None,
    std: PerChannel | None = None,
    pixel_range: Sequence[float] | None = None,
    **options: Any,
) -> ImageRecovery:
    """Rebuild the client's image from one gradient.

    Args:
        model: the network, with the weights the client used.
        gradients: of one sample, as from `capture_gradients`, or anything else that `read_gradients` takes. What a
            frozen layer does not send may be missing; gradient matching does with the rest.
        input_shape: (channels, height, width) of the image.
        method: "analytic" (by linear algebra: layer by layer, or through the learned positions of a vision
            transformer), "matching" (search for an image with this gradient), or "auto": the first where the network
            allows it, the second elsewhere and where a label is handed in alone.
        label: (C,) soft label the server has recovered already; recovered here if None. Gradient matching takes it
            alone; the way back layer by layer wants the feature with it. A whole answer of a label recovery brings its
            own feature, and what it leaves open of lambda reaches the error bars. Learned positions need no label.
        feature: (d,) last-layer feature it has recovered already; recovered here if None.
        start: (channels, height, width) picture that gradient matching starts from; None starts from noise.
        on_step: called with each `Step` as soon as it is known.
        stop: asked between steps; True ends the work, and the best so far is returned.
        seed: of the noise that gradient matching starts from; the analytic route draws nothing.
        head: name of the last layer, which the labels belong to; None looks for it, see `find_head`.
        temperature: of the loss, as in `recover_label`. The exact route needs it for the label alone.
        class_weights: (C,) of the loss, likewise.
        mean: per channel; with ``std`` the client fed its network ``(picture - mean) / std``, and every picture and
            standard deviation that is returned is that of the picture itself, in [0, 1].
        std: per channel, above 0.
        pixel_range: (low, high) of the pixels that the client fed its network; what is returned lies in that range
            too. [0, 1] without any of the three.
        options: of gradient matching, the fields of `MatchingOptions`.

    Returns:
        The image and the way there.

    Raises:
        NoExactRouteError: the method is "analytic" and no such route is known for this network, or the gradient
            vanished.
        OptionError: unknown method, option or head, several layers that may be the last, no gradient at all, only one
            of label and feature was given to the analytic route, or ``mean``, ``std`` and ``pixel_range`` do not fit
            each other or the image.
        ShapeError, NonFiniteError, RankError, LabelError: the gradients do not fit the network or one sample.
    """
    started = time.perf_counter()
    if method not in METHODS:
        raise OptionError(f"method: expected one of {', '.join(METHODS)}, got {method!r}.")
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        raise OptionError(f"option: expected some of {', '.join(_OPTIONS)}, got {', '.join(unknown)}.")
    training = training_loss(temperature, class_weights)
    space = pixel_space(mean, std, pixel_range, check_shape(input_shape)[0])
    model = unwrapped(model)
    sent = read_gradients(model, gradients)
    name = None if head is None else find_head(model, head)
    why_not = ""
    answer: LabelRecovery | None = None
    if isinstance(label, LabelRecovery):
        if feature is not None:
            raise OptionError("feature: expected none beside a whole label recovery, which brings its own, got one.")
        answer = label
        label, feature = answer.label, answer.feature
    label_alone = label is not None and feature is None
    patches = PatchSearch() if method == "matching" else find_patches(model, check_shape(input_shape))
    if method == "analytic" or (method == "auto" and (patches.found or not label_alone)):
        try:
            if patches.found:
                last = ask_last_layer(model, sent, patches.found, name, training, answer, label)
                recovery = recover_patches(patches.found, sent, check_shape(input_shape), space, last, on_step, stop)
            else:
                recovery = _layer_by_layer(
                    model, sent, input_shape, answer, label, feature, on_step, stop, name, space, training
                )
            return replace(recovery, seconds=time.perf_counter() - started)
        except MisfitError as error:
            if method == "analytic":
                raise MisfitError(f"{error} Gradient matching (method='matching') needs no such product.") from error
            why_not = error.sentence
        except NoExactRouteError as error:
            refusal = NoExactRouteError(f"{error} {patches.why_not}") if patches.why_not else error
            if method == "analytic" or (sent and not any(bool(gradient.any()) for gradient in sent.values())):
                raise refusal from error
            why_not = refusal.sentence
    chosen = MatchingOptions(**options)
    recovery = _matching(
        model, sent, input_shape, chosen, label, feature, start, on_step, stop, seed, name, space, training, why_not
    )
    return replace(recovery, seconds=time.perf_counter() - started)


def _layer_by_layer(
    model: nn.Module,
    gradients: Mapping[str, torch.Tensor],
    input_shape: Sequence[int],
    answer: LabelRecovery | None,
    label: ArrayLike | None,
    feature: ArrayLike | None,
    on_step: OnStep | None,
    stop: Stop | None,
    head: str | None,
    space: PixelSpace,
    training: TrainingLoss,
) -> ImageRecovery:
    if (label is None) != (feature is None):
        raise OptionError(
            "label and feature: expected both or neither, got only one; leave both out to recover them here."
        )
    if label is None:
        head = find_head(model, head)
        check_sent(head, gradients)
        answer = recover_from_gradients(
            model,
            gradients,
            head=head,
            temperature=training.temperature,
            class_weights=training.class_weights,
            input_shape=input_shape,
        )
    if answer is not None:
        if answer.status is Status.VANISHED:
            raise NoExactRouteError(f"gradient: expected one that is not zero. {answer.message}")
        if not answer.feature.any():
            raise NoExactRouteError("the last layer's input is zero, so no gradient reaches the layers below it.")
    try:
        try:
            links = network_chain(model, input_shape)
        except NoExactRouteError:
            plan = plan_network(model, input_shape, head)
            return walk_back(model, plan, gradients, answer, label, feature, on_step, stop, space)
        return peel_image(model, links, gradients, input_shape, answer, label, feature, on_step, stop, head, space)
    except torch.linalg.LinAlgError as error:
        raise NoExactRouteError(
            "the equations of this network are too badly conditioned to be solved in float64; gradient matching "
            "(method='matching') needs none."
        ) from error


def _matching(
    model: nn.Module,
    gradients: Mapping[str, torch.Tensor],
    input_shape: Sequence[int],
    options: MatchingOptions,
    label: ArrayLike | None,
    feature: ArrayLike | None,
    start: torch.Tensor | None,
    on_step: OnStep | None,
    stop: Stop | None,
    seed: int | None,
    head: str | None,
    space: PixelSpace,
    training: TrainingLoss,
    why_not: str,
) -> ImageRecovery:
    found = match_gradients(
        model,
        gradients,
        input_shape,
        options,
        label=None if label is None else to_tensor(as_array(label, "label", "classes")),
        feature=None if feature is None else to_tensor(as_array(feature, "feature", "features")),
        start=start,
        on_step=on_step,
        stop=stop,
        seed=seed,
        head=head,
        space=space,
        training=training,
    )
    reason = "Gradient matching: the image whose gradient comes closest to the observed one, found step by step."
    parts = (why_not, reason, found.note)
    return ImageRecovery(
        image=found.image,
        method="matching",
        reason=" ".join(part for part in parts if part),
        steps=found.steps,
        layers=(),
        label=found.label,
        seconds=found.seconds,
        soft_label=found.soft_label,
        losses=found.losses,
        stopped=found.stopped,
    )
