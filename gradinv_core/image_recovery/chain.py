"""The network as a chain: operations from the input to the head, with the shapes that pass between them."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import nn

from gradinv_core.errors import NoExactRouteError, ShapeError
from gradinv_core.image_recovery.activations import ACTIVATIONS
from gradinv_core.image_recovery.affine import AffineLine, affine_line
from gradinv_core.image_recovery.graph import Node, trace_network

__all__ = ["Link", "check_shape", "leaf_modules", "leaves_before_head", "network_chain"]

_SILENT = (nn.Flatten, nn.Dropout, nn.Dropout2d, nn.Identity)  # nothing to invert in evaluation mode
_WEIGHTED = (nn.Linear, nn.Conv2d)
_KNOWN = (*_WEIGHTED, nn.AvgPool2d, nn.BatchNorm2d, nn.BatchNorm1d, *ACTIVATIONS)
_READABLE = (*_KNOWN, *_SILENT, AffineLine)
_FIRST = (*_WEIGHTED, *_SILENT, AffineLine)  # what may stand before the first layer with weights, or be it
_LARGEST_POOLED = 16384  # entries whose averages alone are known hang together: their precision weighs 2.1 GB here
_SOFTPLUS_THRESHOLD = 16.0  # from here on it is a straight line to float32's precision, whatever PyTorch switches to


@dataclass(frozen=True)
class Link:
    """One leaf module of the chain.

    Attributes:
        name: its name in the network, such as "4".
        module: itself.
        input_shape: what goes in, without the batch.
        output_shape: what comes out.
    """

    name: str
    module: nn.Module
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]


def check_shape(input_shape: Sequence[int]) -> tuple[int, int, int]:
    """The image's shape, checked.

    Raises:
        ShapeError: it is not three positive whole numbers.
    """
    sizes = tuple(input_shape) if isinstance(input_shape, Sequence) and not isinstance(input_shape, str) else ()
    if len(sizes) != 3 or not all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in sizes):
        raise ShapeError(f"input_shape: expected (channels, height, width), all above 0, got {input_shape!r}.")
    return sizes[0], sizes[1], sizes[2]


def network_chain(model: nn.Module, input_shape: Sequence[int]) -> list[Link]:
    """Take a network apart in which one operation follows the other.

    Args:
        model: any network that runs Conv2d, Linear, AvgPool2d, Flatten, Dropout, batch norm and element-wise
            activations one after the other, as modules, functions or methods (`trace_network` reads its ``forward``),
            and ends in the linear layer that gives the logits. Before its first layer with weights may stand modules
            without parameters that are straight lines entry by entry: normalisations.
        input_shape: (channels, height, width) of the image.

    Returns:
        The links from the input to the head, those that change nothing left out.

    Raises:
        NoExactRouteError: anything else is in the network, or a pooling layer too large; the message names it.
        ShapeError: images of this shape do not fit the network.
    """
    shape: tuple[int, ...] = check_shape(input_shape)
    leaves = [(name, module) for name, module in leaf_modules(model) if not isinstance(module, nn.Identity)]
    leaves = _with_normalisations(leaves, shape)
    if any(type(module) not in _READABLE for _, module in leaves):
        leaves = _in_a_row(trace_network(model, shape))
    for name, module in leaves:
        _check_module(name, module)
        _check_options(name, module)
    weighted = [(name, module) for name, module in leaves if isinstance(module, _WEIGHTED)]
    for (_, first), (name, second) in itertools.combinations(weighted, 2):
        if first.weight is second.weight:
            raise NoExactRouteError(
                f"no exact route to the image is known for this network: layer {name} shares its weights with "
                f"another, so their gradients arrive added up. Label and feature are recovered all the same."
            )
    if not weighted or not isinstance(weighted[-1][1], nn.Linear):
        raise NoExactRouteError("expected a network that ends in a linear layer, found no linear layer at its end.")
    links: list[Link] = []
    for name, module in leaves:
        # Not asked of activations: some draw in PyTorch's compiler on "meta", whose import takes seconds.
        kept = isinstance(module, AffineLine) or type(module) in ACTIVATIONS
        after = shape if kept else _output_shape(name, module, shape)
        if isinstance(module, nn.Linear) and len(shape) != 1:
            raise NoExactRouteError(
                f"no exact route to the image is known for this network: linear layer {name} acts on the last axis of "
                f"{shape}; expected one that follows nn.Flatten. Label and feature are recovered all the same."
            )
        if isinstance(module, nn.AvgPool2d) and prod(shape) > _LARGEST_POOLED:
            raise NoExactRouteError(
                f"no exact route to the image fits into memory for this network: layer {name} pools {prod(shape):,} "
                f"entries, expected at most {_LARGEST_POOLED:,}. Label and feature are recovered all the same."
            )
        if not any(isinstance(link.module, _WEIGHTED) for link in links) and not isinstance(module, _FIRST):
            raise NoExactRouteError(
                f"no exact route to the image is known for this network yet: it begins with a {type(module).__name__}, "
                f"expected a layer with weights. Label and feature are recovered all the same."
            )
        if not isinstance(module, _SILENT):
            links.append(Link(name, module, shape, after))
        shape = after
    if not isinstance(links[-1].module, nn.Linear):
        raise NoExactRouteError(
            f"expected a network that ends in a linear layer, whose outputs are the logits; this one ends in "
            f"{type(links[-1].module).__name__}."
        )
    return links


def _in_a_row(nodes: Sequence[Node]) -> list[tuple[str, nn.Module]]:
    """The modules of a graph in which each takes what the one before it gives."""
    for place, node in enumerate(nodes[1:]):
        if node.inputs != (place,):
            raise NoExactRouteError(
                f"no exact route to the image is known for this network yet: {node.name} takes something else than "
                f"what runs before it, so there are branches. Label and feature are recovered all the same."
            )
    return [(node.name, node.module) for node in nodes if node.module is not None]


def leaves_before_head(model: nn.Module, head: str) -> list[tuple[str, nn.Module]]:
    """Leaf modules that run right before the head, in order: those of the largest ``nn.Sequential`` around it.

    Args:
        model: any network.
        head: name of its last linear layer.

    Returns:
        (name, module) of each; none where no plain ``nn.Sequential`` leads to the head.
    """
    parts = head.split(".")
    for depth in range(len(parts)):
        name = ".".join(parts[:depth])
        module = model.get_submodule(name)
        if isinstance(module, nn.Sequential):
            leaves = leaf_modules(module, name)
            names = [leaf for leaf, _ in leaves]
            if head in names:
                return leaves[: names.index(head)]
    return []


def _with_normalisations(leaves: list[tuple[str, nn.Module]], shape: tuple[int, ...]) -> list[tuple[str, nn.Module]]:
    """The leaves, with unknown ones at the front replaced by the straight lines they draw, where they do."""
    known = list(leaves)
    for place, (name, module) in enumerate(leaves):
        if type(module) in (*_KNOWN, *_SILENT) or len(leaves) == 1:
            break
        line = affine_line(module, shape)
        if line is None:
            break
        known[place] = (name, line)
    return known


def _check_module(name: str, module: nn.Module) -> None:
    # A subclass may compute something else, so the very types alone are known.
    if type(module) not in _READABLE:
        raise NoExactRouteError(
            f"no exact route to the image is known for this network yet: layer {name} is a {type(module).__name__}. "
            f"Label and feature are recovered all the same."
        )
    batch_norm = isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)
    if batch_norm and (module.running_mean is None or module.running_var is None):
        raise NoExactRouteError(
            f"no exact route to the image is known for this network: batch norm {name} keeps no running statistics. "
            f"Label and feature are recovered all the same."
        )


def _check_options(name: str, module: nn.Module) -> None:
    """Settings under which a known layer does something else, or cannot be read backwards."""
    trouble = ""
    if isinstance(module, nn.Conv2d) and module.padding_mode != "zeros":
        trouble = f"pads with {module.padding_mode} instead of zeros"
    elif isinstance(module, nn.AvgPool2d) and module.ceil_mode:
        trouble = "pools with ceil_mode"
    elif isinstance(module, nn.LeakyReLU) and module.negative_slope <= 0:
        trouble = f"has the negative slope {module.negative_slope:g}, expected one above 0"
    elif isinstance(module, nn.ELU) and module.alpha <= 0:
        trouble = f"has the alpha {module.alpha:g}, expected one above 0"
    elif isinstance(module, nn.Softplus) and (module.beta <= 0 or module.threshold < _SOFTPLUS_THRESHOLD):
        trouble = (
            f"has beta {module.beta:g} and threshold {module.threshold:g}, expected them above 0 and at least "
            f"{_SOFTPLUS_THRESHOLD:g}"
        )
    if trouble:
        raise NoExactRouteError(
            f"no exact route to the image is known for this network yet: layer {name} {trouble}. "
            f"Label and feature are recovered all the same."
        )


def leaf_modules(module: nn.Module, name: str = "") -> list[tuple[str, nn.Module]]:
    """Leaf modules of nested sequentials with their names, in order of execution, repeated ones as often as they stand.

    Args:
        module: any network; one that is no ``nn.Sequential`` is its own only leaf.
        name: of the module in the network.
    """
    if not isinstance(module, nn.Sequential) or type(module).forward is not nn.Sequential.forward:
        return [(name, module)]
    # Not named_children(): that leaves out the second use of a shared activation.
    return [
        leaf
        for child, inner in module.named_modules(remove_duplicate=False)
        if child and "." not in child
        for leaf in leaf_modules(inner, f"{name}.{child}" if name else child)
    ]


def _output_shape(name: str, module: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape after a module, found without a number computed or a statistic touched."""
    if isinstance(module, nn.Linear) and shape[-1] == module.in_features:  # asked, it imports PyTorch's compiler
        return (*shape[:-1], module.out_features)
    # A copy: `functional_call` would put its tensors into the caller's module while another thread may be using it.
    plan: dict[int, object] = {id(value): value.detach().to("meta") for value in module.buffers()}
    plan |= {id(value): nn.Parameter(value.detach().to("meta"), False) for value in module.parameters()}
    kind = next((value.dtype for value in module.parameters()), torch.float32)
    try:
        result = copy.deepcopy(module, plan).eval()(torch.empty((2, *shape), dtype=kind, device="meta"))
    except (RuntimeError, ValueError, IndexError) as error:
        raise ShapeError(
            f"input_shape: expected an image the network can take; layer {name} cannot take {tuple(shape)}, "
            f"{prod(shape):,} entries ({str(error).splitlines()[0]})."
        ) from error
    return tuple(result.shape[1:])
