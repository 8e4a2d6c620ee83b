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
from gradinv_core.images import check_image
from gradinv_core.labels import check_soft_label
from gradinv_core.networks import find_head
from gradinv_core.twin import private_twin

__all__ = ["BATCH_NORM_MODES", "Truth", "capture_batch_gradients", "capture_gradients", "client_truth"]

BATCH_NORM_MODES = ("evaluation", "training")


@dataclass(frozen=True)
class Truth:
    """What only the client knows about its training step.

    Attributes:
        image: (3, h, w) the network's input.
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
    model: nn.Module, image: torch.Tensor, soft_label: ArrayLike, *, batch_norm: str = "evaluation"
) -> dict[str, torch.Tensor]:
    """Take one training step's gradient, as the client would send it.

    The loss is the cross-entropy with a soft label, ``-(y * log_softmax(z)).sum()``. The model itself is left as it
    was: same mode, same running statistics, no ``.grad``.

    Args:
        model: any network that maps (1, 3, h, w) to logits (1, C).
        image: (3, h, w) or (1, 3, h, w), finite.
        soft_label: (C,) point of the simplex.
        batch_norm: "evaluation" normalises by the running statistics, which the server knows; "training" by those of
            the sample itself, which it does not.

    Returns:
        ``{parameter name: gradient}``, each with the shape, type and device of its parameter.

    Raises:
        ShapeError: a batch, a wrong image or label shape, or an image size the network cannot take.
        NonFiniteError: NaN or infinity in the image, the label, the logits or the gradient.
        LabelError: the label is not on the probability simplex.
        OptionError: unknown ``batch_norm``, or a network without parameters.
    """
    batch, twin = _as_input(model, image), _client_twin(model, batch_norm)
    return _gradients(twin, batch, [soft_label])


def capture_batch_gradients(
    model: nn.Module,
    images: Sequence[torch.Tensor],
    soft_labels: Sequence[ArrayLike],
    *,
    batch_norm: str = "evaluation",
) -> dict[str, torch.Tensor]:
    """The gradient of several samples at once: of their mean loss, as a client with a batch would send it.

    Args:
        model: as in `capture_gradients`.
        images: N images (3, h, w) of one size, N >= 1.
        soft_labels: N labels (C,).
        batch_norm: as in `capture_gradients`.

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
    inputs, twin = [_as_input(model, image) for image in images], _client_twin(model, batch_norm)
    sizes = {tuple(image.shape[1:]) for image in inputs}
    if len(sizes) > 1:
        raise ShapeError(f"batch: expected images of one size, got {sorted(sizes)}; resize them.")
    return _gradients(twin, torch.cat(inputs), soft_labels)


def client_truth(
    model: nn.Module,
    image: torch.Tensor,
    soft_label: ArrayLike,
    *,
    batch_norm: str = "evaluation",
    others: Sequence[torch.Tensor] = (),
    head: str | None = None,
) -> Truth:
    """Run the same forward pass and keep what the gradient is supposed to hide.

    Args:
        model: network in which an ``nn.Linear`` produces the logits.
        image: (3, h, w) or (1, 3, h, w), finite.
        soft_label: (C,) point of the simplex.
        batch_norm: as in `capture_gradients`.
        others: the rest of a batch (3, h, w); batch norm in training mode lets them change this sample's features.
        head: name of the layer that produces the logits; None looks for it, see `find_head`.

    Returns:
        The truth of this one sample, for metrics and figures only.

    Raises:
        OptionError: the network has no fully connected layer, or several that may be the last.
        ShapeError, NonFiniteError, LabelError: as in `capture_gradients`.
    """
    batch = torch.cat([_as_input(model, one) for one in (image, *others)])
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


def _gradients(twin: nn.Module, batch: torch.Tensor, soft_labels: Sequence[ArrayLike]) -> dict[str, torch.Tensor]:
    """Gradient of the mean loss of a batch (N, 3, h, w) with its N labels."""
    parameters = dict(twin.named_parameters())
    with torch.enable_grad():
        logits = _forward(twin, batch)
        labels = [check_soft_label(label, classes=logits.shape[1]).to(logits) for label in soft_labels]
        losses = [-(label * torch.log_softmax(z, dim=0)).sum() for z, label in zip(logits, labels, strict=True)]
        mean = torch.stack(losses).mean()
        gradients = torch.autograd.grad(mean, list(parameters.values()), allow_unused=True, materialize_grads=True)
    if not all(torch.isfinite(gradient.sum()) or torch.isfinite(gradient).all() for gradient in gradients):
        raise NonFiniteError(
            "gradient: expected finite numbers, got NaN or infinity; the network's weights are too large."
        )
    return dict(zip(parameters, gradients, strict=True))


def _as_input(model: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """Batch of one, (1, 3, h, w), on the model's device and in its number type."""
    checked = check_image(image)
    first = next(model.parameters(), None)
    if first is None:
        raise OptionError(f"network: expected one with parameters, got {type(model).__name__} without any.")
    return checked.to(first)[None]


def _forward(twin: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """Logits (N, C) of N images."""
    try:
        logits = twin(batch)
    except (RuntimeError, ValueError) as error:  # batch norm refuses a single value per channel with a ValueError
        raise ShapeError(
            f"image: expected a size the network can take, got {tuple(batch.shape[1:])} "
            f"({str(error).splitlines()[0]}); resize the image to the network's image size."
        ) from error
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or logits.shape[0] != len(batch):
        came = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ShapeError(f"network: expected logits of shape ({len(batch)}, classes), got {came}.")
    if not torch.isfinite(logits).all():
        raise NonFiniteError(
            "logits: expected finite numbers, got NaN or infinity; the network's weights are too large."
        )
    return logits
