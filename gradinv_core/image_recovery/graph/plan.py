"""Before anything is solved: whether a network can be walked back through, and how far the walk alone goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from torch import nn

from gradinv_core.errors import NoExactRouteError
from gradinv_core.image_recovery.affine import AffineLine
from gradinv_core.image_recovery.graph.backwards import LINES, PASSED, has_weights, is_activation, reads_input
from gradinv_core.image_recovery.graph.pooled_gate import separable
from gradinv_core.image_recovery.graph.reader import taps_of
from gradinv_core.image_recovery.graph.rules import Add, Concatenate, Reshape
from gradinv_core.image_recovery.graph.trace import Node

__all__ = ["Plan", "gated_layers", "plan_walk"]

_TO_SPARE = 1.125  # equations for each unknown: those left over tell which units were active


@dataclass(frozen=True)
class Plan:
    """What to do.

    Attributes:
        nodes: of the network.
        users: for each node, those that take its output.
        first: the only layer that reads the picture.
        stem: the nodes behind it that belong to the picture's own equations, in order; the last is where the walk ends.
        pooled: the max pool among them; None without one.
    """

    nodes: tuple[Node, ...]
    users: tuple[tuple[int, ...], ...]
    first: int
    stem: tuple[int, ...]
    pooled: int | None

    @property
    def bottom(self) -> int:
        """Where the walk ends."""
        return self.stem[-1] if self.stem else self.first

    @property
    def head(self) -> int:
        """The last layer."""
        return len(self.nodes) - 1


def plan_walk(nodes: tuple[Node, ...], head: str | None = None) -> Plan:
    """Look a network through.

    Args:
        nodes: as from `trace_network`.
        head: name of the layer the labels belong to; None for the last one.

    Raises:
        NoExactRouteError: something in it cannot be walked back through; the message names it.
    """
    last = nodes[-1]
    if type(last.module) is not nn.Linear:
        raise _no_route(
            "expected a network that ends in a linear layer, whose outputs are the logits; this one ends "
            f"in {_kind(last)}."
        )
    if head is not None and head != last.name:
        raise _no_route(f"layer {last.name} follows layer {head}.")
    users: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes):
        for source in node.inputs:
            users[source].append(index)
    weighted = [index for index, node in enumerate(nodes) if has_weights(node)]
    first = weighted[0]
    _check_front(nodes, users, first)
    stem, pooled = _stem(nodes, users, first)
    plan = Plan(nodes, tuple(map(tuple, users)), first, tuple(stem), pooled)
    seen: dict[int, str] = {}
    for index in weighted:
        module = nodes[index].module
        shared = seen.setdefault(id(module.weight), nodes[index].name)  # type: ignore[union-attr]
        if shared != nodes[index].name or sum(nodes[each].module is module for each in weighted) > 1:
            raise _no_route(
                f"layer {nodes[index].name} shares its weights with another, so their gradients arrive added up."
            )
        _check_layer(nodes, index)
    for index in range(plan.bottom + 1, len(nodes)):
        _check_operation(nodes[index])
    for index in range(plan.bottom, len(nodes) - 1):
        _check_value(plan, index)
    return plan


def gated_layers(plan: Plan, gate: int) -> list[tuple[int, tuple[int, ...]]]:
    """Layers right below an activation: nothing but straight lines and sums stand between, with no other way out.

    Args:
        plan: of the network.
        gate: index of the activation.

    Returns:
        (index of the layer, indices of the straight lines between, from the layer up) of each.
    """
    found = []
    waiting: list[tuple[int, tuple[int, ...]]] = [(source, ()) for source in plan.nodes[gate].inputs]
    while waiting:
        index, lines = waiting.pop()
        node = plan.nodes[index]
        if len(plan.users[index]) != 1:
            continue
        if has_weights(node):
            found.append((index, lines))
        elif isinstance(node.module, LINES):
            waiting.append((node.inputs[0], (index, *lines)))
        elif isinstance(node.module, Add):
            waiting += [(source, lines) for source in node.inputs]
    return found


def is_pooled_gate(plan: Plan, index: int) -> bool:
    """Whether a ReLU's output goes nowhere but into one average per channel."""
    node, users = plan.nodes[index], plan.users[index]
    if not isinstance(node.module, nn.ReLU) or len(users) != 1:
        return False
    above = plan.nodes[users[0]]
    return isinstance(above.module, nn.AvgPool2d) and prod(above.shape[1:]) == 1 and _covers(above.module, node.shape)


def _covers(pool: nn.AvgPool2d, shape: tuple[int, ...]) -> bool:
    """Whether the one window holds every position alike."""
    kernel = pool.kernel_size if isinstance(pool.kernel_size, tuple) else (pool.kernel_size,) * 2
    return tuple(kernel) == tuple(shape[1:])


