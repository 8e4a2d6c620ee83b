"""A private copy of a network, for whoever differentiates it: the client's step and the server's search alike."""

from __future__ import annotations

import copy

from torch import nn

from gradinv_core.errors import OptionError

__all__ = ["private_twin"]


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
