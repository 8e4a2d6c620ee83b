"""All pictures of a batch through a fully connected ReLU network (our derivation).

Once every feature is known, so is every residual a_k, and what reaches the layer below: ``delta_k = W^T a_k`` where the
feature is above zero. That layer's weight gradient is ``sum_k delta_k x_k^T``, one linear system for the inputs of all
samples at once, with as many equations as units for K unknowns a column: ``X = pinv(Delta) G``. Then the same again,
down to the pixels. What the equations leave over tests every sign on the way.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from gradinv_core.arrays import Array
from gradinv_core.batch_recovery.directions import OnProgress, Stop
from gradinv_core.batch_recovery.front_door import recover_batch
from gradinv_core.batch_recovery.layer_below import view_below
from gradinv_core.batch_recovery.result import BatchRecovery
from gradinv_core.batch_recovery.signs import with_mended_signs
from gradinv_core.errors import MisfitError, NoExactRouteError
from gradinv_core.gradients import GradientsLike, read_gradients
from gradinv_core.head import view_head
from gradinv_core.image_recovery.chain import Link, check_shape, network_chain
from gradinv_core.label_recovery import Status

__all__ = ["BatchLayer", "BatchPictures", "pictures_of_batch", "reconstruct_batch"]

_CONTRADICTS = 1e-2  # of a gradient: what no rounding leaves over
_ZERO = 6.0  # standard deviations within which a unit was silent


@dataclass(frozen=True)
class BatchLayer:
    """How well one layer's gradient gave its inputs.

    Attributes:
        name: of the layer.
        misfit: what the inputs leave of its gradient, relative to it.
        condition: how much the system for the inputs amplifies noise.
    """

    name: str
    misfit: float
    condition: float


@dataclass(frozen=True)
class BatchPictures:
    """The pictures of a batch.

    Attributes:
        images: (K, channels, height, width) float64, one for each answer in ``labels``.
        layers: from the head down.
        labels: what the head said.
        seconds: wall time of the pictures alone.
    """

    images: torch.Tensor
    layers: tuple[BatchLayer, ...]
    labels: BatchRecovery
    seconds: float


def reconstruct_batch(
    model: nn.Module,
    gradients: GradientsLike,
    input_shape: Sequence[int],
    *,
    samples: int | str = "unknown",
    seed: int | None = None,
    on_progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> BatchPictures:
    """Rebuild every picture of a batch from its averaged gradient, through a fully connected ReLU network.

    Args:
        model: the network, with the weights the client used.
        gradients: as `reconstruct_image` takes them.
        input_shape: (channels, height, width) of the images.
        samples: as in `recover_batch`, like the others.
        seed: of the search for the features.
        on_progress: told of every feature that is found.
        stop: asked between linear programs.

    Raises:
        NoExactRouteError: the network is no chain of fully connected layers and ReLUs, or not every label is unique.
        MisfitError: a layer's gradient contradicts what the layers above it say.
        OptionError, ShapeError, NonFiniteError, ClassCountError: as `recover_batch`.
    """
    links = _fully_connected(network_chain(model, check_shape(input_shape)))
    sent = read_gradients(model, gradients)
    labels = recover_batch(
        *view_head(model, sent, links[-1].name),
        below=view_below(model, sent, links[-1].name),
        samples=samples,
        seed=seed,
        on_progress=on_progress,
        stop=stop,
    )
    return pictures_of_batch(links, sent, input_shape, labels)


def pictures_of_batch(
    links: Sequence[Link], sent: Mapping[str, torch.Tensor], input_shape: Sequence[int], labels: BatchRecovery
) -> BatchPictures:
    """The same once the labels are read.

    Args:
        links: of the network, see `network_chain`; checked here.
        sent: the gradients by name.
        input_shape: (channels, height, width) of the images.
        labels: what `recover_batch` said.

    Raises:
        NoExactRouteError, MisfitError: as `reconstruct_batch`.
    """
    started = time.perf_counter()
    links = _fully_connected(links)
    if not labels or any(answer.status is not Status.UNIQUE for answer in labels):
        raise NoExactRouteError(
            f"label: expected every label of the batch to be unique, got {labels.unique} of {len(labels)}; the way "
            f"down to the pictures needs all of them. {labels.message}"
        )
    inputs: Array = labels.features.double().numpy()
    gradient = _gradient(sent, links[-1].name)
    deltas = np.asarray(
        np.linalg.lstsq(inputs.T, gradient.T, rcond=None)[0], dtype=float
    )  # (K, C): the residuals, each with its weight
    layers = [_judged(links[-1].name, gradient, deltas, inputs)]
    above = links[-1]
    std: Array = np.zeros((len(inputs), 1))
    for link in reversed([link for link in links[:-1] if isinstance(link.module, nn.Linear)]):
        gradient = _gradient(sent, link.name)
        deltas = with_mended_signs(gradient, deltas @ _weight(above), inputs > _ZERO * std)
        inverse = np.asarray(np.linalg.pinv(deltas.T), dtype=float)  # (K, units)
        inputs = inverse @ gradient
        layers.append(_judged(link.name, gradient, deltas, inputs))
        noise = layers[-1].misfit * np.linalg.norm(gradient) / gradient.size**0.5
        std = noise * np.linalg.norm(inverse, axis=1, keepdims=True)
        above = link
    images = torch.from_numpy(inputs.reshape(len(inputs), *check_shape(input_shape)))
    return BatchPictures(images, tuple(layers), labels, time.perf_counter() - started)


def _fully_connected(links: Sequence[Link]) -> Sequence[Link]:
    """The links, if the head stands on nothing but linear layers with a ReLU between any two of them."""
    for place, link in enumerate(reversed(links)):
        if not isinstance(link.module, (nn.Linear, nn.ReLU)[place % 2]) or (place == len(links) - 1 and place % 2):
            raise NoExactRouteError(
                f"network: expected fully connected layers with ReLUs between them for the pictures of a batch, got "
                f"{type(link.module).__name__} ({link.name}); labels and features need the last layer alone."
            )
    return links


def _weight(link: Link) -> Array:
    """(outputs, inputs) of a layer."""
    weight: Array = link.module.get_parameter("weight").detach().double().cpu().numpy()
    return weight


def _gradient(sent: Mapping[str, torch.Tensor], name: str) -> Array:
    """(outputs, inputs) weight gradient of a layer."""
    if f"{name}.weight" not in sent:
        raise NoExactRouteError(
            f"gradients: expected an entry {name}.weight for the pictures, got none; it was frozen."
        )
    gradient: Array = sent[f"{name}.weight"].detach().double().cpu().numpy()
    return gradient


def _judged(name: str, gradient: Array, deltas: Array, inputs: Array) -> BatchLayer:
    """How well the inputs explain a layer's gradient.

    Raises:
        MisfitError: not at all.
    """
    values = np.linalg.svd(deltas, compute_uv=False)
    size = max(float(np.linalg.norm(gradient)), np.finfo(float).tiny)
    misfit = float(np.linalg.norm(gradient - deltas.T @ inputs)) / size
    if misfit > _CONTRADICTS or values[-1] <= np.finfo(float).eps * values[0]:
        raise MisfitError(
            f"{name}.weight: expected a gradient of {len(inputs)} samples as the layers above tell it, got one that "
            f"differs by {misfit:.1%}, or samples that cannot be told apart there; the pictures end here."
        )
    return BatchLayer(name, misfit, float(values[0] / values[-1]))
