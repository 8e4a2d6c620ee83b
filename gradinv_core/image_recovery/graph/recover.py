"""The walk's answer: label and feature from the head, back through the graph, then the picture from the stem."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import nn

from gradinv_core.arrays import ArrayLike, as_array, to_tensor, unit_roundoff
from gradinv_core.errors import MisfitError, NoExactRouteError
from gradinv_core.head import view_head
from gradinv_core.image_recovery.activations import PIXELS, invert
from gradinv_core.image_recovery.affine import AffineLine
from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.chain import Link, check_shape
from gradinv_core.image_recovery.graph.backwards import has_weights, is_activation
from gradinv_core.image_recovery.graph.plan import Plan, plan_walk
from gradinv_core.image_recovery.graph.reader import read_gradient
from gradinv_core.image_recovery.graph.stem import pooled_stem, recover_picture
from gradinv_core.image_recovery.graph.trace import trace_network
from gradinv_core.image_recovery.graph.verdict import contradictions, give_verdict
from gradinv_core.image_recovery.graph.walk import Walked, walk
from gradinv_core.image_recovery.head_start import feature_and_residual, feature_belief
from gradinv_core.image_recovery.judgement import Known
from gradinv_core.image_recovery.layer_solver import solve_layer
from gradinv_core.image_recovery.open_scale import doubt_of
from gradinv_core.image_recovery.peel import ContradictionError, refuse_contradiction
from gradinv_core.image_recovery.picture_map import PictureMap, picture_map
from gradinv_core.image_recovery.read_back import Arriving, read_back
from gradinv_core.image_recovery.result import ImageRecovery, LayerRecovery, OnStep, Step, Stop
from gradinv_core.image_recovery.stopping import StoppedError
from gradinv_core.image_recovery.suspects import list_suspects
from gradinv_core.label_recovery import LabelRecovery
from gradinv_core.pixels import PixelSpace

__all__ = ["plan_network", "walk_back"]

_LEAST_DELTA_ERROR = 1e-7  # relative
_SURE_SIGMAS = 5.0  # above which a pooled value is one of an active unit
_SHARED_NOISE = 3e-5  # share of the head's gradient; with more, bars behind a max pool were measured to be too narrow
_STOPPED = "Walked back through the network's graph; stopped before the image was reached."


@dataclass(frozen=True)
class _Picture:
    """What the stem gave.

    Attributes:
        value: (channels, height, width).
        std: its error bars, if there are any.
        how: a sentence.
        why_none: why there are no bars, in a sentence; empty where there are.
        steps: on the way.
        layer: what to say of the first layer; None if nothing was reached.
        odd: relative misfit of the first layer, where it contradicts what was handed down far above rounding.
        stopped: whether it was stopped.
    """

    value: torch.Tensor
    std: torch.Tensor | None
    how: str
    why_none: str
    steps: tuple[Step, ...]
    layer: LayerRecovery | None
    odd: float
    stopped: bool


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
    for node in reversed(plan.nodes):
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
    try:
        walked = walk(plan, gradients, value, belief.std, residual, noise_std, factor, on_step, stop)
        odd = contradictions(walked.misfits, rounding, share)
        if walked.stopped:
            shape = plan.nodes[0].shape
            grey = space.from_unit(torch.full(shape, 0.5, dtype=torch.float64))
            picture = _Picture(grey, None, _STOPPED, "", (), None, 0.0, True)
        else:
            picture = _picture(plan, walked, gradients, noise_std, share, factor, space, on_step, stop)
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
            model, picture.value, picture.std, walked.misfits, odd, picture.how, picture.why_none, known, space
        )
        std, reason, why = verdict.std, verdict.reason, verdict.why_no_std
    steps = (*walked.steps, *picture.steps)
    if picture.layer is not None and not picture.stopped:
        steps = (*steps, Step("Image", picture.value, std, plan.nodes[plan.first].name))
        if on_step is not None:
            on_step(steps[-1])
    return ImageRecovery(
        image=picture.value,
        method="analytic",
        reason=reason,
        steps=steps,
        layers=(*walked.layers, *(() if picture.layer is None else (picture.layer,))),
        label=answer,
        seconds=0.0,
        std=std,
        soft_label=answer.label if answer is not None else to_tensor(as_array(label, "label", "classes")),  # type: ignore[arg-type]
        stopped=picture.stopped,
        why_no_std=why,
    )


def _picture(
    plan: Plan,
    walked: Walked,
    gradients: Mapping[str, torch.Tensor],
    noise_std: float,
    share: float,
    factor: float,
    space: PixelSpace,
    on_step: OnStep | None,
    stop: Stop | None,
) -> _Picture:
    """From the bottom of the walk to the pixels."""
    front = [node for node in plan.nodes[1 : plan.first] if isinstance(node.module, AffineLine)]
    shape = check_shape(plan.nodes[0].shape)
    links = [Link(node.name, node.module, shape, shape) for node in front if node.module is not None]
    seen = picture_map(links, shape, space)
    if plan.pooled is None:
        return _plain(plan, walked, gradients, noise_std, factor, seen, space, stop)
    return _behind_pool(plan, walked, gradients, share, factor, seen, space, on_step, stop)


def _plain(
    plan: Plan,
    walked: Walked,
    gradients: Mapping[str, torch.Tensor],
    noise_std: float,
    factor: float,
    seen: PictureMap,
    space: PixelSpace,
    stop: Stop | None,
) -> _Picture:
    """A first layer without a max pool: both of its own systems of equations, and what the range of pixels adds."""
    started = time.perf_counter()
    nodes = plan.nodes
    links = []
    for index in (plan.first, *plan.stem):
        node, before = nodes[index], nodes[nodes[index].inputs[0]].shape
        assert node.module is not None  # noqa: S101 - only the picture has none
        links.append(Link(node.name, node.module, before, node.shape))
    assert walked.delta is not None  # noqa: S101 - the walk reached its end
    delta = walked.delta.flatten()
    if walked.value is None or walked.std is None:
        nothing = torch.zeros_like(delta)
        belief = Belief(nothing, nothing, torch.full_like(delta, 1e30))
    else:
        belief = Belief.independent(walked.value.flatten(), walked.std.flatten().clamp(min=1e-30)).sharing(factor)
    errors = max([_LEAST_DELTA_ERROR, *(misfit.relative for misfit in walked.misfits)])
    delta_std = errors * (delta.abs() + 0.1 * delta.square().mean().sqrt())
    arriving = Arriving(belief, delta, delta_std, None, factor)
    rounding = unit_roundoff(gradients[f"{links[0].name}.weight"])
    shape = check_shape(nodes[0].shape)
    try:
        at_output = read_back(links[1:], arriving, rounding)
        if not bool(at_output.delta.any()):
            raise NoExactRouteError(f"layer {links[0].name}: expected at least one active unit, found none.")
        solved = solve_layer(links[0], at_output, gradients, noise_std, PIXELS, seen, stop)
    except StoppedError:
        grey = space.from_unit(torch.full(shape, 0.5, dtype=torch.float64))
        return _Picture(grey, None, _STOPPED, "", (), None, 0.0, True)
    if noise_std == 0:
        refuse_contradiction(links[0].name, solved, seen)
    found = solved.arriving.belief
    value, std = found.mean.reshape(shape), found.total_std.reshape(shape)
    layer = _report(
        plan, value, std, solved.equations, solved.rank, solved.misfit, time.perf_counter() - started, space
    )
    how = "The first layer's own equations give the picture."
    if solved.completed:
        how = (
            f"The equations of layer {links[0].name} leave some directions open; bounds and smoothness choose among "
            f"what fits, a convex problem."
        )
        layer = replace(layer, completed=True, convergence=solved.convergence)
    return _Picture(value, std, how, "", (), layer, solved.disagreement, False)


def _behind_pool(
    plan: Plan,
    walked: Walked,
    gradients: Mapping[str, torch.Tensor],
    share: float,
    factor: float,
    seen: PictureMap,
    space: PixelSpace,
    on_step: OnStep | None,
    stop: Stop | None,
) -> _Picture:
    """A first layer with a max pool behind it: searched for, then settled."""
    nodes, first = plan.nodes, plan.nodes[plan.first]
    assert plan.pooled is not None  # noqa: S101 - whoever calls has looked
    pool = nodes[plan.pooled].module
    assert isinstance(pool, nn.MaxPool2d)  # noqa: S101
    assert isinstance(first.module, nn.Conv2d)  # noqa: S101
    if walked.value is None or walked.std is None or walked.delta is None:
        raise NoExactRouteError(
            f"no exact route to the image is known for this network yet: no layer reads what max pool "
            f"{nodes[plan.pooled].name} puts out. Label and feature are recovered all the same."
        )
    line = next((nodes[index].module for index in plan.stem if isinstance(nodes[index].module, nn.BatchNorm2d)), None)
    bent = next((nodes[index].module for index in plan.stem if is_activation(nodes[index])), None)
    outputs = first.shape[0]
    value, errors, delta = (part.reshape(outputs, -1) for part in (walked.value, walked.std, walked.delta))
    known = torch.ones_like(value, dtype=torch.bool)
    if isinstance(bent, nn.ReLU):
        known = (value > _SURE_SIGMAS * errors) & (value > 1e-9 * value.abs().mean())
    elif bent is not None:  # it rises, so that the largest output is that of the largest input
        inverted = invert(bent, value.flatten(), errors.flatten())
        slope = inverted.slope.reshape(value.shape)
        value, errors, delta = inverted.value.reshape(value.shape), errors / slope.clamp(min=1e-30), delta * slope
    if not bool(known.any()):
        raise NoExactRouteError(f"layer {first.name}: expected at least one active unit, found none.")
    gradient = read_gradient(gradients, first.name, first.module)
    stem = pooled_stem(
        first.module,
        line,
        pool,
        seen,
        (nodes[0].shape, first.shape),
        (value, errors, known, torch.where(known, delta, 0.0)),
        gradient,
        first.name,
    )
    answer = recover_picture(stem, space, share, factor, on_step, stop)
    how = (
        f"Which entry of every window max pool {nodes[plan.pooled].name} took was found by a search and then by the "
        f"gradient of layer {first.name}; with the winners known, the picture is linear."
    )
    why = ""
    if not answer.settled:
        how = (
            f"The picture is the one found by a search among those that the max pool allows: "
            f"its pooled map agrees to {answer.misfit:.1e}."
        )
        why = "No error bars: which entry of every window the max pool took is not settled."
    elif share > _SHARED_NOISE:
        why = (
            "No error bars: noise in the gradient makes all channels of the pooled map err together, which they do "
            "not hold."
        )
    rank = int((answer.std < 0.1 * space.spread).sum()) if answer.std is not None else 0
    layer = _report(plan, answer.picture, answer.std, answer.equations, rank, answer.of_gradient, answer.seconds, space)
    layer = replace(layer, completed=not answer.settled, convergence=answer.convergence)
    std = None if why else answer.std
    return _Picture(answer.picture, std, how, why, answer.steps, layer, 0.0, answer.stopped)


def _report(
    plan: Plan,
    value: torch.Tensor,
    std: torch.Tensor | None,
    equations: int,
    rank: int,
    misfit: float,
    seconds: float,
    space: PixelSpace,
) -> LayerRecovery:
    node = plan.nodes[plan.first]
    before = plan.nodes[node.inputs[0]].shape
    inputs, outputs = (" x ".join(map(str, each)) for each in (before, node.shape))
    what = "fully connected" if isinstance(node.module, nn.Linear) else "convolution"
    size = float(value.square().mean().sqrt())
    spread = space.spread / 2 if std is None else float(std.square().mean().sqrt())
    return LayerRecovery(
        name=node.name,
        kind=f"{what}, {inputs} to {outputs}",
        unknowns=prod(before),
        equations=equations,
        rank=rank,
        residual=misfit,
        error=spread / size if size > 0 else 0.0,
        seconds=seconds,
    )
