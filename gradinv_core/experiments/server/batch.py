"""The server before a gradient of several samples: it takes them apart, and goes down to the pictures where it can."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gradinv_core.batch_recovery import BatchRecovery, recover_batch, view_below
from gradinv_core.batch_recovery.pictures import pictures_of_batch
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.public_network import Gradients, PublicNetwork
from gradinv_core.head import find_head, view_head
from gradinv_core.image_recovery.chain import network_chain

__all__ = ["BatchAttack", "attack_batch"]

_PROGRAMS = 100  # as long as a page waits: a second or two


@dataclass(frozen=True)
class BatchAttack:
    """What the server makes of a batch.

    Attributes:
        recovery: one label and feature for each sample.
        images: (K, 3, h, w) pictures in the same order; None where no way leads to them.
        why_none: what keeps it from the pictures then.
    """

    recovery: BatchRecovery
    images: torch.Tensor | None
    why_none: GradientInversionError | None = None


def attack_batch(network: PublicNetwork, gradients: Gradients, pictures: bool = True) -> BatchAttack:
    """Labels, features and pictures of all samples of a step.

    Args:
        network: the public network.
        gradients: what left the device.
        pictures: whether to go on to the pictures.

    Raises:
        GradientInversionError: the last layer was not sent, or has too few classes.
    """
    head = find_head(network.model)
    below = view_below(network.model, gradients, head)
    recovery = recover_batch(*view_head(network.model, gradients, head), below=below, programs=_PROGRAMS, seed=0)
    if not pictures:
        return BatchAttack(recovery, None)
    try:
        links = network_chain(network.model, network.image_shape)
        return BatchAttack(recovery, pictures_of_batch(links, gradients, network.image_shape, recovery).images)
    except GradientInversionError as error:
        return BatchAttack(recovery, None, error)
