"""Counting before solving: how many unknowns each layer of any network has, and how many equations speak of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from gradinv_core.errors import ShapeError
from gradinv_core.image_recovery.chain import check_shape
from gradinv_core.twin import private_twin

__all__ = ["LayerBudget", "layer_budget"]


@dataclass(frozen=True)
class LayerBudget:
    """One layer with weights.

    Attributes:
        name: module name in the network.
        kind: "convolution" or "fully connected".
        input_shape: of what goes in.
        unknowns: entries of its input.
        output_equations: entries of its output, each one a linear equation for the input if the output is known.
        gradient_equations: entries of its weight gradient, likewise if the gradient at the output is known.
    """

    name: str
    kind: str
    input_shape: tuple[int, ...]
    unknowns: int
    output_equations: int
    gradient_equations: int


def layer_budget(model: nn.Module, input_shape: Sequence[int]) -> tuple[LayerBudget, ...]:
    """Count the layers of a network, in the order in which they run.

    Args:
        model: any network; it is left as it is.
        input_shape: (channels, height, width) of the image.

    Raises:
        ShapeError: the network cannot take such an image.
        OptionError: it has no parameters.
    """
    shape = check_shape(input_shape)
    with torch.inference_mode(False), torch.no_grad():
        twin = private_twin(model)
        found: list[LayerBudget] = []
        for name, module in twin.named_modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                module.register_forward_hook(_recorder(name, found))
        first = next(model.parameters())
        try:
            twin(torch.zeros((1, *shape), dtype=first.dtype, device=first.device))
        except (RuntimeError, ValueError, IndexError) as error:
            raise ShapeError(
                f"input_shape: expected an image the network can take, got {shape} ({str(error).splitlines()[0]})."
            ) from error
    return tuple(found)


def _recorder(
    name: str, found: list[LayerBudget]
) -> Callable[[nn.Module, tuple[torch.Tensor, ...], torch.Tensor], None]:
    def record(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        weight = module.weight
        if not isinstance(weight, torch.Tensor):
            return
        kind = "convolution" if isinstance(module, nn.Conv2d) else "fully connected"
        entries = inputs[0][0]
        found.append(LayerBudget(name, kind, tuple(entries.shape), entries.numel(), output[0].numel(), weight.numel()))

    return record
