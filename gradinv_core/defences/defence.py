"""The shape of every defence: public parameters, and one method that maps gradients to gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar

import torch
from torch import nn

from gradinv_core.arrays import is_number
from gradinv_core.defences.announced import Announced
from gradinv_core.errors import OptionError

__all__ = ["Defence", "DefenceContext", "check_share", "norm_of", "share_count"]


@dataclass(frozen=True)
class DefenceContext:
    """What a client has at hand while it defends one gradient.

    Attributes:
        model: the network the gradient belongs to.
        head_weight: name of the last layer's weight, such as "7.weight"; empty where no defence asks for it.
        head_bias: name of its bias, None for a bias-free head.
        generator: where random draws come from.
        clip_norm: the norm the gradient has been clipped to so far, None if it has not been.
        image: (3, h, w) the training image, where the client passed it along.
    """

    model: nn.Module
    head_weight: str
    head_bias: str | None
    generator: torch.Generator
    clip_norm: float | None = None
    image: torch.Tensor | None = None

    def is_head(self, name: str) -> bool:
        """Whether a parameter of this name belongs to the last layer."""
        return name in (self.head_weight, self.head_bias)


@dataclass(frozen=True)
class Defence(ABC):
    """One step of a client's protection. Its fields are public: the server may be told them.

    Every subclass has a ``name``, at most one field (its parameter), and is immutable.
    """

    name: ClassVar[str]
    needs_head: ClassVar[bool] = False
    """Whether it has to know which layer is the last."""

    @abstractmethod
    def apply(self, gradients: Mapping[str, torch.Tensor], context: DefenceContext) -> dict[str, torch.Tensor]:
        """New gradients; the given ones are left as they are.

        Args:
            gradients: ``{parameter name: gradient}``, finite. Some may be missing: those of frozen layers, or the
                head's, if they were withheld.
            context: see `DefenceContext`.

        Returns:
            Gradients of the same shapes and types. Only `WithholdHead` leaves any out.
        """

    @abstractmethod
    def announce(self, announced: Announced, clip_norm: float | None) -> None:
        """Change ``announced`` to what a server concludes that was told of this defence; only public fields are read.

        Args:
            announced: what follows from the defences after this one.
            clip_norm: in force before this defence, None without.
        """

    def clip_norm_after(self, clip_norm: float | None) -> float | None:
        """The clip norm in force once this defence has been applied."""
        return clip_norm

    @property
    def parameter(self) -> float | int | None:
        """The value of the one public parameter, None if there is none."""
        own = fields(self)
        value: float | int | None = getattr(self, own[0].name) if own else None
        return value


def norm_of(gradients: Mapping[str, torch.Tensor]) -> float:
    """L2 norm of all gradients taken together, summed in float64; 0 for none."""
    parts = [float(torch.linalg.vector_norm(gradient, dtype=torch.float64)) for gradient in gradients.values()]
    return float(torch.tensor(parts, dtype=torch.float64).norm())


def check_share(share: object, name: str, what: str) -> None:
    """Refuse a share that is not strictly between 0 and 1.

    Raises:
        OptionError: it is not.
    """
    if not (is_number(share) and 0 < float(share) < 1):  # type: ignore[arg-type]
        raise OptionError(f"{name}: expected a share of {what} above 0 and below 1, got {share!r}; choose 0.5, say.")


def share_count(share: float, total: int) -> int:
    """The nearest whole number to a share of a total: at least one, and not all unless there is only one to keep."""
    return min(max(round(share * total), 1), total - 1)
