"""What an exact way back asks of a network, one check for each demand; the message of each names what fails it."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import nn

from gradinv_core.errors import NoExactRouteError
from gradinv_core.image_recovery.affine import AffineLine
from gradinv_core.image_recovery.graph.backwards import LINES, PASSED, has_weights, is_activation
from gradinv_core.image_recovery.graph.pooled_gate import separable
from gradinv_core.image_recovery.graph.reader import taps_of
from gradinv_core.image_recovery.graph.rules import Concatenate, Reshape
from gradinv_core.image_recovery.graph.structure import (
    Plan,
    equations_of,
    gated_layers,
    is_pooled_gate,
    is_read,
    pool_front,
    pool_users,
    short_cut,
)
from gradinv_core.image_recovery.graph.trace import Node
from gradinv_core.image_recovery.graph.unordered_gate import layer_that_orders

__all__ = [
    "TO_SPARE",
    "ObstacleError",
    "check_front",
    "check_layer",
    "check_operation",
    "check_value",
    "kind_of",
    "stem_of",
]

TO_SPARE = 1.125
"""Equations for each unknown: those left over tell which units were active."""

_WITH_A_SHORT_CUT = 0.75  # likewise, where about half of the unknowns are known from elsewhere


class ObstacleError(NoExactRouteError):
    """Something in the network that the walk does not get past.

    Attributes:
        why: what it is, in a sentence.
    """

    def __init__(self, why: str) -> None:
        super().__init__(
            f"no exact route to the image is known for this network yet: {why} Label and feature are recovered all the "
            f"same."
        )
        self.why = why


def check_front(nodes: tuple[Node, ...], users: Sequence[Sequence[int]], first: int) -> None:
    """The picture must reach one layer, through nothing but straight lines.

    Args:
        nodes: of the network.
        users: of each node.
        first: index of the first layer with weights.

    Raises:
        ObstacleError: it does not.
    """
    index = 0
    while True:
        if len(users[index]) != 1:
            names = ", ".join(nodes[user].name for user in users[index])
            raise ObstacleError(f"several operations read the picture ({names}), expected one layer.")
        (index,) = users[index]
        if index == first:
            break
        if not isinstance(nodes[index].module, (AffineLine, nn.Flatten, Reshape)):
            raise ObstacleError(f"{kind_of(nodes[index])} stands before the first layer with weights.")


def stem_of(nodes: tuple[Node, ...], users: Sequence[Sequence[int]], first: int) -> tuple[tuple[int, ...], int | None]:
    """What stands right behind the first layer: lines, an activation, a max pool.

    Args:
        nodes: of the network.
        users: of each node.
        first: index of the first layer with weights.

    Returns:
        Their indices in order, and that of the max pool, if there is one.

    Raises:
        ObstacleError: the max pool cannot be seen through.
    """
    stem: list[int] = []
    pooled = None
    bent = False
    index = first
    while len(users[index]) == 1:
        (index,) = users[index]
        node = nodes[index]
        if isinstance(node.module, nn.MaxPool2d) and pooled is None and isinstance(nodes[first].module, nn.Conv2d):
            pooled = index
        elif is_activation(node) and not bent:
            bent = True
        elif not isinstance(node.module, LINES) or bent or pooled is not None:
            break
        stem.append(index)
    if pooled is not None:
        _check_pool(nodes[pooled])
        line = next((nodes[each] for each in stem if isinstance(nodes[each].module, AffineLine)), None)
        if line is not None:
            raise ObstacleError(f"{line.name} stands between layer {nodes[first].name} and a max pool.")
        if nodes[first].module.groups != 1:  # type: ignore[union-attr]
            raise ObstacleError(f"layer {nodes[first].name}, below a max pool, has several groups of channels.")
    return tuple(stem), pooled


def _check_pool(node: Node) -> None:
    """A max pool whose windows are those of a plain one.

    Raises:
        ObstacleError: they are not.
    """
    pool = node.module
    if not isinstance(pool, nn.MaxPool2d):
        return
    if pool.ceil_mode or pool.return_indices or pool.dilation not in (1, (1, 1)):
        raise ObstacleError(f"max pool {node.name} has ceil_mode, dilation or return_indices set.")


def check_layer(nodes: tuple[Node, ...], index: int) -> None:
    """A layer that pads with zeros, or reads one axis.

    Raises:
        ObstacleError: it does not.
    """
    module, shape = nodes[index].module, nodes[nodes[index].inputs[0]].shape
    if isinstance(module, nn.Conv2d) and module.padding_mode != "zeros":
        raise ObstacleError(f"layer {nodes[index].name} pads with {module.padding_mode} instead of zeros.")
    if isinstance(module, nn.Linear) and len(shape) != 1:
        raise ObstacleError(f"linear layer {nodes[index].name} acts on the last axis of {shape}.")


def check_operation(plan: Plan, index: int) -> None:
    """A rule for the operation, with these options.

    Args:
        plan: of the network.
        index: of the node.

    Raises:
        ObstacleError: there is none.
    """
    node = plan.nodes[index]
    module = node.module
    if isinstance(module, nn.MaxPool2d):
        _check_pool(node)
        front = pool_front(plan, index)
        if front is None or not plan.holds_all(index):
            raise ObstacleError(
                f"max pool {node.name} does not stand right behind a convolution and its activation, with nothing "
                f"beside them."
            )
        if plan.nodes[front[0]].module.groups != 1:  # type: ignore[union-attr]
            raise ObstacleError(f"layer {plan.nodes[front[0]].name}, below a max pool, has several groups of channels.")
        if not plan.tells_enough(index):
            raise ObstacleError(
                f"max pool {node.name} puts out {prod(node.shape):,} numbers, too few to guess from them which entries "
                f"it took."
            )
        return
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and (
        module.running_mean is None or module.running_var is None
    ):
        raise ObstacleError(f"batch norm {node.name} keeps no running statistics.")
    if isinstance(module, nn.AvgPool2d) and module.ceil_mode:
        raise ObstacleError(f"layer {node.name} pools with ceil_mode.")
    if isinstance(module, Concatenate) and len(set(node.inputs)) < len(node.inputs):
        raise ObstacleError(f"{node.name} puts one branch beside itself.")
    if not (has_weights(node) or is_activation(node) or type(module) in PASSED):
        raise ObstacleError(f"{kind_of(node)} has no rule to be walked back through.")


def check_value(plan: Plan, index: int) -> None:
    """Enough equations where layers read a value, and somebody who reads it where it is needed.

    Args:
        plan: of the network.
        index: of the node whose output it is.

    Raises:
        ObstacleError: there are too few, or nobody does.
    """
    node = plan.nodes[index]
    layers = [user for user in plan.users[index] if has_weights(plan.nodes[user]) and user != plan.head]
    if layers and plan.head not in plan.users[index]:
        groups = {getattr(plan.nodes[layer].module, "groups", 1) for layer in layers}
        names = ", ".join(plan.nodes[layer].name for layer in layers)
        if len(groups) > 1:
            raise ObstacleError(f"layers {names} read the same value in different groups of channels.")
        pixels, count = prod(node.shape[1:]), equations_of(plan, index, layers)
        helped = groups == {1} and short_cut(plan, index) is not None
        for layer in layers if len(layers) > 1 else ():
            taps = taps_of(plan.nodes[layer].module, node.shape)  # type: ignore[arg-type]
            missed = pixels - len(taps[taps < pixels].unique())  # strides leave them to the other layers
            if missed and equations_of(plan, index, [each for each in layers if each != layer]) < TO_SPARE * missed:
                raise ObstacleError(
                    f"layer {plan.nodes[layer].name} skips pixels that layers {names} do not determine."
                )
        if count < (_WITH_A_SHORT_CUT if helped else TO_SPARE) * pixels:
            raise ObstacleError(
                f"the gradient of layer {names} has {count:,} equations for the {pixels:,} unknowns of each of its "
                f"input's channels, expected some more, which tell what units were active."
            )
    if is_activation(node) and not is_read(plan, index) and pool_users(plan, index) is None:
        if not is_pooled_gate(plan, index):
            raise ObstacleError(
                f"no layer reads the output of {kind_of(node)} directly, so nothing tells which slope it had."
            )
        below = gated_layers(plan, index)
        shapes = [plan.nodes[plan.nodes[layer].inputs[0]].shape for layer, _ in below]
        held = [
            taps_of(plan.nodes[layer].module, shape) < prod(shape[1:])  # type: ignore[arg-type]
            for (layer, _), shape in zip(below, shapes, strict=True)
        ]
        if (not held or not separable(held)) and layer_that_orders(plan, index) is None:
            raise ObstacleError(
                f"an average over {' x '.join(map(str, node.shape[1:]))} positions stands behind {kind_of(node)}, and "
                f"the layers below do not tell them apart."
            )


def kind_of(node: Node) -> str:
    """A node as a message names it."""
    kind = type(node.module).__name__
    return f"layer {node.name} ({kind})" if node.module is not None else "the picture itself"
