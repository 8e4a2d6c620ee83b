"""The route through learned positions: the place whose equations fit, the picture, and what may be said of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

import torch

from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.layer_solver import DENSE_LIMIT
from gradinv_core.image_recovery.patches.completing import close_patches
from gradinv_core.image_recovery.patches.equations import PatchFit, posterior, prior_from, weak_prior
from gradinv_core.image_recovery.patches.examine import Fitted, best_place, examine
from gradinv_core.image_recovery.patches.last_layer import LastLayer
from gradinv_core.image_recovery.patches.layout import PatchLayout, patch_layout
from gradinv_core.image_recovery.patches.structure import PatchPositions
from gradinv_core.image_recovery.peel import Peeled
from gradinv_core.image_recovery.result import ImageRecovery, LayerRecovery, OnStep, Step, Stop
from gradinv_core.image_recovery.stopping import StoppedError, ask
from gradinv_core.image_recovery.suspects import OUTSIDE_SHARE, outside_range, range_sentence
from gradinv_core.image_recovery.vouching import why_no_bars
from gradinv_core.pixels import PixelSpace

__all__ = ["recover_patches"]

_UNSURE_OPEN = 1e-3  # standard deviation of pixels, from which what is open is filled in by what pictures are like ...
_UNSURE = 1e-2  # ... and from which that helps where nothing is open
_LARGE = 1024  # unknowns from which somebody might want to stop a completion on its way
_PARTS = 4  # pictures of the playback
_STOPPED = "Patch by patch, by linear algebra; stopped before the image was reached."


class _Found(NamedTuple):
    """The picture in shares (N, P), its error bars, and how they came about."""

    mean: torch.Tensor
    std: torch.Tensor
    determined: int
    guessed: bool = False
    convergence: tuple[float, ...] = ()


def recover_patches(
    places: tuple[PatchPositions, ...],
    gradients: Mapping[str, torch.Tensor],
    shape: tuple[int, int, int],
    space: PixelSpace,
    last: LastLayer,
    on_step: OnStep | None = None,
    stop: Stop | None = None,
) -> ImageRecovery:
    """Recover the picture from the gradients of patch layer and positions.

    Args:
        places: where the positions may be, as from `find_patches`; at least one.
        gradients: as from `read_gradients`.
        shape: (channels, height, width) of the picture.
        space: which values its pixels may have, and how the network sees them.
        last: what is known of the label.
        on_step: called with each `Step`.
        stop: asked between steps.

    Raises:
        NoExactRouteError: a gradient was not sent or is zero, or no position is that of the patches.
        MisfitError: the gradient is that of several samples.
        ShapeError, NonFiniteError: a gradient has the wrong shape, or is not finite.
    """
    started = time.perf_counter()
    steps: list[Step] = []

    def show(step: Step) -> None:
        steps.append(step)
        if on_step is not None:
            on_step(step)

    if last.answer is not None:
        show(Step("Last-layer feature", last.answer.feature))
    try:
        ask(stop)
        fitted = best_place(places, gradients)
        layout = patch_layout(fitted.place, shape, space)
        belief = posterior(fitted.fit, layout.scale, layout.shift, weak_prior(len(layout.scale)))
        verdict = examine(fitted, float(belief.std.square().mean().sqrt()), last.evidence)
        for step in _clearest_first(fitted.fit, layout, space):
            show(step)
        ask(stop)
        found = _picture(fitted.fit, layout, verdict.noisy, stop)
    except StoppedError:
        return _stopped(shape, space, last, steps)
    image, std = space.from_unit(layout.picture(found.mean)), space.spread * layout.picture(found.std)
    odd = range_sentence(image, std, space.low, space.high, bool(space.mean))
    if outside_range(image, std, space.low, space.high) < OUTSIDE_SHARE:
        image, std = image.clamp(space.low, space.high), std.clamp(max=space.spread / 2)
    flat = Belief.independent(image.flatten(), std.flatten())
    judged = Peeled((), (), flat, 0.0, 0.0, (), stopped=False)
    why_no_std = why_no_bars(std.flatten(), space.spread, judged, 1.0 if verdict.noisy else 0.0)
    bars = None if why_no_std else std
    show(Step("Image", image, bars, fitted.place.layer))
    parts = (_reason(fitted, found, bars=bars is not None), verdict.doubt, odd, why_no_std, _no_label(last))
    return ImageRecovery(
        image=image,
        method="analytic",
        reason=" ".join(part for part in parts if part),
        steps=tuple(steps),
        layers=(_layer(fitted, layout, found, time.perf_counter() - started),),
        label=last.answer,
        seconds=0.0,
        std=bars,
        soft_label=last.soft_label,
        why_no_std=why_no_std,
        rests_on_label=False,
    )


def _clearest_first(fit: PatchFit, layout: PatchLayout, space: PixelSpace) -> list[Step]:
    """How the picture fills in: with ever more of the directions that the equations tell apart, clearest first."""
    total = int((fit.precision > 0).sum())
    counts = sorted({total * part // _PARTS for part in range(1, _PARTS)} - {0})
    return [
        Step(
            f"Patches, by the clearest {count} of {total} directions",
            space.from_unit(layout.picture(layout.shares(fit.partial(count)))),
        )
        for count in counts
    ]


def _picture(fit: PatchFit, layout: PatchLayout, noisy: bool, stop: Stop | None) -> _Found:
    """The picture: as the equations give it, or with what they leave open filled in by what is known of pictures.

    Raises:
        StoppedError: the work was stopped.
    """
    belief = posterior(fit, layout.scale, layout.shift, weak_prior(len(layout.scale)))
    determined, unknowns = belief.determined, belief.mean.numel()
    if float(belief.std.square().mean().sqrt()) <= (_UNSURE_OPEN if determined < unknowns else _UNSURE):
        return _Found(belief.mean, belief.std, determined)
    belief = posterior(fit, layout.scale, layout.shift, prior_from(fit, layout.scale, layout.shift))
    # Only where equations are too few: what rounding or noise drowns is no clear-cut rest that smoothness could settle.
    if determined < unknowns <= DENSE_LIMIT and not fit.surplus and not noisy:
        closed = close_patches(fit, belief, layout.places, layout.shape, stop if unknowns >= _LARGE else None)
        if closed is not None:
            mean, std = closed.value[layout.places], closed.std[layout.places]
            return _Found(mean, std, determined, guessed=True, convergence=closed.convergence)
    return _Found(belief.mean, belief.std, determined, guessed=True)


def _stopped(shape: tuple[int, int, int], space: PixelSpace, last: LastLayer, steps: list[Step]) -> ImageRecovery:
    """A grey picture, and the steps so far."""
    return ImageRecovery(
        image=space.from_unit(torch.full(shape, 0.5, dtype=torch.float64)),
        method="analytic",
        reason=_STOPPED,
        steps=tuple(steps),
        layers=(),
        label=last.answer,
        seconds=0.0,
        soft_label=last.soft_label,
        stopped=True,
        rests_on_label=False,
    )


def _layer(fitted: Fitted, layout: PatchLayout, found: _Found, seconds: float) -> LayerRecovery:
    place, equations, _ = fitted
    inputs = " x ".join(map(str, layout.shape))
    size = float(found.mean.square().mean().sqrt())
    missed = equations.gradient - equations.delta.T @ (layout.scale * found.mean + layout.shift)
    return LayerRecovery(
        name=place.layer,
        kind=f"patches, {inputs} to {place.module.out_channels} x {place.grid[0]} x {place.grid[1]}",
        unknowns=found.mean.numel(),
        equations=equations.gradient.numel(),
        rank=found.determined,
        residual=float(missed.norm() / equations.gradient.norm()),
        error=float(found.std.square().mean().sqrt()) / size if size > 0 else 0.0,
        seconds=seconds,
        completed=bool(found.convergence),
        convergence=found.convergence,
    )


def _reason(fitted: Fitted, found: _Found, *, bars: bool) -> str:
    """Why this route, and how far it carried."""
    place, _, fit = fitted
    share = found.determined / found.mean.numel()
    gives = "The gradient of the learned positions is the loss gradient at every patch"
    shown = "; the error bars show what that leaves open" if bars else ""
    if found.convergence:
        return (
            f"{gives}, which determines {share:.0%} of the picture; bounds and smoothness choose among what fits, a "
            f"convex problem."
        )
    if found.guessed and share == 1:
        return (
            f"{gives}, so linear algebra turns the patch layer's gradient into the picture; what noise drowns is "
            f"filled in by how much patches differ{shown}."
        )
    if found.guessed:
        return f"{gives}, which determines {share:.0%} of the picture, and of the rest how much patches differ{shown}."
    text = f"{gives}, so linear algebra turns the patch layer's gradient into the picture; no label is needed."
    if fit.surplus:
        return text
    return (
        f"{text} With {len(place.rows)} patches and positions of {place.module.out_channels} numbers no equation is "
        f"left over, so nothing tests whether it is the gradient of one sample."
    )


def _no_label(last: LastLayer) -> str:
    return f"The last layer gives no label: {last.refusal}" if last.refusal else ""
