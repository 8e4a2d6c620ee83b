"""Peel a network layer by layer, from the last-layer feature down to the pixels (our derivation).

Each layer hands two things down: a belief about its input, and the loss gradient that arrives there. What stands
between two layers is read backwards; a convolution or linear layer is solved for its input with both. Errors travel
along, so that the image comes with an error bar for every pixel.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import nn

from gradinv_core.arrays import unit_roundoff
from gradinv_core.errors import MisfitError, NoExactRouteError
from gradinv_core.image_recovery.activations import Range, output_range
from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.chain import Link
from gradinv_core.image_recovery.layer_solver import solve_layer
from gradinv_core.image_recovery.picture_map import PictureMap, plain_map
from gradinv_core.image_recovery.read_back import Arriving, guess_matters, read_back
from gradinv_core.image_recovery.result import LayerRecovery, OnStep, Step, Stop
from gradinv_core.image_recovery.solution import Solved
from gradinv_core.image_recovery.stopping import StoppedError
from gradinv_core.image_recovery.suspects import OUTSIDE_SHARE, outside_range
from gradinv_core.pixels import PixelSpace

__all__ = ["REFUSE", "ContradictionError", "Peeled", "peel", "refuse_contradiction"]

REFUSE = 0.5
"""Share of a layer's gradient that plainly contradicts what was handed down."""

_ROUNDINGS = 0.7  # units of rounding in the gradient that leaves the head, and a tenth of its typical size
_TIMES_APART = 100.0  # rounding, or the head's noise, times this: no single sample misses its own product by as much
_KINKED = (nn.ReLU, nn.LeakyReLU)  # a wrong side of a kink, which noise brings about, misses it too
_POOLING_ROUNDS = 20  # of solving a pooled layer and reading its activation around the solution ...
_POOLING_SETTLED = 1e-7  # ... until the output moves by less than this share


class ContradictionError(MisfitError):
    """A layer's gradient contradicts what was handed down to it.

    Attributes:
        picture: how pixels reach the layer, where the range of pixels had a say in it; None elsewhere.
        bounds_alone: whether its equations fit, and only the range of pixels does not.
    """

    def __init__(self, message: str, picture: PictureMap | None = None, *, bounds_alone: bool = False) -> None:
        super().__init__(message)
        self.picture = picture
        self.bounds_alone = bounds_alone

    @classmethod
    def by_misfit(
        cls, layer: str, misfit: float, picture: PictureMap | None = None, *, bounds_alone: bool = False
    ) -> ContradictionError:
        """That of a layer whose gradient is no product of what was handed down and one input.

        Args:
            layer: its name.
            misfit: relative, of its weight gradient.
            picture: as above.
            bounds_alone: as above.
        """
        return cls(
            f"gradient {layer}.weight: expected the product of the recovered output gradient and one input, got one "
            f"that differs from it by {misfit:.0%}.",
            picture,
            bounds_alone=bounds_alone,
        )


def refuse_contradiction(layer: str, solved: Solved, picture: PictureMap | None) -> None:
    """Refuse a layer whose gradient contradicts what was handed down; of added noise the error bars tell.

    Args:
        layer: its name.
        solved: its input.
        picture: how pixels reach it; None for an inner layer.

    Raises:
        ContradictionError: it does.
    """
    # Not by its misfit: a layer above that stays open explains a large one.
    if solved.contradiction > REFUSE:
        bounds_alone = solved.disagreement <= REFUSE
        seen = picture if solved.completed else None
        raise ContradictionError.by_misfit(layer, solved.misfit, seen, bounds_alone=bounds_alone)


@dataclass(frozen=True)
class Peeled:
    """The way from the feature to the pixels.

    Attributes:
        steps: from the feature down; the last shows the image unless the walk was stopped.
        layers: what each solved layer gave.
        belief: about the picture, before its pixels were held in their range; about the feature until it is reached.
        smoothed: share of the picture's unknowns that smoothness decided rather than the equations.
        objection: of the picture's equations to smoothness and bounds, see `Solved`.
        contradictions: name and relative misfit of layers whose equations contradict each other far above rounding.
        stopped: whether it was stopped on the way.
    """

    steps: tuple[Step, ...]
    layers: tuple[LayerRecovery, ...]
    belief: Belief
    smoothed: float
    objection: float
    contradictions: tuple[tuple[str, float], ...]
    stopped: bool


