"""The federated client: one image, one soft label, one gradient. Kept apart from it: the truth.

`capture_gradients` returns everything the server may see. `client_truth` returns what it must not see: figures and
metrics read it, attacks never import this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from gradinv_core.arrays import ArrayLike
from gradinv_core.errors import NonFiniteError, OptionError, ShapeError
from gradinv_core.head import find_head
from gradinv_core.images import check_image
from gradinv_core.labels import check_soft_label
from gradinv_core.losses import TrainingLoss, training_loss
from gradinv_core.pixels import PerChannel, pixel_space
from gradinv_core.twin import private_twin

__all__ = ["BATCH_NORM_MODES", "Truth", "capture_batch_gradients", "capture_gradients", "client_truth"]

BATCH_NORM_MODES = ("evaluation", "training")


@dataclass(frozen=True)
class Truth:
    """What only the client knows about its training step.

    Attributes:
        image: (channels, h, w) the picture itself, whatever the network was fed for it.
        label: (C,) float64 soft label y.
        logits: (C,) float64 z.
        probabilities: (C,) float64 p = softmax(z).
        feature: (d,) float64 input x of the last fully connected layer.
        scale: ``lambda_r = 1 / (p_r - y_r)``; infinite when the prediction equals the label and the gradient is zero.
        row: r, the class of largest ``|p - y|``, whose gradient row has the largest norm.
    """

    image: torch.Tensor
    label: torch.Tensor
    logits: torch.Tensor
    probabilities: torch.Tensor
    feature: torch.Tensor
    scale: float
    row: int


def capture_gradients(
    model: nn.Module,
    image: torch.Tensor,
    soft_label: ArrayLike,
    *,
    batch_norm: str = "evaluation",
    temperature: float = 1.0,
    class_weights: ArrayLike | None = None,
    mean: PerChannel | None = None,
    std: PerChannel | None = None,
    pixel_range: Sequence[float] | None = None,
) -> dict[str, torch.Tensor]:
    """Take one training step's gradient, as the client would send it.

    The loss is the cross-entropy with a soft label, ``-(y * log_softmax(z)).sum()``; a temperature or class weights
    make it that of `TrainingLoss`. The model itself is left as it was: same mode, running statistics, no ``.grad``.

    Args:
        model: any network that maps (1, channels, h, w) to logits (1, C).
        image: (channels, h, w) or (1, channels, h, w), finite: one channel for a grey picture, three for colour.
        soft_label: (C,) point of the simplex.
        batch_norm: "evaluation" normalises by the running statistics, which the server knows; "training" by those of
            the sample itself, which it does not.
        temperature: T > 0 of the loss ``T^2 * cross_entropy(z / T, y)``, as in distillation.
        class_weights: (C,) weights w > 0 of the loss ``-sum w_i y_i log p_i``, None for none.
        mean: per channel; with ``std`` the image is the picture in [0, 1], and the network is fed
            ``(image - mean) / std``.
        std: per channel, above 0.
        pixel_range: (low, high) of the image's pixels, which the network is fed as they are. Without any of the three
            it is fed whatever the image holds.

    Returns:
        ``{parameter name: gradient}``, each with the shape, type and device of its parameter.

    Raises:
        ShapeError: a batch, a wrong image or label shape, or an image size the network cannot take.
        NonFiniteError: NaN or infinity in the image, the label, the logits or the gradient.
        LabelError: the label is not on the probability simplex.
        OptionError: unknown ``batch_norm``, a temperature or weight that is none, a network without parameters, or
            pixels that ``mean``, ``std`` and ``pixel_range`` do not fit.
    """
    batch, twin = _as_input(model, image, mean, std, pixel_range), _client_twin(model, batch_norm)
    return _gradients(twin, batch, [soft_label], training_loss(temperature, class_weights))


def capture_batch_gradients(
    model: nn.Module,
    images: Sequence[torch.Tensor],
    soft_labels: Sequence[ArrayLike],
    *,
    batch_norm: str = "evaluation",
    temperature: float = 1.0,
    class_weights: ArrayLike | None = None,
    mean: PerChannel | None = None,
    std: PerChannel | None = None,
    pixel_range: Sequence[float] | None = None,
) -> dict[str, torch.Tensor]:
    """The gradient of several samples at once: of their mean loss, as a client with a batch would send it.

    Args:
        model: as in `capture_gradients`.
        images: N images (channels, h, w) of one size, N >= 1.
        soft_labels: N labels (C,).
        batch_norm: as in `capture_gradients`, and so are the others.
        temperature: of the loss.
        class_weights: (C,) of the loss.
        mean: per channel.
        std: per channel.
        pixel_range: (low, high).

    Returns:
        As `capture_gradients`.

    Raises:
        ShapeError: no image, as many labels as images, or images of different sizes.
        NonFiniteError, LabelError, OptionError: as in `capture_gradients`.
    """
    if not images or len(images) != len(soft_labels):
        raise ShapeError(
            f"batch: expected at least one image and a label for each, got {len(images)} and {len(soft_labels)}."
        )
    inputs = [_as_input(model, image, mean, std, pixel_range) for image in images]
    twin = _client_twin(model, batch_norm)
    sizes = {tuple(image.shape[1:]) for image in inputs}
    if len(sizes) > 1:
        raise ShapeError(f"batch: expected images of one size, got {sorted(sizes)}; resize them.")
    return _gradients(twin, torch.cat(inputs), soft_labels, training_loss(temperature, class_weights))


def client_truth(
    model: nn.Module,
    image: torch.Tensor,
    soft_label: ArrayLike,
    *,
    batch_norm: str = "evaluation",
    others: Sequence[torch.Tensor] = (),
    head: str | None = None,
    mean: PerChannel | None = None,
    std: PerChannel | None = None,
    pixel_range: Sequence[float] | None = None,
) -> Truth:
    """Run the same forward pass and keep what the gradient is supposed to hide.

    Args:
        model: network in which an ``nn.Linear`` produces the logits.
        image: (channels, h, w) or (1, channels, h, w), finite.
        soft_label: (C,) point of the simplex.
        batch_norm: as in `capture_gradients`, and so are the last three.
        others: the rest of a batch (channels, h, w); batch norm in training mode lets them change this sample's
            features.
        head: name of the layer that produces the logits; None looks for it, see `find_head`.
        mean: per channel.
        std: per channel.
        pixel_range: (low, high).

    Returns:
        The truth of this one sample, for metrics and figures only.

    Raises:
        OptionError: the network has no fully connected layer, or several that may be the last.
        ShapeError, NonFiniteError, LabelError: as in `capture_gradients`.
    """
    batch = torch.cat([_as_input(model, one, mean, std, pixel_range) for one in (image, *others)])
    twin = _client_twin(model, batch_norm)
    seen: list[torch.Tensor] = []
    twin.get_submodule(find_head(twin, head)).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        logits = _forward(twin, batch)[0].double().cpu()
    label = check_soft_label(soft_label, classes=logits.shape[0])
    probabilities = torch.softmax(logits, dim=0)
    difference = probabilities - label
    row = int(difference.abs().argmax())
    return Truth(
        image=check_image(image).cpu(),
        label=label,
        logits=logits,
        probabilities=probabilities,
        feature=seen[-1][0].double().cpu().flatten(),
        scale=1.0 / float(difference[row]) if difference[row] != 0 else float("inf"),
        row=row,
    )


def _client_twin(model: nn.Module, batch_norm: str) -> nn.Module:
    """A private copy of the network whose batch norm is in the mode asked for."""
    if batch_norm not in BATCH_NORM_MODES:
        raise OptionError(f"batch_norm: expected one of {', '.join(BATCH_NORM_MODES)}, got {batch_norm!r}.")
    twin = private_twin(model)
    if batch_norm == "training":
        for module in twin.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                # Without running statistics it takes the sample's own; the model's, whose memory is shared, stay.
                module.running_mean = module.running_var = module.num_batches_tracked = None
    return twin


def _gradients(
    twin: nn.Module, batch: torch.Tensor, soft_labels: Sequence[ArrayLike], loss: TrainingLoss
) -> dict[str, torch.Tensor]:
    """Gradient of the mean loss of a batch (N, channels, h, w) with its N labels."""
    parameters = dict(twin.named_parameters())
    with torch.enable_grad():
        logits = _forward(twin, batch)
        labels = [check_soft_label(label, classes=logits.shape[1]).to(logits) for label in soft_labels]
        mean = loss(logits, torch.stack(labels))
        gradients = torch.autograd.grad(mean, list(parameters.values()), allow_unused=True, materialize_grads=True)
    if not all(torch.isfinite(gradient.sum()) or torch.isfinite(gradient).all() for gradient in gradients):
        raise NonFiniteError(
            "gradient: expected finite numbers, got NaN or infinity; the network's weights are too large."
        )
    return dict(zip(parameters, gradients, strict=True))


def _as_input(
    model: nn.Module,
    image: torch.Tensor,
    mean: PerChannel | None,
    std: PerChannel | None,
    pixel_range: Sequence[float] | None,
) -> torch.Tensor:
    """Batch of one, (1, channels, h, w), as the network is fed it: on its device and in its number type."""
    checked = check_image(image)
    space = pixel_space(mean, std, pixel_range, len(checked))
    if not space.is_plain:
        space.check_picture(checked)
    first = next(model.parameters(), None)
    if first is None:
        raise OptionError(f"network: expected one with parameters, got {type(model).__name__} without any.")
    return space.to_network(checked.to(first))[None]


def _forward(twin: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """Logits (N, C) of N images."""
    try:
        logits = twin(batch)
    except (RuntimeError, ValueError) as error:  # batch norm refuses a single value per channel with a ValueError
        raise ShapeError(
            f"image: expected a size the network can take, got {tuple(batch.shape[1:])} "
            f"({str(error).splitlines()[0]}); give the image the channels, height and width of the network's input."
        ) from error
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or logits.shape[0] != len(batch):
        came = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ShapeError(f"network: expected logits of shape ({len(batch)}, classes), got {came}.")
    if not torch.isfinite(logits).all():
        raise NonFiniteError(
            "logits: expected finite numbers, got NaN or infinity; the network's weights are too large."
        )
    return logits
