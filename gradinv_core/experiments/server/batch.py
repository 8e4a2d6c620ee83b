"""The server before a gradient of several samples: it takes them apart, and goes down to the pictures where it can."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from gradinv_core.batch_recovery import BatchRecovery, recover_batch, view_below
from gradinv_core.batch_recovery.directions import OnProgress
from gradinv_core.batch_recovery.pictures import BatchPictures, pictures_of_batch
from gradinv_core.batch_recovery.pictures.result import OnStep
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.public_network import Gradients, PublicNetwork
from gradinv_core.head import find_head, view_head
from gradinv_core.image_recovery.result import Stop

__all__ = ["BatchAttack", "attack_batch", "attack_batch_pictures"]

_PROGRAMS = 100  # as long as a page waits: a second or two


@dataclass(frozen=True)
class BatchAttack:
    """What the server makes of a batch.

    Attributes:
        recovery: one label and feature for each sample.
        pictures: what the way down from there gave; None where it was not tried, or could not begin.
        why_none: what kept it from beginning then.
    """

    recovery: BatchRecovery
    pictures: BatchPictures | None = None
    why_none: GradientInversionError | None = None

    @property
    def images(self) -> torch.Tensor | None:
        """(K, 3, h, w) pictures in the answers' order; None where no way leads to them."""
        return None if self.pictures is None else self.pictures.images


def attack_batch(
    network: PublicNetwork,
    gradients: Gradients,
    pictures: bool = True,
    on_progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> BatchAttack:
    """Labels, features and pictures of all samples of a step.

    Args:
        network: the public network.
        gradients: what left the device.
        pictures: whether to go on to the pictures, which takes minutes through convolutions.
        on_progress: called with the number of features found and the number looked for.
        stop: asked often; True ends the work with what is known by then.

    Raises:
        GradientInversionError: the last layer was not sent, or has too few classes.
    """
    head = find_head(network.model)
    below = view_below(network.model, gradients, head)
    recovery = recover_batch(
        *view_head(network.model, gradients, head),
        below=below,
        programs=_PROGRAMS,
        seed=0,
        on_progress=on_progress,
        stop=stop,
    )
    attack = BatchAttack(recovery)
    return attack_batch_pictures(network, gradients, attack, stop=stop) if pictures else attack


def attack_batch_pictures(
    network: PublicNetwork,
    gradients: Gradients,
    attack: BatchAttack,
    on_step: OnStep | None = None,
    stop: Stop | None = None,
) -> BatchAttack:
    """The same with its pictures, as far as a way leads to them.

    Args:
        network: the public network.
        gradients: what left the device.
        attack: with labels and features.
        on_step: told of every layer, and of pictures on the way.
        stop: asked often.
    """
    try:
        found = pictures_of_batch(
            network.model, gradients, network.image_shape, attack.recovery, on_step=on_step, stop=stop
        )
    except GradientInversionError as error:
        return replace(attack, why_none=error)
    return replace(attack, pictures=found)
