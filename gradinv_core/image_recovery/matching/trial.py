"""One trial run through the network: what it answers, and what its fully connected layers get to see."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from gradinv_core.errors import NonFiniteError, ShapeError

__all__ = ["Trial", "trial_run"]


@dataclass(frozen=True)
class Trial:
    """What a grey image did in the network.

    Attributes:
        classes: number of logits C.
        inputs: for every fully connected layer that is used exactly once, the number of entries of its input.
    """

    classes: int
    inputs: dict[str, int]


def trial_run(twin: nn.Module, shape: tuple[int, int, int]) -> Trial:
    """Send a grey image through the network once.

    Raises:
        ShapeError: the network cannot take images of that shape, or its answer is not (1, C).
        NonFiniteError: its weights are not finite.
    """
    uses: dict[str, list[int]] = {}
    handles = []
    for name, module in twin.named_modules():
        if isinstance(module, nn.Linear):
            sizes = uses.setdefault(name, [])
            handles.append(
                module.register_forward_pre_hook(lambda _, inputs, sizes=sizes: sizes.append(inputs[0].numel()))
            )
    try:
        with torch.no_grad():
            logits = twin(torch.full((1, *shape), 0.5).to(next(twin.parameters())))
    except RuntimeError as error:
        raise ShapeError(
            f"input_shape: expected a size the network can take, got {shape} ({str(error).splitlines()[0]})."
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or logits.shape[0] != 1:
        came = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ShapeError(f"network: expected logits of shape (1, classes), got {came}.")
    if not all(torch.isfinite(parameter).all() for parameter in twin.parameters()):
        raise NonFiniteError("network: expected finite weights, got NaN or infinity among them.")
    return Trial(logits.shape[1], {name: sizes[0] for name, sizes in uses.items() if len(sizes) == 1})
