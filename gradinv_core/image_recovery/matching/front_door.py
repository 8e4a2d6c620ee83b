"""One front door to gradient matching: check, gather what is known, search from every start, keep the best."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import nn

from gradinv_core.errors import OptionError
from gradinv_core.gradients import GradientsLike, read_gradients
from gradinv_core.head import find_head
from gradinv_core.image_recovery.chain import check_shape
from gradinv_core.image_recovery.matching.autograd_route import AutogradRoute
from gradinv_core.image_recovery.matching.batch import gather_batch
from gradinv_core.image_recovery.matching.distance import DISTANCE_FUNCTIONS
from gradinv_core.image_recovery.matching.inner_inputs import known_inputs
from gradinv_core.image_recovery.matching.label_source import gather_knowledge, needs_head
from gradinv_core.image_recovery.matching.objective import Objective, Route
from gradinv_core.image_recovery.matching.observed import observe_gradient
from gradinv_core.image_recovery.matching.options import MatchingOptions
from gradinv_core.image_recovery.matching.restarts import Starts, search
from gradinv_core.image_recovery.matching.result import MatchResult
from gradinv_core.image_recovery.matching.sequential_route import SequentialRoute, chain_of
from gradinv_core.image_recovery.matching.stacked_route import StackedRoute
from gradinv_core.image_recovery.matching.trial import trial_run
from gradinv_core.image_recovery.result import OnStep, Stop
from gradinv_core.losses import CROSS_ENTROPY, TrainingLoss
from gradinv_core.pixels import PixelSpace
from gradinv_core.twin import private_twin
from gradinv_core.wrappers import unwrapped

__all__ = ["match_gradients"]


def match_gradients(
    model: nn.Module,
    gradients: GradientsLike,
    input_shape: Sequence[int],
    options: MatchingOptions | None = None,
    *,
    label: torch.Tensor | None = None,
    feature: torch.Tensor | None = None,
    start: torch.Tensor | None = None,
    on_step: OnStep | None = None,
    stop: Stop | None = None,
    seed: int | None = None,
    head: str | None = None,
    space: PixelSpace | None = None,
    training: TrainingLoss = CROSS_ENTROPY,
) -> MatchResult:
    """Search for the image whose gradient is the observed one.

    The search itself goes over shares: where each pixel stands in its range, from 0 to 1. So start, box, step length
    and total variation mean the same however the pictures are normalised.

    The model is left as it was, whatever its mode and whether or not its parameters are frozen. On a CPU the same
    seed gives the same image to the last bit.

    Args:
        model: the network, with the weights the client used.
        gradients: of one sample, anything that `read_gradients` takes. Only what was sent is matched.
        input_shape: (channels, height, width) of the image.
        options: of the search; None for the paper's.
        label: (C,) soft label; which one is meant, ``options.label_mode`` says. None in mode "recovered" recovers it.
        feature: (d,) recovered last-layer feature; None recovers it if ``options.terms`` asks for it.
        start: (channels, height, width) picture where the first restart begins; None for noise, like all others.
        on_step: called with each `Step` as soon as it is known.
        stop: asked at every iteration; True ends the search, and the best image so far is returned.
        seed: of the starting images; None draws one.
        head: name of the last layer; None looks for it where the options need it, see `find_head`.
        space: which values pixels may have, and how the network sees them; None for [0, 1].
        training: the loss whose gradient the client sent.

    Returns:
        The best image, and the way there.

    Raises:
        OptionError: there is no gradient, the label is missing, or the network has no layer the options need.
        ShapeError: a gradient, the label, the feature or the start has the wrong shape, or the network cannot take
            images of ``input_shape``.
        NonFiniteError: NaN or infinity in what was handed in, or in the loss from the first step of every restart on.
        NoExactRouteError: the gradient is zero.
        LabelError: the label does not sum to 1.
    """
    started = time.perf_counter()
    options = MatchingOptions() if options is None else options
    space = PixelSpace() if space is None else space
    with torch.inference_mode(False), torch.no_grad():
        shape = check_shape(input_shape)
        twin = private_twin(unwrapped(model))
        sent = read_gradients(twin, gradients)
        observed = observe_gradient(twin, sent)
        trial = trial_run(twin, shape)
        last = _last_layer(twin, head, needed=needs_head(options, label))
        knowledge = gather_knowledge(twin, sent, options, label, feature, trial.classes, last, training)
        inputs = known_inputs(
            twin,
            sent,
            trial.inputs,
            options.feature_weight,
            feature=knowledge.feature,
            inner=options.inner_inputs,
            head=last,
        )
        distance = DISTANCE_FUNCTIONS[options.distance] if "g" in options.terms else None
        chain = None if distance is None else chain_of(twin, shape)
        route: Route
        if chain is None or distance is None or not training.is_plain:
            route = AutogradRoute(twin, observed, knowledge.label, distance, inputs, training)
        else:
            route = SequentialRoute(chain, observed, knowledge.label, distance, inputs)
        learned = trial.classes if knowledge.label is None else None
        starts = Starts(shape, learned, observed.direction, start, seed, space)
        objective = Objective(route, options.total_variation, space)
        batch = gather_batch(
            lambda: StackedRoute(private_twin(twin), observed, knowledge.label, options.distance, inputs, training),
            options,
            shape,
            learned,
            observed.direction,
            space,
        )
        record = search(objective, starts, options, on_step, stop or (lambda: False), space, batch)
        best = record.best
    return MatchResult(
        image=space.from_unit(best.image.double().cpu()),
        soft_label=best.label(knowledge.label).double().cpu(),
        losses=tuple(record.playback.losses),
        steps=tuple(record.playback.steps),
        stopped=record.stopped,
        loss=record.playback.best_loss,
        restart=record.restart,
        inner_layers=tuple(known.layer for known in inputs if not known.is_feature),
        route=route.name if batch is None else StackedRoute.name,
        label=knowledge.recovery,
        note=record.note,
        seconds=time.perf_counter() - started,
    )


def _last_layer(twin: nn.Module, head: str | None, *, needed: bool) -> str | None:
    """Name of the layer that gives the logits; None where it cannot be told and nothing depends on it."""
    try:
        return find_head(twin, head)
    except OptionError:
        if needed or head is not None:
            raise
        return None
