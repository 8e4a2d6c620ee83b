"""Modules that only wrap a network: they put a word in front of every name, and compute nothing of their own."""

from __future__ import annotations

from torch import nn

__all__ = ["plain_name", "unwrapped", "wrapper_path"]

_WORDS = frozenset({"module", "_orig_mod", "_module", "_forward_module", "_fsdp_wrapped_module"})
"""What they call the network inside them."""

# By name: importing torch.compile's machinery takes seconds, and Opacus need not be installed.
_KINDS = frozenset({"DataParallel", "DistributedDataParallel", "OptimizedModule", "GradSampleModule"})


def plain_name(name: str) -> str:
    """A parameter's or module's name without the words that wrappers put into it, wherever they stand."""
    return ".".join(part for part in name.split(".") if part not in _WORDS)


def wrapper_path(model: nn.Module) -> str:
    """Name of the network inside all its wrappers, such as "module._orig_mod"; empty where there are none."""
    path: list[str] = []
    while _KINDS & {kind.__name__ for kind in type(model).__mro__}:
        inside = next((name for name in model._modules if name in _WORDS), None)
        if inside is None:
            break
        path.append(inside)
        model = model.get_submodule(inside)
    return ".".join(path)


def unwrapped(model: nn.Module) -> nn.Module:
    """The network itself, out of `torch.nn.DataParallel`, `torch.compile`, Opacus' ``GradSampleModule`` and the like.

    What it computes and the gradients of its parameters are the same; it can be copied, taken apart and differentiated
    twice, which not every wrapper allows.
    """
    return model.get_submodule(wrapper_path(model))
