"""Which layer gives the logits: by structure where that settles it, else by following what the network computes.

Never by guessing: the layer registered last need not be the one that runs last, and a network may have two heads.
"""

from __future__ import annotations

import difflib
from collections import OrderedDict
from contextlib import suppress
from functools import partial
from typing import Any

from torch import fx, nn

from gradinv_core.errors import OptionError
from gradinv_core.twin import private_twin
from gradinv_core.wrappers import plain_name, wrapper_path

__all__ = ["find_head"]

_NAMED = 12  # layers that a message lists
_QUESTIONS = 1000  # about the image's size or pixels, after which a network is called untraceable


def find_head(model: nn.Module, head: str | None = None) -> str:
    """Name of the last fully connected layer, such as "7", "fc" or "classifier.6".

    By name and type, never by position among the gradients: counting from the end silently picks another layer as soon
    as the head has no bias.

    Args:
        model: any network; it is left as it is.
        head: the layer's name, where the caller knows it. The words that wrappers put in front may be left out.

    Returns:
        The name as it stands in ``model``. Without ``head``: the last linear layer of a plain ``nn.Sequential``; else
        the only one whose outputs no other linear layer can take, if it was registered last; else the only one from
        which the network's output is reached through no other.

    Raises:
        OptionError: the model has no ``nn.Linear`` with a name, ``head`` names none, or several may be the last.
    """
    if isinstance(head, str) and head and _is_linear(model, head):
        return head
    layers = {name: module for name, module in model.named_modules() if name and isinstance(module, nn.Linear)}
    if not layers:
        raise OptionError(
            f"network: expected a fully connected last layer (torch.nn.Linear), found none in {type(model).__name__}; "
            f"label recovery reads that layer, so choose a network that ends in one."
        )
    if head is not None:
        return _named(head, list(layers))
    path = wrapper_path(model)
    plain = model.get_submodule(path)
    last = _last_in_sequence(plain, path)
    if last is not None:
        return last
    open_ended = [name for name, layer in layers.items() if not _feeds_another(layer, list(layers.values()))]
    if len(open_ended) == 1 and open_ended[0] == next(reversed(layers)):
        return open_ended[0]
    reached = [f"{path}.{name}" if path else name for name in _layers_before_output(plain)]
    candidates = reached or open_ended or list(layers)
    if len(candidates) > 1:
        raise OptionError(
            f"head: this network has {len(candidates)} linear layers that may be the last ({_listed(candidates)}); "
            f"pass head='...' to say which one the labels belong to."
        )
    return candidates[0]


def _is_linear(model: nn.Module, name: str) -> bool:
    try:
        return isinstance(model.get_submodule(name), nn.Linear)
    except AttributeError:
        return False


def _named(head: str, layers: list[str]) -> str:
    """The linear layer that has this name but for the words of wrappers."""
    same = [name for name in layers if isinstance(head, str) and plain_name(name) == plain_name(head)]
    if len(same) == 1:
        return same[0]
    close = difflib.get_close_matches(str(head), layers, n=1)
    guess = f" (closest: {close[0]})" if close else ""
    raise OptionError(f"head: expected the name of a linear layer ({_listed(layers)}), got {head!r}{guess}.")


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _last_in_sequence(module: nn.Module, name: str) -> str | None:
    """The last linear layer of plain nested sequentials; None where it stands in a module that may do anything."""
    if not isinstance(module, nn.Sequential) or type(module).forward is not nn.Sequential.forward:
        return None
    for child, inner in reversed(module._modules.items()):
        path = f"{name}.{child}" if name else child
        if inner is not None and any(isinstance(part, nn.Linear) for part in inner.modules()):
            return path if isinstance(inner, nn.Linear) else _last_in_sequence(inner, path)
    return None


def _feeds_another(layer: nn.Linear, layers: list[nn.Linear]) -> bool:
    """Whether another linear layer could take this one's output."""
    return any(other is not layer and other.in_features == layer.out_features for other in layers)


def _layers_before_output(model: nn.Module) -> list[str]:
    """Linear layers from which the output is reached with no other layer of weights in between; none if unknown.

    A branch that depends on the image is taken both ways, and both must lead back to the same layers.
    """
    found: list[list[str]] = []
    for answer in (False, True):
        tracer = _Tracer(answer)
        with suppress(Exception):  # whatever a network does with an image that has no pixels
            found.append(_walk_back(tracer.follow(private_twin(model)), model))
        if not tracer.questions:
            break
    return found[0] if found and all(layers == found[0] for layers in found) else []


class _Tracer(fx.Tracer):
    """Writes down what a network does with an image that has no pixels.

    Unlike `torch.fx.symbolic_trace`, it patches nothing that other threads use.
    """

    def __init__(self, answer: bool) -> None:
        super().__init__()
        self.answer, self.questions = answer, 0

    def to_bool(self, obj: fx.Proxy) -> bool:  # noqa: ARG002
        """The answer to every question about the image; a loop that asks for ever is given up."""
        self.questions += 1
        if self.questions > _QUESTIONS:
            raise RecursionError("a loop that depends on the image")
        return self.answer

    def follow(self, twin: nn.Module) -> fx.Node:
        """Send an image through a private copy, which is of no use afterwards; the node of its output."""
        self.root, self.graph, self.tensor_attrs, self.module_stack = twin, fx.Graph(), {}, OrderedDict()
        for name, module in twin.named_modules():
            for hooks in (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks):
                hooks.clear()
            if name and (isinstance(module, nn.Linear) or self.is_leaf_module(module, name)):
                module.forward = partial(self._write_down, name)
            for parameter in module._parameters:  # so that one may be expanded to a size that depends on the image
                path = f"{name}.{parameter}" if name else parameter
                module.__dict__[parameter] = self.create_proxy("get_attr", path, (), {})
        image = self.create_proxy("placeholder", "image", (), {})
        return self.create_node("output", "output", (self.create_arg(twin(image)),), {})

    def _write_down(self, name: str, *args: Any, **kwargs: Any) -> fx.Proxy:
        """What a leaf module does instead of its own computation."""
        return self.create_proxy("call_module", name, args, kwargs)


def _walk_back(output: fx.Node, model: nn.Module) -> list[str]:
    """From the output back to the first layers of weights; none unless all of them are linear."""
    found: dict[str, nn.Module] = {}
    seen, waiting = {output}, [output]
    while waiting:
        for node in waiting.pop().all_input_nodes:
            if node in seen:
                continue
            seen.add(node)
            module = model.get_submodule(str(node.target)) if node.op == "call_module" else None
            if module is not None and any(parameter.ndim > 1 for parameter in module.parameters()):
                found[str(node.target)] = module
            elif node.op == "call_function" and node.target is nn.functional.linear:
                return []
            else:
                waiting.append(node)
    linear = all(isinstance(module, nn.Linear) for module in found.values())
    order = [name for name, _ in model.named_modules(remove_duplicate=False)]
    return sorted(found, key=order.index) if linear else []
