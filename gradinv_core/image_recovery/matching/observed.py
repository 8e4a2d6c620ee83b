"""The observed gradient as one vector, checked against the network it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from gradinv_core.errors import NoExactRouteError, OptionError
from gradinv_core.gradients import gradient_entry

__all__ = ["ObservedGradient", "observe_gradient"]


@dataclass(frozen=True)
class ObservedGradient:
    """Every entry of the observed gradient in one vector, in the order of the network's parameters.

    Parameters whose gradient was not sent have no part in it.

    Attributes:
        direction: (n,) the gradient divided by its norm, on the network's device and in its number type.
        size: the norm, above 0.
        shapes: the shape of each parameter whose gradient was sent, by name.
    """

    direction: torch.Tensor
    size: float
    shapes: Mapping[str, torch.Size]

    def split(self, vector: torch.Tensor) -> list[torch.Tensor]:
        """Views of an (n,) vector, one in the shape of each parameter."""
        parts = vector.split([shape.numel() for shape in self.shapes.values()])
        return [part.view(shape) for part, shape in zip(parts, self.shapes.values(), strict=True)]


def observe_gradient(model: nn.Module, gradients: Mapping[str, torch.Tensor]) -> ObservedGradient:
    """Put the gradients that were sent end to end.

    Args:
        model: the network.
        gradients: as from `read_gradients`.

    Raises:
        OptionError: there are none.
        NonFiniteError: NaN or infinity inside.
        NoExactRouteError: every entry is zero.
    """
    parameters = {name: parameter for name, parameter in model.named_parameters() if name in gradients}
    if not parameters:
        raise OptionError(
            "gradients: expected at least one entry, got none; there is nothing to search with, so pass those of a "
            "training step."
        )
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
    shapes = {name: parameter.shape for name, parameter in parameters.items()}
    return ObservedGradient(flat.div_(norm), peak * norm, shapes)
