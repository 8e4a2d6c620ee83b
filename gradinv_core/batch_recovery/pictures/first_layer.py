"""From the walk's end to the pixels of all pictures: by the first layer's weight gradient, or by all its equations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from gradinv_core.batch_recovery.pictures.result import BatchStep, OnStep
from gradinv_core.batch_recovery.pictures.tall_stem import cut, stacked, tall_stem
from gradinv_core.batch_recovery.pictures.walk import BatchWalk
from gradinv_core.image_recovery.affine import AffineLine
from gradinv_core.image_recovery.chain import Link, check_shape
from gradinv_core.image_recovery.graph.checks import TO_SPARE
from gradinv_core.image_recovery.graph.pool_equations import pool_equations
from gradinv_core.image_recovery.graph.stem import PooledStem, recover_picture, search
from gradinv_core.image_recovery.graph.stem.bars import error_bars
from gradinv_core.image_recovery.graph.stem.direct import is_small
from gradinv_core.image_recovery.graph.stem.equations import Equations
from gradinv_core.image_recovery.graph.stem.final import agree, largest_entries, resolve
from gradinv_core.image_recovery.graph.structure import Plan
from gradinv_core.image_recovery.picture_map import PictureMap, picture_map
from gradinv_core.image_recovery.result import Step, Stop
from gradinv_core.image_recovery.stopping import ask
from gradinv_core.pixels import PixelSpace

__all__ = ["FirstLayer", "read_pictures"]

_ROUNDS = 500  # of the search for each picture
_TURNS = 40  # of settling the winners of all
_WEIGHINGS = 3
_NO_BARS = "No error bars: for so many pictures at once, or under noise, they are not vouched for."
_SHARED_NOISE = 3e-5  # share of the head's gradient that is noise; with more, bars were measured to be too narrow


@dataclass(frozen=True)
class FirstLayer:
    """What the first layer gave.

    Attributes:
        images: (K, channels, height, width) in the caller's pixels; None where no way leads to them.
        std: standard deviations of their pixels; None where none can be vouched for.
        settled: whether equations determine them.
        how: a sentence.
        stopped: whether it was stopped on the way.
    """

    images: torch.Tensor | None
    std: torch.Tensor | None
    settled: bool
    how: str
    stopped: bool = False


def read_pictures(
    plan: Plan,
    walk: BatchWalk,
    gradients: Mapping[str, torch.Tensor],
    noise: float,
    space: PixelSpace,
    on_step: OnStep | None = None,
    stop: Stop | None = None,
) -> FirstLayer:
    """From the bottom of the walk to the pixels.

    Args:
        plan: of the network.
        walk: at its end, the plan's bottom.
        gradients: ``{parameter name: gradient}``.
        noise: share of the head's gradient that is noise.
        space: which values pixels may have.
        on_step: told of pictures on the way.
        stop: asked often.

    Raises:
        MisfitError: the first layer's gradient contradicts what was handed down.
        NoExactRouteError: no gradient reaches the first layer.
        StoppedError: the work was stopped before there was a picture.
    """
    nodes, first = plan.nodes, plan.nodes[plan.first]
    shape, source = check_shape(nodes[0].shape), first.inputs[0]
    links = [Link(node.name, node.module, shape, shape) for node in nodes[1 : plan.first] if node.module is not None]
    seen = picture_map([link for link in links if isinstance(link.module, AffineLine)], shape, space)
    if plan.pooled is None and walk.has_equations(source, [plan.first]) and walk.descend(source):
        value, std = walk.as_computed(source)
        scale, shift = seen.scale.reshape(shape), seen.shift.reshape(shape)
        shares = (value.reshape(-1, *shape) - shift) / scale
        bars = space.spread * std.reshape(-1, *shape) / scale.abs()
        return FirstLayer(space.from_unit(shares), bars, True, "The first layer's gradient gives the pictures.")
    why = _no_stem(plan, walk)
    if why:
        return FirstLayer(None, None, False, f"The way down ends at layer {first.name}: {why}")
    stems = _stems(plan, walk, gradients, seen)
    if plan.pooled is None:
        return _unpooled(first.name, stems, walk, noise, space, stop)
    return _pooled(plan, stems, walk, noise, space, on_step, stop)


def _no_stem(plan: Plan, walk: BatchWalk) -> str:
    """Why the first layer's own equations, forwards and backwards, cannot be written down; empty where they can."""
    first = plan.nodes[plan.first].module
    if walk.why:
        return walk.why
    if plan.bottom not in walk.values:
        return "no layer reads what it puts out."
    if not isinstance(first, nn.Conv2d) or first.groups != 1:
        return "its gradient has too few equations for the pictures of so many samples."
    line = next((plan.nodes[each] for each in plan.stem if isinstance(plan.nodes[each].module, AffineLine)), None)
    return "" if line is None else f"{line.name} stands behind it."


