"""A private copy of the network for the search, and one trial run through it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from gradinv_core.errors import NonFiniteError, OptionError, ShapeError

__all__ = ["Trial", "check_input_shape", "private_twin", "trial_run"]


def private_twin(model: nn.Module) -> nn.Module:
    """Copy of the modules that shares the memory of every weight, in evaluation mode, with gradients switched on.

    The caller's model may be shared between threads, frozen or in training mode; the twin leaves all of that alone.

    Raises:
        OptionError: the model has no parameters.
    """
    if next(model.parameters(), None) is None:
        raise OptionError(f"network: expected one with parameters, got {type(model).__name__} without any.")
    shared: dict[int, object] = {id(buffer): buffer for buffer in model.buffers()}
    shared |= {id(parameter): nn.Parameter(parameter.detach()) for parameter in model.parameters()}
    return copy.deepcopy(model, shared).eval()


def check_input_shape(input_shape: Sequence[int]) -> tuple[int, int, int]:
    """The image's (channels, height, width) as a tuple.

    Raises:
        ShapeError: not three whole numbers above 0.
    """
    sizes = tuple(input_shape) if isinstance(input_shape, Sequence) else ()
    if len(sizes) != 3 or not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ShapeError(f"input_shape: expected (channels, height, width), all above 0, got {input_shape!r}.")
    return sizes[0], sizes[1], sizes[2]


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
