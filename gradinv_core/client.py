"""The federated client: one image, one soft label, one gradient. Kept apart from it: the truth.

`capture_gradients` returns everything the server may see. `client_truth` returns what it must not see: figures and
metrics read it, attacks never import this module.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from gradinv_core.arrays import ArrayLike
from gradinv_core.errors import NonFiniteError, OptionError, ShapeError
from gradinv_core.images import check_image
from gradinv_core.labels import check_soft_label
from gradinv_core.networks import find_head
from gradinv_core.twin import private_twin

__all__ = ["Truth", "capture_gradients", "client_truth"]


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


def capture_gradients(model: nn.Module, image: torch.Tensor, soft_label: ArrayLike) -> dict[str, torch.Tensor]:
    """Take one training step's gradient, as the client would send it.

    The loss is the cross-entropy with a soft label, ``-(y * log_softmax(z)).sum()``. Batch norm uses its running
    statistics. The model itself is left as it was: same mode, no ``.grad``.

    Args:
        model: any network that maps (1, 3, h, w) to logits (1, C).
        image: (3, h, w) or (1, 3, h, w), finite.
        soft_label: (C,) point of the simplex.

    Returns:
        ``{parameter name: gradient}``, each with the shape, type and device of its parameter.

    Raises:
        ShapeError: a batch, a wrong image or label shape, or an image size the network cannot take.
        NonFiniteError: NaN or infinity in the image, the label, the logits or the gradient.
        LabelError: the label is not on the probability simplex.
    """
    batch, twin = _as_input(model, image), private_twin(model)
    parameters = dict(twin.named_parameters())
    with torch.enable_grad():
        logits = _forward(twin, batch)
        label = check_soft_label(soft_label, classes=logits.shape[0]).to(logits)
        loss = -(label * torch.log_softmax(logits, dim=0)).sum()
        gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True, materialize_grads=True)
    if not all(torch.isfinite(gradient.sum()) or torch.isfinite(gradient).all() for gradient in gradients):
        raise NonFiniteError(
            "gradient: expected finite numbers, got NaN or infinity; the network's weights are too large."
        )
    return dict(zip(parameters, gradients, strict=True))


def client_truth(model: nn.Module, image: torch.Tensor, soft_label: ArrayLike) -> Truth:
    """Run the same forward pass and keep what the gradient is supposed to hide.

    Args:
        model: network whose last ``nn.Linear`` produces the logits.
        image: (3, h, w) or (1, 3, h, w), finite.
        soft_label: (C,) point of the simplex.

    Returns:
        The truth, for metrics and figures only.

    Raises:
        OptionError: the network has no fully connected layer.
        ShapeError, NonFiniteError, LabelError: as in `capture_gradients`.
    """
    batch, twin = _as_input(model, image), private_twin(model)
    seen: list[torch.Tensor] = []
    twin.get_submodule(find_head(twin)).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        logits = _forward(twin, batch).double().cpu()
    label = check_soft_label(soft_label, classes=logits.shape[0])
    probabilities = torch.softmax(logits, dim=0)
    difference = probabilities - label
    row = int(difference.abs().argmax())
    return Truth(
        image=check_image(image).cpu(),
        label=label,
        logits=logits,
        probabilities=probabilities,
        feature=seen[-1].double().cpu().flatten(),
        scale=1.0 / float(difference[row]) if difference[row] != 0 else float("inf"),
        row=row,
    )


def _as_input(model: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """Batch of one, (1, 3, h, w), on the model's device and in its number type."""
    checked = check_image(image)
    first = next(model.parameters(), None)
    if first is None:
        raise OptionError(f"network: expected one with parameters, got {type(model).__name__} without any.")
    return checked.to(first)[None]


def _forward(twin: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """Logits (C,) of one image."""
    try:
        logits = twin(batch)
    except RuntimeError as error:
        raise ShapeError(
            f"image: expected a size the network can take, got {tuple(batch.shape[1:])} "
            f"({str(error).splitlines()[0]}); resize the image to the network's image size."
        ) from error
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or logits.shape[0] != 1:
        came = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ShapeError(f"network: expected logits of shape (1, classes), got {came}.")
    if not torch.isfinite(logits).all():
        raise NonFiniteError(
            "logits: expected finite numbers, got NaN or infinity; the network's weights are too large."
        )
    return logits[0]
