"""The proof of the pictures: sent through the network, do they lead to what came?

Two questions, neither of which the pictures were made to answer. What the head read of each sample is known from the
head alone; and the gradient of all pictures and labels together has to be the one that came.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from gradinv_core.batch_recovery.result import BatchRecovery
from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.stopping import ask
from gradinv_core.losses import CROSS_ENTROPY, TrainingLoss
from gradinv_core.pixels import PixelSpace
from gradinv_core.twin import private_twin

__all__ = ["replay"]


def replay(
    model: nn.Module,
    head: str,
    images: torch.Tensor,
    labels: BatchRecovery,
    gradients: Mapping[str, torch.Tensor],
    space: PixelSpace,
    loss: TrainingLoss = CROSS_ENTROPY,
    stop: Stop | None = None,
) -> tuple[tuple[float, ...], float]:
    """Play the client's step again, with what was recovered.

    Args:
        model: the network.
        head: name of its last layer.
        images: (K, channels, height, width).
        labels: in the same order.
        gradients: ``{parameter name: gradient}`` as they came.
        space: how the network sees a picture.
        loss: what the client minimised.
        stop: asked once.

    Returns:
        For each picture, how far its feature is off the one known from the head, relative; and how far the batch's
        gradient is off the one that came, relative.

    Raises:
        StoppedError: the work was stopped.
    """
    ask(stop)
    twin = private_twin(model).double().cpu()
    read: list[torch.Tensor] = []
    twin.get_submodule(head).register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].detach()))
    with torch.inference_mode(False), torch.enable_grad():
        logits = twin(space.to_network(images).clone())
        counts = torch.tensor([float(each.samples) for each in labels.evidence], dtype=torch.float64)
        pairs = zip(logits.detach().numpy(), labels.labels.double().numpy(), strict=True)
        residuals = torch.from_numpy(np.stack([loss.residual(*pair) for pair in pairs]))
        residuals *= (counts / counts.sum())[:, None]
        named = {name: parameter for name, parameter in twin.named_parameters() if name in gradients}
        again = torch.autograd.grad(logits, list(named.values()), residuals, allow_unused=True)
    features = labels.features.double()
    agreement = (read[0] - features).norm(dim=1) / features.norm(dim=1)
    missed = size = 0.0
    for name, gradient in zip(named, again, strict=True):
        came = gradients[name].detach().double().cpu()
        missed += float((came if gradient is None else came - gradient).square().sum())
        size += float(came.square().sum())
    return tuple(agreement.tolist()), (missed / size) ** 0.5
