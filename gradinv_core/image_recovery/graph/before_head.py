"""What runs right before the last layer, in any network: what the layer below the head can be asked through.

The loss gradient at the head's input is known for every lambda. It passes an average over all positions, an activation
and sums of branches without anything else being known, down to the first bias; a skip beside that changes nothing, for
a sum hands each branch the same gradient.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import prod

from torch import nn

from gradinv_core.errors import NoExactRouteError
from gradinv_core.image_recovery.graph.backwards import is_activation
from gradinv_core.image_recovery.graph.rules import Add, Reshape
from gradinv_core.image_recovery.graph.structure import covers
from gradinv_core.image_recovery.graph.trace import Node, trace_network

__all__ = ["leaves_before_head_in_graph"]

_WITH_BIAS = (nn.Linear, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d)


def leaves_before_head_in_graph(
    model: nn.Module, head: str, input_shape: Sequence[int]
) -> tuple[list[tuple[str, nn.Module]], int]:
    """Layer, activation and whatever keeps the order of entries, as far as the first layer that may have a bias.

    Args:
        model: any network that `trace_network` can follow.
        head: name of its last linear layer.
        input_shape: (channels, height, width) of a picture.

    Returns:
        (name, module) of each, in the order in which they run, and over how many positions an average between them and
        the head goes, 1 for none. No leaves where the network cannot be followed, or something else stands there.

    Raises:
        ShapeError: pictures of this shape do not fit the network.
    """
    try:
        nodes = trace_network(model, input_shape)
    except NoExactRouteError:
        return [], 1
    last = nodes[-1]
    if last.name != head or type(last.module) is not nn.Linear:
        return [], 1
    alone = {source for source, times in Counter(each for node in nodes for each in node.inputs).items() if times == 1}
    found: list[tuple[str, nn.Module]] = []
    positions = 1
    (index,) = last.inputs
    while index in alone:
        node = nodes[index]
        module = node.module
        if isinstance(module, Add):
            branches = [source for source in node.inputs if source in alone and _has_bias(nodes[source])]
            if not branches:
                break
            index = branches[0]
            continue
        if isinstance(module, _WITH_BIAS):
            return [(node.name, module), *reversed(found)], positions
        if isinstance(module, nn.AvgPool2d) and not found and covers(module, nodes[node.inputs[0]].shape):
            positions = prod(nodes[node.inputs[0]].shape[1:])
        elif is_activation(node) and module is not None:
            found.append((node.name, module))
        elif not isinstance(module, nn.Flatten | Reshape):
            break
        (index,) = node.inputs
    return [], 1


def _has_bias(node: Node) -> bool:
    return isinstance(node.module, _WITH_BIAS) and node.module.bias is not None