def peel(
    links: list[Link],
    gradients: Mapping[str, torch.Tensor],
    feature: Belief,
    residual: torch.Tensor,
    noise_std: float,
    on_step: OnStep | None = None,
    stop: Stop | None = None,
    picture: PictureMap | None = None,
    factor_std: float = 0.0,
    noise_share: float = 0.0,
) -> Peeled:
    """Walk from the head to the pixels.

    Args:
        links: of the network, as from `network_chain`.
        gradients: ``{parameter name: gradient}``.
        feature: belief about the last-layer feature (d,).
        residual: (C,) recovered ``a = p - y``.
        noise_std: of the noise that was added to each gradient entry, 0 for none.
        on_step: called with each step as it is known.
        stop: asked between layers, and within large ones.
        picture: from the picture to the input of the first layer with weights; None where that is the picture itself,
            in [0, 1].
        factor_std: relative standard deviation of lambda, which the residual shrinks by as the feature grows.
        noise_share: of the head's gradient that is noise.

    Raises:
        NoExactRouteError: no gradient reaches a layer.
        ContradictionError: a layer's gradient contradicts what was handed down.
        OptionError, ShapeError, NonFiniteError: a gradient is missing, has the wrong shape or is not finite.
    """
    head = links[-1]
    bottom, first = len(links) - 1, next(index for index, link in enumerate(links) if _has_weights(link))
    if bottom == first and picture is not None:  # nothing but a head: its input is the picture, normalised or not
        feature = picture.picture(feature)
    arriving = _leave_head(head, feature, residual, factor_std, noise_std)
    steps = [_step("Last-layer feature", feature, head)]
    found: list[LayerRecovery] = []
    odd: list[tuple[str, float]] = []
    smoothed = objection = 0.0
    smooth = not any(isinstance(link.module, _KINKED) for link in links)
    if on_step is not None:
        on_step(steps[-1])
    while bottom > first:
        if stop is not None and stop():
            return Peeled(tuple(steps), tuple(found), arriving.belief, 0.0, 0.0, tuple(odd), True)
        started = time.perf_counter()
        top = bottom
        bottom = max(index for index in range(top) if _has_weights(links[index]))
        link = links[bottom]
        is_image = bottom == first
        limits = output_range(None if is_image else links[bottom - 1].module)
        here = (picture or plain_map(prod(link.input_shape))) if is_image else None
        try:
            solved = _solve(link, links[bottom + 1 : top], arriving, gradients, noise_std, limits, here, stop)
        except StoppedError:
            return Peeled(tuple(steps), tuple(found), arriving.belief, 0.0, 0.0, tuple(odd), True)
        arriving, smoothed, objection = solved.arriving, solved.smoothed, solved.objection
        found.append(_report(link, solved, time.perf_counter() - started))
        if noise_std == 0:
            refuse_contradiction(link.name, solved, here)
        smallest = _TIMES_APART * max(unit_roundoff(gradients[f"{link.name}.weight"]), noise_share)
        if solved.disagreement > smallest and (noise_std == 0 or smooth):
            odd.append((link.name, solved.disagreement))
        step = _step(f"Input of layer {link.name}", arriving.belief, link)
        steps.append(step if here is None else _held_in_range(replace(step, title="Image"), here.space))
        if on_step is not None:
            on_step(steps[-1])
    return Peeled(tuple(steps), tuple(found), arriving.belief, smoothed, objection, tuple(odd), False)


def _has_weights(link: Link) -> bool:
    return isinstance(link.module, nn.Linear | nn.Conv2d)


def _leave_head(head: Link, feature: Belief, residual: torch.Tensor, factor_std: float, noise_std: float) -> Arriving:
    weight = head.module.weight.detach().double().cpu()  # type: ignore[operator]
    delta = weight.T @ residual
    rounding = unit_roundoff(head.module.weight)  # type: ignore[arg-type]
    delta_std = _ROUNDINGS * rounding * (delta.abs() + 0.1 * delta.square().mean().sqrt())
    size = float(feature.mean.norm())
    if noise_std > 0 and size > 0:  # the residual is G x / |x|^2, and G is noisy
        delta_std = (delta_std**2 + (noise_std / size) ** 2 * weight.square().sum(0)).sqrt()
    return Arriving(feature, delta, delta_std, None, factor_std)


def _solve(
    link: Link,
    between: list[Link],
    arriving: Arriving,
    gradients: Mapping[str, torch.Tensor],
    noise_std: float,
    limits: Range,
    picture: PictureMap | None,
    stop: Stop | None,
) -> Solved:
    """Read back what stands above a link, then solve it for its input."""
    rounding = unit_roundoff(gradients[f"{link.name}.weight"]) if f"{link.name}.weight" in gradients else 0.0
    guess = None
    for _ in range(_POOLING_ROUNDS if guess_matters(between) else 1):
        at_output = read_back(between, arriving, rounding, guess)
        if not bool(at_output.delta.any()):
            raise NoExactRouteError(
                f"layer {link.name}: expected at least one active unit, found none, so no gradient reaches the layer "
                f"below it."
            )
        solved = solve_layer(link, at_output, gradients, noise_std, limits, picture, stop)
        moved = float("inf") if guess is None else float((solved.output - guess).norm())
        guess = solved.output
        if moved < _POOLING_SETTLED * float(guess.norm()):
            break
    return solved


def _step(title: str, belief: Belief, link: Link) -> Step:
    shape = link.input_shape if prod(link.input_shape) == len(belief.mean) else (len(belief.mean),)
    return Step(title, belief.mean.reshape(shape), belief.total_std.reshape(shape), link.name)


def _held_in_range(step: Step, space: PixelSpace) -> Step:
    """Pixels cannot leave their range; where many do so far beyond their error bars, the range is wrong, not they."""
    assert step.std is not None  # noqa: S101 - this route always has some
    if outside_range(step.value, step.std, space.low, space.high) >= OUTSIDE_SHARE:
        return step
    return replace(step, value=step.value.clamp(space.low, space.high), std=step.std.clamp(max=space.spread / 2))


def _report(link: Link, solved: Solved, seconds: float) -> LayerRecovery:
    value, std = solved.arriving.belief.mean, solved.arriving.belief.total_std
    size = float(value.square().mean().sqrt())
    inputs, outputs = (" x ".join(map(str, shape)) for shape in (link.input_shape, link.output_shape))
    what = "fully connected" if isinstance(link.module, nn.Linear) else "convolution"
    return LayerRecovery(
        name=link.name,
        kind=f"{what}, {inputs} to {outputs}",
        unknowns=len(value),
        equations=solved.equations,
        rank=solved.rank,
        residual=solved.misfit,
        error=float(std.square().mean().sqrt()) / size if size > 0 else 0.0,
        seconds=seconds,
        completed=solved.completed,
        convergence=solved.convergence,
        estimated=solved.estimated,
    )
