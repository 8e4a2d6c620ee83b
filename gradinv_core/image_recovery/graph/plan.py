"""Before anything is solved: whether a network can be walked back through, and where the walk ends."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from gradinv_core.image_recovery.graph.backwards import has_weights
from gradinv_core.image_recovery.graph.checks import (
    ObstacleError,
    check_front,
    check_layer,
    check_operation,
    check_value,
    kind_of,
    stem_of,
)
from gradinv_core.image_recovery.graph.structure import Plan, is_read
from gradinv_core.image_recovery.graph.trace import Node

__all__ = ["plan_walk"]


def plan_walk(nodes: tuple[Node, ...], head: str | None = None) -> Plan:
    """Look a network through, from the last layer down to what stands in the way, if anything does.

    Args:
        nodes: as from `trace_network`.
        head: name of the layer the labels belong to; None for the last one.

    Raises:
        NoExactRouteError: something in it cannot be walked back through, and too little is known above it; the message
            names it.
    """
    last = nodes[-1]
    if type(last.module) is not nn.Linear:
        raise ObstacleError(
            "expected a network that ends in a linear layer, whose outputs are the logits; this one ends "
            f"in {kind_of(last)}."
        )
    if head is not None and head != last.name:
        raise ObstacleError(f"layer {last.name} follows layer {head}.")
    users: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes):
        for source in node.inputs:
            users[source].append(index)
    weighted = [index for index, node in enumerate(nodes) if has_weights(node)]
    taken = tuple(map(tuple, users))
    first = weighted[0]
    obstacle: ObstacleError | None = None
    stem: tuple[int, ...] = ()
    pooled = None
    try:
        check_front(nodes, taken, first)
        stem, pooled = stem_of(nodes, taken, first)
    except ObstacleError as error:
        obstacle = error
    plan = Plan(nodes, taken, first, stem, pooled)
    for index in range(plan.head, first - 1, -1):
        try:
            height = max(index + 1, plan.bottom)
            if plan.bottom <= index < plan.head:
                check_value(plan, index)
            height = max(index, plan.bottom)
            _check_node(plan, index, weighted)
        except ObstacleError as error:
            obstacle = error
            break
    if obstacle is None:
        return plan
    goal = _deepest_known(plan, height)
    if goal is None:
        raise obstacle
    return Plan(nodes, taken, first, (), None, goal, obstacle.why)


def _check_node(plan: Plan, index: int, weighted: Sequence[int]) -> None:
    nodes = plan.nodes
    if has_weights(nodes[index]):
        module = nodes[index].module
        for each in weighted:
            same = nodes[each].module
            if each != index and (same is module or same.weight is module.weight):  # type: ignore[union-attr]
                later = nodes[max(each, index)].name
                raise ObstacleError(
                    f"layer {later} shares its weights with another, so their gradients arrive added up."
                )
        check_layer(nodes, index)
    if index > plan.bottom:
        check_operation(plan, index)


def _deepest_known(plan: Plan, lowest: int) -> int | None:
    """The lowest node that all of the picture's way leads through, and whose output the walk finds out.

    Args:
        plan: of the network.
        lowest: index from which on nothing stands in the way.
    """
    for index in range(lowest, plan.head):
        if plan.tells_enough(index) and plan.holds_all(index) and is_read(plan, index):
            return index
    return None