def _check_front(nodes: tuple[Node, ...], users: Sequence[Sequence[int]], first: int) -> None:
    """The picture must reach one layer, through nothing but straight lines."""
    index = 0
    while True:
        if len(users[index]) != 1:
            names = ", ".join(nodes[user].name for user in users[index])
            raise _no_route(f"several operations read the picture ({names}), expected one layer.")
        (index,) = users[index]
        if index == first:
            break
        if not isinstance(nodes[index].module, (AffineLine, nn.Flatten, Reshape)):
            raise _no_route(f"{_kind(nodes[index])} stands before the first layer with weights.")


def _stem(nodes: tuple[Node, ...], users: Sequence[Sequence[int]], first: int) -> tuple[list[int], int | None]:
    """What stands right behind the first layer: lines, an activation, a max pool."""
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
            raise _no_route(f"{line.name} stands between layer {nodes[first].name} and a max pool.")
        if nodes[first].module.groups != 1:  # type: ignore[union-attr]
            raise _no_route(f"layer {nodes[first].name}, below a max pool, has several groups of channels.")
    return stem, pooled


def _check_pool(node: Node) -> None:
    pool = node.module
    if not isinstance(pool, nn.MaxPool2d):
        return
    if pool.ceil_mode or pool.return_indices or pool.dilation not in (1, (1, 1)):
        raise _no_route(f"max pool {node.name} has ceil_mode, dilation or return_indices set.")


def _check_layer(nodes: tuple[Node, ...], index: int) -> None:
    module, shape = nodes[index].module, nodes[nodes[index].inputs[0]].shape
    if isinstance(module, nn.Conv2d) and module.padding_mode != "zeros":
        raise _no_route(f"layer {nodes[index].name} pads with {module.padding_mode} instead of zeros.")
    if isinstance(module, nn.Linear) and len(shape) != 1:
        raise _no_route(f"linear layer {nodes[index].name} acts on the last axis of {shape}.")


def _check_operation(node: Node) -> None:
    module = node.module
    if isinstance(module, nn.MaxPool2d):
        raise _no_route(f"max pool {node.name} does not stand right behind the first layer and its activation.")
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and (
        module.running_mean is None or module.running_var is None
    ):
        raise _no_route(f"batch norm {node.name} keeps no running statistics.")
    if isinstance(module, nn.AvgPool2d) and module.ceil_mode:
        raise _no_route(f"layer {node.name} pools with ceil_mode.")
    if isinstance(module, Concatenate) and len(set(node.inputs)) < len(node.inputs):
        raise _no_route(f"{node.name} puts one branch beside itself.")
    if not (has_weights(node) or is_activation(node) or type(module) in PASSED):
        raise _no_route(f"{_kind(node)} has no rule to be walked back through.")


def _check_value(plan: Plan, index: int) -> None:
    """Enough equations where layers read a value, and somebody who reads it where it is needed."""
    node = plan.nodes[index]
    layers = [user for user in plan.users[index] if has_weights(plan.nodes[user]) and user != plan.head]
    if layers and plan.head not in plan.users[index]:
        groups = {getattr(plan.nodes[layer].module, "groups", 1) for layer in layers}
        names = ", ".join(plan.nodes[layer].name for layer in layers)
        if len(groups) > 1:
            raise _no_route(f"layers {names} read the same value in different groups of channels.")
        pixels, count = prod(node.shape[1:]), 0
        for layer in layers:
            taps = taps_of(plan.nodes[layer].module, node.shape)  # type: ignore[arg-type]
            seen = int((taps < pixels).any(1).sum())
            count += seen * plan.nodes[layer].shape[0] // max(groups)
        if count < _TO_SPARE * pixels:
            raise _no_route(
                f"the gradient of layer {names} has {count:,} equations for the {pixels:,} unknowns of each of its "
                f"input's channels, expected some more, which tell what units were active."
            )
    if is_activation(node) and not _is_read(plan, index):
        if not is_pooled_gate(plan, index):
            raise _no_route(
                f"no layer reads the output of {_kind(node)} directly, so nothing tells which slope it had."
            )
        below = gated_layers(plan, index)
        shapes = [plan.nodes[plan.nodes[layer].inputs[0]].shape for layer, _ in below]
        held = [
            taps_of(plan.nodes[layer].module, shape) < prod(shape[1:])  # type: ignore[arg-type]
            for (layer, _), shape in zip(below, shapes, strict=True)
        ]
        if not held or not separable(held):
            raise _no_route(
                f"an average over {' x '.join(map(str, node.shape[1:]))} positions stands behind {_kind(node)}, and "
                f"the layer below does not tell them apart."
            )


def _is_read(plan: Plan, index: int) -> bool:
    """Whether the walk finds out a node's output."""
    users = plan.users[index]
    if any(has_weights(plan.nodes[user]) for user in users):
        return True
    return any(reads_input(plan.nodes, user) and _is_read(plan, user) for user in users)


def _kind(node: Node) -> str:
    kind = type(node.module).__name__
    return f"layer {node.name} ({kind})" if node.module is not None else "the picture itself"


def _no_route(why: str) -> NoExactRouteError:
    return NoExactRouteError(
        f"no exact route to the image is known for this network yet: {why} Label and feature are recovered all the "
        f"same."
    )
