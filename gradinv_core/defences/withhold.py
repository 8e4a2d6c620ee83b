"""Not sending the last layer at all: its gradient is the one that names the label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from gradinv_core.defences.announced import Announced
from gradinv_core.defences.defence import Defence, DefenceContext

__all__ = ["WithholdHead"]


@dataclass(frozen=True)
class WithholdHead(Defence):
    """Leave the last layer's entries out, as clients do that keep a personal head (Arivazhagan et al. 2019)."""

    name: ClassVar[str] = "withhold head"
    needs_head: ClassVar[bool] = True

    def apply(self, gradients: Mapping[str, torch.Tensor], context: DefenceContext) -> dict[str, torch.Tensor]:
        """Everything but the head's weight and bias gradients."""
        return {name: gradient.clone() for name, gradient in gradients.items() if not context.is_head(name)}

    def announce(self, announced: Announced, clip_norm: float | None) -> None:
        """Nothing follows for the layers that were sent."""
