"""One front door to the pictures of a batch: read the labels, walk down, see whether the pictures lead back."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import nn

from gradinv_core.arrays import ArrayLike, unit_roundoff
from gradinv_core.batch_recovery import directions
from gradinv_core.batch_recovery.front_door import recover_batch
from gradinv_core.batch_recovery.layer_below import view_below
from gradinv_core.batch_recovery.pictures.first_layer import FirstLayer, read_pictures
from gradinv_core.batch_recovery.pictures.replay import replay
from gradinv_core.batch_recovery.pictures.result import BatchPictures, OnStep
from gradinv_core.batch_recovery.pictures.sentences import reason_for
from gradinv_core.batch_recovery.pictures.walk import BatchWalk
from gradinv_core.batch_recovery.result import BatchRecovery
from gradinv_core.errors import MisfitError, NoExactRouteError
from gradinv_core.gradients import GradientsLike, read_gradients
from gradinv_core.head import view_head
from gradinv_core.head.structures import LabelStructure
from gradinv_core.image_recovery.chain import check_shape
from gradinv_core.image_recovery.graph.recover import plan_network
from gradinv_core.image_recovery.graph.structure import Plan
from gradinv_core.image_recovery.open_scale import doubt_of
from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.stopping import StoppedError
from gradinv_core.label_recovery import Status
from gradinv_core.losses import CROSS_ENTROPY, TrainingLoss, training_loss
from gradinv_core.pixels import PerChannel, PixelSpace, pixel_space
from gradinv_core.wrappers import unwrapped

__all__ = ["pictures_of_batch", "reconstruct_batch"]

_CONTRADICTS = 1e-2  # of the head's gradient: what no rounding leaves over
_STOPPED = "Stopped before there was a picture."


def reconstruct_batch(
    model: nn.Module,
    gradients: GradientsLike,
    input_shape: Sequence[int],
    *,
    samples: int | str = "unknown",
    head: str | None = None,
    label_format: str | LabelStructure = "unknown",
    temperature: float = 1.0,
    class_weights: ArrayLike | None = None,
    seed: int | None = None,
    mean: PerChannel | None = None,
    std: PerChannel | None = None,
    pixel_range: Sequence[float] | None = None,
    on_progress: directions.OnProgress | None = None,
    on_step: OnStep | None = None,
    stop: Stop | None = None,
) -> BatchPictures:
    """Rebuild every picture of a batch from its averaged gradient (our derivation).

    Any network that one picture can be walked back through is taken, with ReLUs before the head: fully connected ones,
    convolutions, residual blocks. Each layer's weight gradient has to have more equations, C_out k^2, than the batch
    has unknowns, B H W; where it has not, the way ends, and what was read above is the answer.

    Args:
        model: the network, with the weights the client used.
        gradients: as `reconstruct_image` takes them.
        input_shape: (channels, height, width) of the images.
        samples: as in `recover_batch`.
        head: name of the layer the labels belong to; None for the last one.
        label_format: as in `recover_batch`.
        temperature: of the loss, as in `recover_batch`.
        class_weights: (C,) of the loss, likewise.
        seed: of the search for the features.
        mean: as in `reconstruct_image`, like ``std`` and ``pixel_range``.
        std: per channel, above 0.
        pixel_range: (low, high) of the pixels.
        on_progress: told of every feature that is found.
        on_step: told of every layer, and of pictures on the way.
        stop: asked often; True ends the work, and the best so far is returned.

    Raises:
        NoExactRouteError: the network cannot be walked back through, not every label is unique, or a layer's gradient
            was not sent.
        MisfitError: a layer's gradient contradicts what the layers above it say.
        OptionError, ShapeError, NonFiniteError, ClassCountError: as `recover_batch` and `reconstruct_image`.
    """
    shape = check_shape(input_shape)
    space, loss = pixel_space(mean, std, pixel_range, shape[0]), training_loss(temperature, class_weights)
    model = unwrapped(model)
    plan = plan_network(model, shape, head)
    sent = read_gradients(model, gradients)
    name = plan.nodes[plan.head].name
    view, below = view_head(model, sent, name), view_below(model, sent, name)
    labels = recover_batch(
        *view,
        below=below,
        samples=samples,
        label_format=label_format,
        temperature=temperature,
        class_weights=class_weights,
        seed=seed,
        on_progress=on_progress,
        stop=stop,
    )
    return pictures_of_batch(model, sent, shape, labels, head=head, space=space, loss=loss, on_step=on_step, stop=stop)


def pictures_of_batch(
    model: nn.Module,
    sent: Mapping[str, torch.Tensor],
    input_shape: Sequence[int],
    labels: BatchRecovery,
    *,
    head: str | None = None,
    space: PixelSpace | None = None,
    loss: TrainingLoss = CROSS_ENTROPY,
    on_step: OnStep | None = None,
    stop: Stop | None = None,
) -> BatchPictures:
    """The same once the labels are read.

    Args:
        model: the network.
        sent: the gradients by name.
        input_shape: (channels, height, width) of the images.
        labels: what `recover_batch` said.
        head: name of the last layer; None looks for it.
        space: which values pixels may have, and how the network sees them; None for [0, 1].
        loss: what the client minimised.
        on_step: told of every layer, and of pictures on the way.
        stop: asked often.

    Raises:
        NoExactRouteError, MisfitError, ShapeError, NonFiniteError: as `reconstruct_batch`.
    """
    started = time.perf_counter()
    space = space or PixelSpace()
    plan = plan_network(model, check_shape(input_shape), head)
    if not labels or any(answer.status is not Status.UNIQUE for answer in labels):
        raise NoExactRouteError(
            f"label: expected every label of the batch to be unique, got {labels.unique} of {len(labels)}; the way "
            f"down to the pictures needs all of them. {labels.message}"
        )
    last = _last_layer(plan, sent, labels)
    factor_std = torch.tensor([doubt_of(answer).std for answer in labels], dtype=torch.float64)
    walk = BatchWalk(plan, sent, last.features, last.std, last.residuals, factor_std, on_step, stop)
    found, stopped = FirstLayer(None, None, False, _STOPPED), False
    try:
        if walk.descend(plan.bottom) and plan.goal is None:
            found = read_pictures(plan, walk, sent, labels.noise, space, on_step, stop)
        else:
            found = FirstLayer(None, None, False, f"The way down ends here: {walk.why or plan.obstacle}")
    except StoppedError:
        stopped = True
    except torch.linalg.LinAlgError as error:
        raise NoExactRouteError("the equations of this batch are too badly conditioned to be solved.") from error
    agreement: tuple[float, ...] = ()
    replayed = torch.nan
    if found.images is not None and not found.stopped:
        agreement, replayed = replay(model, plan.nodes[plan.head].name, found.images, labels, sent, space, loss)
    rounding = max(unit_roundoff(gradient) for gradient in sent.values())
    return BatchPictures(
        images=found.images,
        std=found.std,
        layers=tuple(walk.layers),
        labels=labels,
        settled=found.settled,
        agreement=agreement,
        replayed=replayed,
        reason=reason_for(walk.layers, max(rounding, labels.noise), found.how, agreement, replayed),
        stopped=stopped or found.stopped,
        seconds=time.perf_counter() - started,
    )


class _Last(NamedTuple):
    """Features (K, d) with their standard deviations, and residuals (K, C) with each sample's weight in the mean."""

    features: torch.Tensor
    std: torch.Tensor
    residuals: torch.Tensor


def _last_layer(plan: Plan, sent: Mapping[str, torch.Tensor], labels: BatchRecovery) -> _Last:
    """What the head's gradient says once the features are known.

    Raises:
        MisfitError: the features do not explain it.
    """
    name = plan.nodes[plan.head].name
    gradient = sent[f"{name}.weight"].detach().double().cpu()
    features = labels.features.double()
    residuals = torch.linalg.lstsq(features.T, gradient.T, driver="gelsd").solution
    rest = float((gradient - residuals.T @ features).norm())
    if rest > _CONTRADICTS * float(gradient.norm()):
        raise MisfitError(f"{name}.weight: expected a gradient of {len(labels)} samples, got one that differs.")
    noise = max(rest, unit_roundoff(gradient) * float(gradient.norm())) / gradient.numel() ** 0.5
    std = noise * torch.linalg.pinv(residuals.T).norm(dim=1, keepdim=True)
    return _Last(features, std.expand_as(features), residuals)
