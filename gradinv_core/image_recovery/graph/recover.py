"""The walk's answer: label and feature from the head, back through the graph, then the picture from the stem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from gradinv_core.arrays import ArrayLike, as_array, to_tensor, unit_roundoff
from gradinv_core.errors import MisfitError, NoExactRouteError
from gradinv_core.head import view_head
from gradinv_core.image_recovery.chain import check_shape
from gradinv_core.image_recovery.graph.backwards import has_weights
from gradinv_core.image_recovery.graph.picture import picture_of, searches
from gradinv_core.image_recovery.graph.picture_search import PictureSearch
from gradinv_core.image_recovery.graph.plan import plan_walk
from gradinv_core.image_recovery.graph.structure import Plan
from gradinv_core.image_recovery.graph.trace import trace_network
from gradinv_core.image_recovery.graph.verdict import contradictions, give_verdict
from gradinv_core.image_recovery.graph.walk import walk
from gradinv_core.image_recovery.head_start import feature_and_residual, feature_belief
from gradinv_core.image_recovery.judgement import Known
from gradinv_core.image_recovery.open_scale import doubt_of
from gradinv_core.image_recovery.peel import ContradictionError
from gradinv_core.image_recovery.result import ImageRecovery, OnStep, Step, Stop
from gradinv_core.image_recovery.suspects import list_suspects
from gradinv_core.label_recovery import LabelRecovery
from gradinv_core.pixels import PixelSpace

__all__ = ["plan_network", "walk_back"]


def plan_network(model: nn.Module, input_shape: Sequence[int], head: str | None = None) -> Plan:
    """Whether and how a network can be walked back through.

    Args:
        model: any network.
        input_shape: (channels, height, width).
        head: name of the layer the labels belong to; None for the last one.

    Raises:
        NoExactRouteError: it cannot; the message names what stands in the way.
        ShapeError: images of this shape do not fit the network.
    """
    return plan_walk(trace_network(model, check_shape(input_shape)), head)


def walk_back(
    model: nn.Module,
    plan: Plan,
    gradients: Mapping[str, torch.Tensor],
    answer: LabelRecovery | None,
    label: ArrayLike | None = None,
    feature: ArrayLike | None = None,
    on_step: OnStep | None = None,
    stop: Stop | None = None,
    space: PixelSpace | None = None,
) -> ImageRecovery:
    """Recover the image by walking back through a network's graph.

    Args:
        model: the network.
        plan: as from `plan_network`.
        gradients: as from `read_gradients`.
        answer: the label recovery; None if label and feature are handed in.
        label: (C,) soft label, where there is no answer.
        feature: (d,) last-layer feature, likewise.
        on_step: called with each `Step`.
        stop: asked between and within layers.
        space: which values the picture's pixels may have, and how the network sees them; None for [0, 1].

    Raises:
        NoExactRouteError: a layer's gradient was not sent, or no gradient reaches a layer.
        MisfitError: the gradient is not that of one sample in this network.
        RankError, ShapeError, NonFiniteError, OptionError: the gradients do not fit the network or one sample.
    """
    space = space or PixelSpace()
    for node in reversed(plan.nodes[plan.goal or 0 :]):
        if has_weights(node) and f"{node.name}.weight" not in gradients:
            raise NoExactRouteError(
                f"the gradient of layer {node.name} was not sent, and the exact route needs that of every layer; "
                f"gradient matching does with those that were sent."
            )
    view = view_head(model, gradients, plan.nodes[plan.head].name)
    value, residual = feature_and_residual(view, answer, label, feature)
    belief, noise_std, share = feature_belief(view, value, residual)
    doubt = doubt_of(answer)
    factor = 0.0 if doubt.wide else doubt.std
    rounding = unit_roundoff(view.weight_grad)
    steps: list[Step] = []

    def tell(step: Step) -> None:
        steps.append(step)
        if on_step is not None:
            on_step(step)

    search = PictureSearch(plan, space, tell, stop)
    try:
        walked = walk(plan, gradients, value, belief.std, residual, noise_std, share, factor, search, tell, stop)
        odd = contradictions(walked.misfits, rounding, share)
        picture = picture_of(plan, walked, gradients, noise_std, share, factor, search, space, tell, stop)
    except ContradictionError as error:
        suspects = list_suspects(model, answer, error.picture, bounds_alone=error.bounds_alone)
        raise MisfitError(f"{error} It may be {suspects}.") from error
    if picture.odd > 100 * max(rounding, share):
        odd.append((plan.nodes[plan.first].name, picture.odd))
    known = Known(doubt, None, noise_std, answer is not None)
    if picture.layer is None:
        std, reason, why = None, picture.how, ""
    else:
        verdict = give_verdict(
            model,
            picture.value,
            picture.std,
            walked.misfits,
            odd,
            picture.how,
            picture.why_none,
            known,
            space,
            walked.hinged,
            [plan.nodes[user].name for user in plan.users[walked.bottom]] if searches(plan, walked) else (),
        )
        std, reason, why = verdict.std, verdict.reason, verdict.why_no_std
    if picture.layer is not None and not picture.stopped:
        tell(Step("Image", picture.value, std, plan.nodes[plan.first].name))
    return ImageRecovery(
        image=picture.value,
        method="analytic",
        reason=reason,
        steps=tuple(steps),
        layers=(*walked.layers, *(() if picture.layer is None else (picture.layer,))),
        label=answer,
        seconds=0.0,
        std=std,
        soft_label=answer.label if answer is not None else to_tensor(as_array(label, "label", "classes")),  # type: ignore[arg-type]
        stopped=picture.stopped,
        why_no_std=why,
    )
