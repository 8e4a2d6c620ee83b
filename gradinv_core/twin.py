"""A private copy of a network, for whoever differentiates it: the client's step and the server's search alike."""

from __future__ import annotations

import copy

from torch import nn

from gradinv_core.errors import OptionError

__all__ = ["private_twin"]


def private_twin(model: nn.Module) -> nn.Module:
    """Copy of the modules that shares the memory of every weight, in evaluation mode, with gradients switched on.

    The caller's model may be shared between threads, frozen or in training mode; the twin leaves all of that alone.
    The hooks with which Opacus follows a training step are not copied.

    Raises:
        OptionError: the model has no parameters.
    """
    if next(model.parameters(), None) is None:
        raise OptionError(f"network: expected one with parameters, got {type(model).__name__} without any.")
    shared: dict[int, object] = {id(buffer): buffer for buffer in model.buffers()}
    shared |= {id(parameter): nn.Parameter(parameter.detach()) for parameter in model.parameters()}
    twin = copy.deepcopy(model, shared).eval()
    for module in twin.modules():
        for hooks in (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks):
            for key in [key for key, hook in hooks.items() if _is_of_opacus(hook)]:
                del hooks[key]
    return twin


def _is_of_opacus(hook: object) -> bool:
    """Whether a hook keeps activations for gradients of single samples: it expects one backward pass a forward pass."""
    return str(getattr(getattr(hook, "func", hook), "__module__", "")).startswith("opacus.")
