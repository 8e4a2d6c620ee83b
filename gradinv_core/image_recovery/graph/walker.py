"""What the walk knows of every node on its way down, and how one node more is found out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from math import prod

import torch
from torch import nn

from gradinv_core.arrays import unit_roundoff
from gradinv_core.errors import NoExactRouteError
from gradinv_core.image_recovery.activations import invert
from gradinv_core.image_recovery.graph.account import Account
from gradinv_core.image_recovery.graph.backwards import (
    LINES,
    entry_line,
    has_weights,
    is_activation,
    pull_back,
    read_input,
    reads_input,
)
from gradinv_core.image_recovery.graph.checks import TO_SPARE
from gradinv_core.image_recovery.graph.forward_equations import ForwardEquations
from gradinv_core.image_recovery.graph.inner_pool import settle_inner_pool
from gradinv_core.image_recovery.graph.picture_search import PictureSearch
from gradinv_core.image_recovery.graph.picture_turns import explain_gradient
from gradinv_core.image_recovery.graph.pool_equations import pool_equations
from gradinv_core.image_recovery.graph.pooled_gate import active_units, separable
from gradinv_core.image_recovery.graph.reader import read_gradient, reader_of_node
from gradinv_core.image_recovery.graph.signs import Gate, Reading, settle
from gradinv_core.image_recovery.graph.silent import with_silent_channels
from gradinv_core.image_recovery.graph.structure import (
    Plan,
    equations_of,
    gated_layers,
    is_pooled_gate,
    pool_front,
)
from gradinv_core.image_recovery.graph.unordered_gate import columns_of_units, in_order, layer_that_orders
from gradinv_core.image_recovery.peel import REFUSE, ContradictionError
from gradinv_core.image_recovery.picture_map import PictureMap
from gradinv_core.image_recovery.result import OnStep, Stop
from gradinv_core.pixels import PixelSpace

__all__ = ["Walker"]

_TORN = 0.25  # share of a layer's output channels that misfit, from which all below would rest on a guess
_ROUNDED = 1e-4  # of the typical input of a layer under an average, below which it is taken for nought
_UNDETERMINED = 1e-2  # relative error from which a value that few equations speak of is none to go on with


class Walker:
    """What is known of every node on the way down."""

    def __init__(
        self,
        plan: Plan,
        gradients: Mapping[str, torch.Tensor],
        feature: torch.Tensor,
        feature_std: torch.Tensor,
        noise_std: float,
        noise_share: float,
        factor_std: float,
        search: PictureSearch | None,
        on_step: OnStep | None,
        stop: Stop | None,
    ) -> None:
        self._plan, self._gradients, self._stop = plan, gradients, stop
        self._feature, self._feature_std, self._search = feature, feature_std, search
        self._noise_std, self._noise_share = noise_std, noise_share
        self._rounding = max(unit_roundoff(gradient) for gradient in gradients.values())
        self.delta: dict[int, torch.Tensor] = {}
        self.values: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self.gates: dict[int, Gate] = {}
        self._slopes: dict[int, torch.Tensor] = {}
        self._gate_of: dict[int, tuple[int, tuple[int, ...]]] = {}
        self.end: int | None = None  # the deepest value known, where nothing below it can be
        self.why = ""
        self._deepest = plan.head
        self.hinged = False  # whether a layer with hardly an equation to spare has been passed
        self.account = Account(plan, self.values, self._rounding, factor_std, on_step)
        self._forwards = ForwardEquations(plan, self.values, self.gates, self._gate_of, self.account.as_computed)
        self._passed: set[int] = set()  # what stands between a max pool and its convolution
        self.flipped = 0

    def visit(self, index: int) -> None:
        """Find out the output of a node, the gradient there, and the slope of an activation; or that the walk ends."""
        plan = self._plan
        if index in self._passed:
            return
        users = plan.users[index]
        layers = [user for user in users if has_weights(plan.nodes[user])]
        if plan.head in layers:
            self.values[index] = self._feature, self._feature_std
            self.account.tell("Last-layer feature", index, plan.nodes[plan.head].name)
        elif layers:
            if not self._solve(index, layers):
                names = ", ".join(plan.nodes[layer].name for layer in layers)
                self.end, self.why = self._deepest, f"what layer {names} reads is not determined by its equations."
                return
        else:
            for user in users:
                if user in self.values and reads_input(plan.nodes, user):
                    self.values[index] = read_input(plan.nodes, user, index, *self.values[user])
                    break
        self.delta[index] = self._gather(index)
        if index in self.values and plan.holds_all(index):
            self._deepest = index
        if is_activation(plan.nodes[index]):
            self._open(index)
        if isinstance(plan.nodes[index].module, nn.MaxPool2d) and index > plan.bottom and not self._pass_pool(index):
            self.end = index
            self.why = (
                f"which entry of every window the max pool {plan.nodes[index].name} took, its gradient does not settle."
            )

    def _pass_pool(self, pool: int) -> bool:
        """Hand the gradient down to the convolution below a max pool; whether its winners could be settled."""
        front = pool_front(self._plan, pool)
        if front is None or self._search is None or pool not in self.values:
            return False
        (value, std), layer = self.values[pool], self._plan.nodes[front[0]]
        self._search.seek(pool, value)
        guess = self._search.output(layer.inputs[0])
        unit = float(guess.abs().max())
        seen = PictureMap(torch.full_like(guess, unit).flatten(), torch.zeros(guess.numel()).double(), PixelSpace())
        if unit == 0:
            return False
        stem = pool_equations(self._plan, pool, front, (value, std, self.delta[pool]), self._gradients, seen)
        reader = reader_of_node(self._plan.nodes, front[0])
        better = partial(explain_gradient, self._search, stem, pool, value, layer.inputs[0], self._stop)
        found = settle_inner_pool(stem, reader, guess / unit, better, self._rounding, self._noise_share, self._stop)
        if found is None:
            return False
        for index in front[1:]:
            module = self._plan.nodes[index].module
            if isinstance(module, LINES):
                found = found * entry_line(module, layer.shape)[0].flatten(1)
        self.delta[front[0]] = found.reshape(layer.shape)
        self._passed.update(front)
        return True

    def _gather(self, index: int) -> torch.Tensor:
        """The gradient at a node's output, from all that take it."""
        nodes = self._plan.nodes
        shape = nodes[index].shape
        total = torch.zeros(shape, dtype=torch.float64)
        for user in self._plan.users[index]:
            above, node = self.delta[user], nodes[user]
            if has_weights(node):
                reader = reader_of_node(self._plan.nodes, user)
                total += reader.pull(above.reshape(reader.outputs, -1)).reshape(shape)
            elif user in self.gates:
                total += above * self.gates[user].active.reshape(shape)
            elif user in self._slopes:
                total += above * self._slopes[user]
            else:
                total += pull_back(nodes, user, index, above)
        return total

    def _open(self, index: int) -> None:
        """The slope of an activation, from its output."""
        node = self._plan.nodes[index]
        assert node.module is not None  # noqa: S101 - it is an activation
        shape = (node.shape[0], prod(node.shape[1:]))
        known = self.values.get(index)
        if not isinstance(node.module, nn.ReLU):
            assert known is not None  # noqa: S101 - the plan has seen to that
            self._slopes[index] = invert(node.module, known[0].flatten(), known[1].flatten()).slope.reshape(node.shape)
            return
        below = gated_layers(self._plan, index)
        for layer, lines in below:
            self._gate_of[layer] = index, lines
        if known is None:
            if not is_pooled_gate(self._plan, index):
                raise NoExactRouteError(f"layer {node.name}: expected a layer that reads its output, found none.")
            self.gates[index] = Gate(torch.ones(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool))
            self.gates[index] = Gate(self._under_average(index), torch.zeros(shape, dtype=torch.bool))
            return
        value, std = (part.reshape(shape) for part in known)
        gate = Gate.first(value, std)
        if not bool(gate.active.any()):
            raise NoExactRouteError(
                f"layer {node.name}: expected at least one active unit, found none, so no gradient reaches the layer "
                f"below it."
            )
        self.gates[index] = gate

    def _under_average(self, index: int) -> torch.Tensor:
        """(channels, positions) which units of a ReLU under an average were active; its gate is all open yet."""
        name, below = self._plan.nodes[index].name, gated_layers(self._plan, index)
        readings = [self._reading(layer) for layer, _ in below]
        if separable([reading.reader.taps < reading.reader.pixels for reading in readings]):
            return active_units(readings, name)
        inner = layer_that_orders(self._plan, index)
        assert inner is not None  # noqa: S101 - the plan has seen to that
        (reading,) = readings
        columns, read = columns_of_units(reading, name)
        assert reading.whole is not None  # noqa: S101 - it has a gate
        arriving = reading.reader.pull(reading.whole * columns) * read.T.gt(_ROUNDED * read.abs().mean())
        # The way from the ReLU that the layer reads down to the next layer: straight lines, alike at every position.
        (_, lines), *_ = gated_layers(self._plan, self._plan.nodes[below[0][0]].inputs[0])
        node, following = self._plan.nodes[inner], reader_of_node(self._plan.nodes, inner)
        assert node.module is not None  # noqa: S101 - it has weights
        for line in reversed(lines):
            module = self._plan.nodes[line].module
            assert module is not None  # noqa: S101 - a straight line is one
            arriving = arriving * entry_line(module, node.shape)[0].flatten(1)
        gradient = read_gradient(self._gradients, node.name, node.module)
        return columns[:, in_order(Reading(following, gradient, arriving), name)]

    def _reading(self, layer: int) -> Reading:
        node, reader = self._plan.nodes[layer], reader_of_node(self._plan.nodes, layer)
        assert node.module is not None  # noqa: S101 - it has weights
        gradient = read_gradient(self._gradients, node.name, node.module)
        place, lines = self._gate_of.get(layer, (None, ()))
        gate = None if place is None else self.gates[place]
        if place is None or gate is None or not gate.is_open:
            return Reading(reader, gradient, self.delta[layer].reshape(reader.outputs, -1))
        whole = self.delta[place]
        for line in reversed(lines):
            module, shape = self._plan.nodes[line].module, self._plan.nodes[line].shape
            assert module is not None  # noqa: S101 - a straight line is one
            whole = whole * entry_line(module, shape)[0]
        whole = whole.reshape(reader.outputs, -1)
        return Reading(reader, gradient, whole * gate.active, gate, whole)

    def _solve(self, index: int, layers: list[int]) -> bool:
        """What these layers read, and the units of the gates above them; whether that is determined."""
        started = time.perf_counter()
        nodes, shape = self._plan.nodes, self._plan.nodes[index].shape
        readings = [self._reading(layer) for layer in layers]
        for layer, reading in zip(layers, readings, strict=True):
            if not bool(reading.delta.any()):
                raise NoExactRouteError(
                    f"layer {nodes[layer].name}: expected at least one active unit, found none, so no gradient "
                    f"reaches it."
                )
        rounding = max(unit_roundoff(self._gradients[f"{nodes[layer].name}.weight"]) for layer in layers)
        entries, close = None, None
        if equations_of(self._plan, index, layers) < TO_SPARE * prod(shape[1:]):
            entries, close = self._forwards.past_the_branch(index), partial(self._forwards.closed, layers)
            if entries is not None and isinstance(nodes[index].module, nn.ReLU):
                entries = with_silent_channels(entries, readings, rounding)
            self.hinged = True
        settled = settle(readings, rounding, self._stop, entries, close)
        solution = settled.solution
        if entries is not None and self._noise_std == 0:
            open_ = float(solution.std.square().mean()) > _UNDETERMINED**2 * float(solution.value.square().mean())
            if open_ or any(settled.unsettled):
                return False
        self.values[index] = solution.value.reshape(shape), solution.std.reshape(shape)
        self.flipped += settled.flipped
        gates = [self._gate_of[layer][0] for layer, reading in zip(layers, readings, strict=True) if reading.gate]
        for place in gates:
            self.gates[place].is_open = False
        if settled.flipped:
            for place in range(max(gates) - 1, index, -1):
                self.delta[place] = self._gather(place)
        seconds = time.perf_counter() - started
        for position, layer in enumerate(layers):
            if solution.relative[position] > REFUSE and self._noise_std == 0:
                raise ContradictionError.by_misfit(nodes[layer].name, solution.relative[position])
            channels = readings[position].reader.outputs
            if self.hinged and settled.unsettled[position] > _TORN * channels:
                return False
            if settled.unsettled[position] > _TORN * channels:
                raise ContradictionError(
                    f"gradient {nodes[layer].name}.weight: expected the product of one input and a gradient that some "
                    f"units above hand on and others do not, found none in {settled.unsettled[position]:,} of "
                    f"{channels:,} output channels."
                )
            self.account.add(index, layer, readings[position], settled, position, seconds / len(layers))
        self.account.tell(
            f"Input of layer {', '.join(nodes[layer].name for layer in layers)}", index, nodes[layers[0]].name
        )
        return True
