"""How a network hangs together, as the walk sees it: the plan, who stands below what, and whose output is found out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from torch import nn

from gradinv_core.image_recovery.graph.backwards import LINES, has_weights, is_activation, reads_input
from gradinv_core.image_recovery.graph.reader import taps_of
from gradinv_core.image_recovery.graph.rules import Add
from gradinv_core.image_recovery.graph.trace import Node

__all__ = [
    "Plan",
    "covers",
    "equations_of",
    "gated_layers",
    "is_pooled_gate",
    "is_read",
    "pool_front",
    "pool_users",
    "short_cut",
]

_ENOUGH = 0.5  # known numbers for each pixel


@dataclass(frozen=True)
class Plan:
    """What to do.

    Attributes:
        nodes: of the network.
        users: for each node, those that take its output.
        first: the only layer that reads the picture.
        stem: the nodes behind it that belong to the picture's own equations, in order; the last is where the walk ends.
        pooled: the max pool among them; None without one.
        goal: the deepest node whose output the walk finds out, if it does not reach the stem: a picture is searched for
            that the network turns into this output. None where the walk goes all the way.
        obstacle: what stands in the way below the goal, in a sentence; empty without one.
    """

    nodes: tuple[Node, ...]
    users: tuple[tuple[int, ...], ...]
    first: int
    stem: tuple[int, ...]
    pooled: int | None
    goal: int | None = None
    obstacle: str = ""

    @property
    def bottom(self) -> int:
        """Where the walk ends."""
        if self.goal is not None:
            return self.goal
        return self.stem[-1] if self.stem else self.first

    @property
    def head(self) -> int:
        """The last layer."""
        return len(self.nodes) - 1

    def holds_all(self, index: int) -> bool:
        """Whether all that the head sees of the picture passes through this node."""
        return all(source >= index for node in self.nodes[index + 1 :] for source in node.inputs)

    def tells_enough(self, index: int) -> bool:
        """Whether this node's output has numbers enough for a search for the picture to be worth while."""
        return prod(self.nodes[index].shape) >= _ENOUGH * prod(self.nodes[0].shape)


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
    return isinstance(above.module, nn.AvgPool2d) and prod(above.shape[1:]) == 1 and covers(above.module, node.shape)


def covers(pool: nn.AvgPool2d, shape: tuple[int, ...]) -> bool:
    """Whether the one window of an average holds every position of its input, of this shape, alike."""
    kernel = pool.kernel_size if isinstance(pool.kernel_size, tuple) else (pool.kernel_size,) * 2
    return tuple(kernel) == tuple(shape[1:])


def is_read(plan: Plan, index: int) -> bool:
    """Whether the walk finds out a node's output, as far as its equations suffice.

    Args:
        plan: of the network.
        index: of the node.
    """
    users = plan.users[index]
    if any(has_weights(plan.nodes[user]) for user in users):
        return True
    return any(reads_input(plan.nodes, user) and is_read(plan, user) for user in users)


def equations_of(plan: Plan, index: int, layers: Sequence[int]) -> int:
    """How many equations the weight gradients of layers have for one channel of what they read.

    Args:
        plan: of the network.
        index: of the node whose output they read.
        layers: indices of layers whose groups of channels are alike.
    """
    shape, count = plan.nodes[index].shape, 0
    for layer in layers:
        module = plan.nodes[layer].module
        assert module is not None  # noqa: S101 - it has weights
        seen = int((taps_of(module, shape) < prod(shape[1:])).any(1).sum())
        count += seen * plan.nodes[layer].shape[0] // int(getattr(module, "groups", 1))
    return count


def short_cut(plan: Plan, index: int) -> tuple[int, int] | None:
    """A ReLU that takes the sum of a node's output and another branch, and whose own output the walk finds out.

    Args:
        plan: of the network.
        index: of the node.

    Returns:
        Indices of the ReLU and of the other branch's end; None without one.
    """
    for user in plan.users[index]:
        node = plan.nodes[user]
        if isinstance(node.module, Add) and len(set(node.inputs)) == 2 and len(plan.users[user]) == 1:
            (above,) = plan.users[user]
            (other,) = set(node.inputs) - {index}
            if isinstance(plan.nodes[above].module, nn.ReLU) and is_read(plan, above) and _follows(plan, other, index):
                return above, other
    return None


def _follows(plan: Plan, index: int, below: int) -> bool:
    """Whether a node's output follows, through layers and straight lines, from values found out above ``below``."""
    if index <= below:
        return False
    node = plan.nodes[index]
    if is_read(plan, index):
        return True
    return (has_weights(node) or isinstance(node.module, LINES)) and _follows(plan, node.inputs[0], below)


def pool_front(plan: Plan, pool: int) -> tuple[int, ...] | None:
    """What stands right below a max pool: a convolution, then nothing but straight lines and at most one activation.

    Args:
        plan: of the network.
        pool: index of the max pool.

    Returns:
        Indices from the convolution up to the node below the pool; None where anything else does, or looks in.
    """
    chain: list[int] = []
    bent = False
    index = plan.nodes[pool].inputs[0]
    while len(plan.users[index]) == 1:
        node = plan.nodes[index]
        chain.append(index)
        if isinstance(node.module, nn.Conv2d):
            return tuple(reversed(chain))
        if is_activation(node) and not bent:
            bent = True
        elif not isinstance(node.module, nn.BatchNorm2d):
            return None
        (index,) = node.inputs
    return None


def pool_users(plan: Plan, index: int) -> int | None:
    """The max pool whose front a node belongs to; None for any other node."""
    while len(plan.users[index]) == 1:
        (index,) = plan.users[index]
        if isinstance(plan.nodes[index].module, nn.MaxPool2d):
            return index
        if not (is_activation(plan.nodes[index]) or isinstance(plan.nodes[index].module, nn.BatchNorm2d)):
            return None
    return None