def _stems(plan: Plan, walk: BatchWalk, gradients: Mapping[str, torch.Tensor], seen: PictureMap) -> list[PooledStem]:
    """What is known of every picture by itself, each with the gradient of all."""
    front = (plan.first, *(each for each in plan.stem if each != plan.pooled))
    value, std = walk.as_computed(plan.bottom)
    behind = zip(value, std, walk.delta[plan.bottom], strict=True)
    return [pool_equations(plan, plan.pooled, front, each, gradients, seen) for each in behind]


def _unpooled(
    name: str, stems: Sequence[PooledStem], walk: BatchWalk, noise: float, space: PixelSpace, stop: Stop | None
) -> FirstLayer:
    """Without a max pool all is linear: what the layer put out for every picture, and the gradient they share."""
    tall = tall_stem(stems)
    found = largest_entries(tall, torch.full(tall.shape, 0.5, dtype=torch.float64))
    for _ in range(_WEIGHINGS):  # every solution tells how much the equations err, and so how much each counts
        found = resolve(tall, found, stop)
    count = Equations.of(tall, found).count
    if not agree(tall, found, noise) or count < TO_SPARE * len(stems) * stems[0].scale.numel():
        return FirstLayer(None, None, False, f"The way down ends at layer {name}: its equations give no pictures.")
    how = f"What layer {name} put out, and its gradient, {count:,} equations, give the pictures."
    bars = None
    if noise <= _SHARED_NOISE:
        bars = space.spread * cut(error_bars(tall, found, _factor(walk), stop), stems[0], len(stems))
    return FirstLayer(space.from_unit(cut(found.picture, stems[0], len(stems))), bars, True, how)


def _pooled(
    plan: Plan,
    stems: Sequence[PooledStem],
    walk: BatchWalk,
    noise: float,
    space: PixelSpace,
    on_step: OnStep | None,
    stop: Stop | None,
) -> FirstLayer:
    """Each picture searched for behind its own max pool, then all settled together by the gradient they share."""
    name, stem, count = plan.nodes[plan.first].name, stems[0], len(stems)
    starts = [torch.full(stem.shape, 0.5, dtype=torch.float64)] * count

    def tell(title: str, images: torch.Tensor, misfit: float | None) -> None:
        if on_step is not None:
            on_step(BatchStep(title, name, images, misfit))

    for number, each in enumerate(stems):

        def on_round(_: int, picture: torch.Tensor, misfit: float, number: int = number) -> None:
            pictures = torch.stack([*starts[:number], picture, *starts[number + 1 :]]).clamp(0, 1)
            tell(f"Picture {number + 1} of {count} behind the max pool", space.from_unit(pictures), misfit)

        starts[number] = search(each, _ROUNDS, on_round, stop)
        ask(stop)

    def on_turn(step: Step) -> None:
        tell("Which entries the max pool took of every picture", cut(step.value, stem, count), step.loss)

    start = stacked(starts, stem, 0.5)
    tall = tall_stem(stems)
    answer = recover_picture(tall, space, noise, _factor(walk), on_turn, stop, start, _TURNS)
    # With hardly an equation to spare, winners could agree by choice.
    settled = answer.settled and answer.equations >= TO_SPARE * count * stem.scale.numel()
    bars = None
    if settled and answer.std is not None and is_small(tall.shape) and noise <= _SHARED_NOISE:
        bars = cut(answer.std, stem, count)
    if settled:
        how = (
            "Which entry of every window the max pool took of every picture was found by a search and then by the "
            f"gradient of layer {name}; with the winners known, the pictures are linear."
        )
        how = how if bars is not None else f"{how} {_NO_BARS}"
    else:
        how = (
            "The pictures are the ones found by a search among those that the max pool allows: its pooled maps "
            f"agree to {answer.misfit:.1e}. Which entry of every window it took is not settled, so others may fit, too."
        )
    return FirstLayer(cut(answer.picture, stem, count), bars, settled, how, answer.stopped)


def _factor(walk: BatchWalk) -> float:
    """The widest relative standard deviation of any sample's lambda."""
    return float(walk.factor_std.max())
