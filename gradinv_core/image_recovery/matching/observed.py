"""The observed gradient as one vector, checked against the network it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from gradinv_core.errors import NoExactRouteError
from gradinv_core.gradient_entries import gradient_entry

__all__ = ["ObservedGradient", "observe_gradient"]


@dataclass(frozen=True)
class ObservedGradient:
    """Every entry of the observed gradient in one vector, in the order of the network's parameters.

    Attributes:
        direction: (n,) the gradient divided by its norm, on the network's device and in its number type.
        size: the norm, above 0.
        shapes: the shape of each parameter.
    """

    direction: torch.Tensor
    size: float
    shapes: tuple[torch.Size, ...]

    def split(self, vector: torch.Tensor) -> list[torch.Tensor]:
        """Views of an (n,) vector, one in the shape of each parameter."""
        parts = vector.split([shape.numel() for shape in self.shapes])
        return [part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)]


def observe_gradient(model: nn.Module, gradients: Mapping[str, torch.Tensor]) -> ObservedGradient:
    """Put the gradients of all parameters end to end.

    Raises:
        OptionError: a parameter's gradient is missing.
        ShapeError: a gradient is not a tensor, or not of its parameter's shape.
        NonFiniteError: NaN or infinity inside.
        NoExactRouteError: every entry is zero.
    """
    parameters = dict(model.named_parameters())
    parts = [
        gradient_entry(gradients, name, parameter.shape).to(parameter).reshape(-1)
        for name, parameter in parameters.items()
    ]
    flat = torch.cat(parts)
    peak = float(flat.abs().max())
    if peak == 0:
        raise NoExactRouteError(
            "gradient: expected one that is not zero, got nothing but zeros; "
            "the network already answers exactly with the label, and such a step gives nothing away."
        )
    flat = flat / peak  # squares of a tiny gradient's entries would vanish
    norm = float(torch.linalg.vector_norm(flat))
    return ObservedGradient(flat.div_(norm), peak * norm, tuple(parameter.shape for parameter in parameters.values()))
