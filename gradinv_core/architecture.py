"""How a network is put together: its layers in the order they run, and the blocks that a skip leads around.

`torch.fx` follows the network's own ``forward``. Wherever two ways that began at one place are added up again, the one
with more layers is a block, and the other its skip (our reading; He et al. 2016 call it a shortcut connection).
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import fx, nn

from gradinv_core.twin import private_twin

__all__ = ["Part", "network_parts"]

_SUMS = (operator.add, operator.iadd, torch.add, "add", "add_")


@dataclass(frozen=True)
class Part:
    """A layer of its own, or a block with the skip around it.

    Attributes:
        name: of the module in the network that holds all of it, such as "layer1.0".
        layers: names of the layers with weights that follow each other in it.
        skip: names of the layers on the skip, most often none; None where there is no skip.
    """

    name: str
    layers: tuple[str, ...]
    skip: tuple[str, ...] | None = None


def network_parts(model: nn.Module) -> tuple[Part, ...]:
    """The parts of a network, from the picture to the head.

    Args:
        model: any network; it is left as it is.

    Returns:
        All parts. Each layer stands in one of them; of blocks within blocks, in the innermost. None at all where the
        network's ``forward`` cannot be followed.
    """
    twin = private_twin(model)
    try:
        graph = fx.Tracer().trace(twin)
    except Exception:  # whatever a stranger's forward does when it is handed something that is no tensor
        return ()
    above = _way_there(graph)
    layers = {node: str(node.target) for node in above if _has_weights(twin, node)}
    blocks: dict[str, Part] = {}
    for node in above:
        ways = [source for source in node.all_input_nodes if source in above]
        if node.target not in _SUMS or len(ways) != 2:
            continue
        shared = above[ways[0]] & above[ways[1]]
        branches = [
            list(dict.fromkeys(name for layer, name in layers.items() if layer in above[way] - shared)) for way in ways
        ]
        skip, block = sorted(branches, key=len)
        block, skip = ([name for name in names if name not in blocks] for names in (block, skip))
        if block:
            part = Part(_common_name(block), tuple(block), tuple(skip))
            blocks |= dict.fromkeys((*block, *skip), part)
    return tuple(dict.fromkeys(blocks.get(name, Part(name, (name,))) for name in layers.values()))


def _way_there(graph: fx.Graph) -> dict[fx.Node, set[fx.Node]]:
    """For every node that hangs on the picture: itself, and all of those that it hangs on."""
    found: dict[fx.Node, set[fx.Node]] = {}
    for node in graph.nodes:
        sources = [source for source in node.all_input_nodes if source in found]
        if sources or node.op == "placeholder":
            found[node] = {node}.union(*(found[source] for source in sources))
    return found


def _has_weights(model: nn.Module, node: fx.Node) -> bool:
    """Whether a node is a layer; norms scale every entry by itself and are none."""
    if node.op != "call_module":
        return False
    return any(parameter.ndim > 1 for parameter in model.get_submodule(str(node.target)).parameters())


def _common_name(names: Sequence[str]) -> str:
    """What dotted names begin with, part by part; the first one where they have nothing in common."""
    columns = zip(*(name.split(".") for name in names), strict=False)
    common: list[str] = []
    for column in columns:
        if len(set(column)) > 1:
            break
        common.append(column[0])
    return ".".join(common) or names[0]
