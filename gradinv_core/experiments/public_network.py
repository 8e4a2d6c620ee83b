"""What both sides know before the training step: the network of a scenario, and what travels between them."""

from dataclasses import dataclass

import torch
from torch import nn

__all__ = ["Gradients", "PublicNetwork"]

Gradients = dict[str, torch.Tensor]
"""``{parameter name: gradient}``, the only thing that passes the wall."""


@dataclass(frozen=True)
class PublicNetwork:
    """What both sides know before the training step. Never modified.

    Attributes:
        name: of the architecture.
        model: with the weights.
        image_size: side of the pictures it is fed, in pixels.
        withheld: names of parameters whose gradient never leaves a device, by agreement.
    """

    name: str
    model: nn.Module
    image_size: int
    withheld: frozenset[str] = frozenset()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of what it is fed."""
        return (3, self.image_size, self.image_size)
