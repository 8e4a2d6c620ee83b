"""From the bottom of the walk to the pixels: by the first layer's equations, behind its max pool, or by a search."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import nn

from gradinv_core.arrays import unit_roundoff
from gradinv_core.errors import NoExactRouteError
from gradinv_core.image_recovery.activations import PIXELS
from gradinv_core.image_recovery.affine import AffineLine
from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.chain import Link, check_shape
from gradinv_core.image_recovery.graph.picture_search import PictureSearch
from gradinv_core.image_recovery.graph.pool_equations import pool_equations
from gradinv_core.image_recovery.graph.stem import recover_picture
from gradinv_core.image_recovery.graph.structure import Plan
from gradinv_core.image_recovery.graph.walk import Walked
from gradinv_core.image_recovery.layer_solver import solve_layer
from gradinv_core.image_recovery.peel import refuse_contradiction
from gradinv_core.image_recovery.picture_map import PictureMap, picture_map
from gradinv_core.image_recovery.read_back import Arriving, read_back
from gradinv_core.image_recovery.result import LayerRecovery, OnStep, Stop
from gradinv_core.image_recovery.stopping import StoppedError
from gradinv_core.pixels import PixelSpace

__all__ = ["Picture", "picture_of", "searches"]

_LEAST_DELTA_ERROR = 1e-7  # relative
_SHARED_NOISE = 3e-5  # share of the head's gradient; with more, bars behind a max pool were measured to be too narrow
_FAR_OFF = 0.1  # relative misfit of the goal from which the picture found is none that the network could have seen
_SEARCHED = "No error bars: the picture was searched for, and how far others that fit may differ is not known."
_HINGED = (
    "No error bars: on the way stands a layer with hardly an equation to spare, whose errors hang together, which bars "
    "do not hold."
)
_NOISY = (
    "No error bars: noise in the gradient makes all channels of the pooled map err together, which they do not hold."
)
_STOPPED = "Walked back through the network's graph; stopped before the image was reached."


@dataclass(frozen=True)
class Picture:
    """What the stem gave.

    Attributes:
        value: (channels, height, width).
        std: its error bars, if there are any.
        how: a sentence.
        why_none: why there are no bars, in a sentence; empty where there are.
        layer: what to say of the first layer; None if nothing was reached.
        odd: relative misfit of the first layer, where it contradicts what was handed down far above rounding.
        stopped: whether it was stopped.
    """

    value: torch.Tensor
    std: torch.Tensor | None
    how: str
    why_none: str
    layer: LayerRecovery | None
    odd: float
    stopped: bool


def picture_of(
    plan: Plan,
    walked: Walked,
    gradients: Mapping[str, torch.Tensor],
    noise_std: float,
    share: float,
    factor: float,
    search: PictureSearch,
    space: PixelSpace,
    on_step: OnStep | None,
    stop: Stop | None,
) -> Picture:
    """From the bottom of the walk to the pixels.

    Args:
        plan: of the network.
        walked: how far the walk came.
        gradients: ``{parameter name: gradient}``.
        noise_std: of the noise added to each gradient entry, 0 for none.
        share: of the head's gradient that is noise.
        factor: relative standard deviation of lambda.
        search: as far as the walk needed it.
        space: which values pixels may have.
        on_step: called with pictures on the way.
        stop: asked often.

    Raises:
        ContradictionError: the first layer's gradient contradicts what was handed down.
        NoExactRouteError: no gradient reaches the first layer, or no picture leads to what is known.
    """
    if walked.stopped:
        return Picture(space.from_unit(search.shares), None, _STOPPED, "", None, 0.0, True)
    if searches(plan, walked):
        return _searched(plan, walked, share, factor, search, space)
    front = [node for node in plan.nodes[1 : plan.first] if isinstance(node.module, AffineLine)]
    shape = check_shape(plan.nodes[0].shape)
    links = [Link(node.name, node.module, shape, shape) for node in front if node.module is not None]
    seen = picture_map(links, shape, space)
    if plan.pooled is None:
        picture = _plain(plan, walked, gradients, noise_std, factor, seen, space, stop)
    else:
        picture = _behind_pool(plan, walked, gradients, share, factor, seen, space, on_step, stop)
    # Behind a max pool winners stand only where the map misfits by no more than its bars say: that tests them.
    if walked.hinged and picture.std is not None and plan.pooled is None:
        picture = replace(picture, std=None, why_none=_HINGED)
    return picture


def searches(plan: Plan, walked: Walked) -> bool:
    """Whether the walk ends above the first layer's own equations, so that a search takes over."""
    return walked.bottom != plan.bottom or plan.goal is not None


