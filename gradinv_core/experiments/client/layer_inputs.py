"""What every layer of the client's network really got to see: the truth beside the server's feature maps."""

from collections.abc import Collection

import torch
from torch import nn

from gradinv_core.twin import private_twin

__all__ = ["true_inputs"]


def true_inputs(model: nn.Module, image: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
    """Inputs of some layers during the client's forward pass.

    Args:
        model: the network; it is left as it is.
        image: (3, h, w) the client's picture.
        names: of the layers.

    Returns:
        ``{layer name: its input}`` in float64, without the batch's axis; names that are no layer are left out.
    """
    twin = private_twin(model)  # hooks on a cached network would be seen by other visitors
    seen: dict[str, torch.Tensor] = {}

    def remember(name: str, value: torch.Tensor) -> None:
        seen.setdefault(name, value.detach()[0].double().cpu())

    for name, module in twin.named_modules():
        if name in names:
            module.register_forward_pre_hook(lambda _, inputs, name=name: remember(name, inputs[0]))
    first = next(model.parameters())
    with torch.no_grad():
        twin(image.to(first)[None])
    return seen