def _plain(
    plan: Plan,
    walked: Walked,
    gradients: Mapping[str, torch.Tensor],
    noise_std: float,
    factor: float,
    seen: PictureMap,
    space: PixelSpace,
    stop: Stop | None,
) -> Picture:
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
        return Picture(grey, None, _STOPPED, "", None, 0.0, True)
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
    return Picture(value, std, how, "", layer, solved.disagreement, False)


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
) -> Picture:
    """A first layer with a max pool behind it: searched for, then settled."""
    first = plan.nodes[plan.first]
    assert plan.pooled is not None  # noqa: S101 - whoever calls has looked
    if walked.value is None or walked.std is None or walked.delta is None:
        raise NoExactRouteError(
            "no exact route to the image is known for this network yet: no layer reads what the max pool above its "
            "first layer puts out. Label and feature are recovered all the same."
        )
    behind = walked.value, walked.std, walked.delta
    stem = pool_equations(plan, plan.pooled, (plan.first, *plan.stem[:-1]), behind, gradients, seen)
    answer = recover_picture(stem, space, share, factor, on_step, stop)
    how = (
        "Which entry of every window the max pool took was found by a search and then by the gradient of layer "
        f"{first.name}; with the winners known, the picture is linear."
    )
    why = ""
    if not answer.settled:
        how = (
            f"The picture is the one found by a search among those that the max pool allows: "
            f"its pooled map agrees to {answer.misfit:.1e}."
        )
        why = "No error bars: which entry of every window the max pool took is not settled."
    elif share > _SHARED_NOISE:
        why = _NOISY
    rank = int((answer.std < 0.1 * space.spread).sum()) if answer.std is not None else 0
    layer = _report(plan, answer.picture, answer.std, answer.equations, rank, answer.of_gradient, answer.seconds, space)
    layer = replace(layer, completed=not answer.settled, convergence=answer.convergence)
    std = None if why else answer.std
    return Picture(answer.picture, std, how, why, layer, 0.0, answer.stopped)


def _searched(
    plan: Plan, walked: Walked, share: float, factor: float, search: PictureSearch, space: PixelSpace
) -> Picture:
    """Where the walk does not reach the first layer: a picture that the network turns into what is known."""
    started = time.perf_counter()
    node = plan.nodes[walked.bottom]
    if walked.value is None or not plan.tells_enough(walked.bottom):
        raise NoExactRouteError(
            f"no exact route to the image is known for this gradient: {walked.why} What is known above says too little "
            f"of the picture. Label and feature are recovered all the same."
        )
    stopped, exact = False, None
    try:
        search.seek(walked.bottom, walked.value, last=True)
        if walked.std is not None:
            exact = search.finish(walked.bottom, walked.value, walked.std, factor)
    except StoppedError:
        stopped = True
    if search.misfit > _FAR_OFF and not stopped:
        raise NoExactRouteError(
            f"no exact route to the image is known for this gradient: no picture was found that the network turns into "
            f"the output of {node.name}, the nearest misses it by {search.misfit:.0%}. Label and feature are recovered "
            f"all the same."
        )
    picture = space.from_unit(search.shares)
    count = int((walked.value != 0).sum())
    why = walked.why or plan.obstacle
    how = (
        f"Below {node.name} a search takes over: {why} The picture is one that the network turns into the "
        f"{walked.value.numel():,} numbers known there, to {search.misfit:.1e}; others may do so too."
    )
    std, why_none = None, _SEARCHED
    if exact is not None:
        std = (exact.std * space.spread).clamp(max=space.spread / 2)
        how = (
            f"Below {node.name} a search takes over: {why} Of the numbers known there, {exact.fitting:,} hold to "
            f"rounding, more than there are pixels to be chosen; error bars say which pixels these leave open."
        )
        why_none = _HINGED if walked.hinged else _NOISY if share > _SHARED_NOISE else ""
    rank = 0 if std is None else int((std < 0.1 * space.spread).sum())
    layer = _report(plan, picture, std, count, rank, search.misfit, time.perf_counter() - started, space)
    layer = replace(
        layer,
        kind=f"search, {' x '.join(map(str, plan.nodes[0].shape))} to {' x '.join(map(str, node.shape))}",
        completed=exact is None or rank < picture.numel(),
        convergence=tuple(search.convergence),
    )
    return Picture(picture, None if why_none else std, how, why_none, layer, 0.0, stopped)


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
