"""Down a network's graph with all samples of a batch at once, as far as equations reach (our derivation).

Once every feature is known, so is every residual, and delta of every sample travels down by itself, through weights and
the signs of its own activations. A layer's weight gradient then has C_out k^2 equations for the B H W unknowns of every
input channel; where there are more of them, what all samples' inputs were follows, and those left over tell each sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import torch
from torch import nn

from gradinv_core.arrays import unit_roundoff
from gradinv_core.batch_recovery.pictures import sentences
from gradinv_core.batch_recovery.pictures.few_channels import settle_channels
from gradinv_core.batch_recovery.pictures.result import BatchLayer, BatchStep, OnStep
from gradinv_core.batch_recovery.pictures.side_by_side import apart, side_by_side, wide_reader
from gradinv_core.errors import MisfitError, NoExactRouteError
from gradinv_core.image_recovery.activations import invert
from gradinv_core.image_recovery.graph.backwards import (
    entry_line,
    has_weights,
    is_activation,
    pull_back,
    read_input,
    reads_input,
)
from gradinv_core.image_recovery.graph.checks import TO_SPARE, kind_of
from gradinv_core.image_recovery.graph.client_rounding import client_rounding
from gradinv_core.image_recovery.graph.reader import Reader, read_gradient, reader_of_node
from gradinv_core.image_recovery.graph.signs import Gate, Reading
from gradinv_core.image_recovery.graph.structure import Plan, equations_of, gated_layers
from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.stopping import ask

__all__ = ["BatchWalk"]

_CONTRADICTS = 1e-2  # of a gradient: what no rounding leaves over
_TORN = 0.25  # share of a layer's output channels that misfit, from which all below would rest on a guess
_CLOSE_CALL = 1.5  # equations for each unknown below which signs that do not settle are no contradiction


class BatchWalk:
    """What is known of every node, for every sample, on the way down.

    Args:
        plan: of the network.
        gradients: ``{parameter name: gradient}``.
        features: (K, d) last-layer features.
        features_std: (K, d) their standard deviations.
        residuals: (K, C) residuals, each with its sample's weight in the mean.
        factor_std: (K,) relative standard deviation of each lambda, which all of a sample's values grow by.
        on_step: told of every layer.
        stop: asked between and within layers.

    Attributes:
        values: by node, what it puts out, (K, ...), and standard deviations.
        delta: by node, (K, ...) loss gradients there.
        factor_std: as above.
        layers: what was read, from the head down.
        why: the way ended above the plan's bottom, in a sentence; empty where it did not.
    """

    def __init__(
        self,
        plan: Plan,
        gradients: Mapping[str, torch.Tensor],
        features: torch.Tensor,
        features_std: torch.Tensor,
        residuals: torch.Tensor,
        factor_std: torch.Tensor,
        on_step: OnStep | None = None,
        stop: Stop | None = None,
    ) -> None:
        self._plan, self._gradients, self._on_step, self._stop = plan, gradients, on_step, stop
        self._samples, self._features, self.factor_std = len(features), (features, features_std), factor_std
        self._rounding = max(unit_roundoff(gradient) for gradient in gradients.values())
        self.values: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self.delta: dict[int, torch.Tensor] = {plan.head: residuals}
        self._gates: dict[int, Gate] = {}
        self._slopes: dict[int, torch.Tensor] = {}
        self._gate_of: dict[int, tuple[int, tuple[int, ...]]] = {}
        self.layers: list[BatchLayer] = []
        self.why = ""

    def descend(self, last: int) -> bool:
        """Find out every node's output and gradient down to the last one; whether the way led there.

        Args:
            last: index of that node.

        Raises:
            MisfitError: a layer's gradient contradicts what the layers above it say.
            NoExactRouteError: a layer's gradient was not sent, or no gradient reaches it.
            ShapeError, NonFiniteError: a gradient has the wrong shape or is not finite.
            StoppedError: the work was stopped.
        """
        for index in range(min(self.delta) - 1, last - 1, -1):
            ask(self._stop)
            if not self._visit(index):
                return False
        return True

    def has_equations(self, index: int, layers: list[int]) -> bool:
        """Whether weight gradients have equations enough for what these layers read, in all samples.

        Args:
            index: of the node whose output they read.
            layers: indices of the layers.
        """
        unknowns = self._samples * prod(self._plan.nodes[index].shape[1:])
        return equations_of(self._plan, index, layers) >= TO_SPARE * unknowns

    def as_computed(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """What a node puts out, (K, ...), and error bars that hold lambda's and the client's own rounding too.

        The walk itself goes without, for where a unit was silent the client's nought is a nought.

        Args:
            index: of a node whose output is known.
        """
        value, std = self.values[index]
        grown = self.factor_std.reshape(-1, *[1] * (value.ndim - 1)) * value
        return value, (std.square() + client_rounding(value, self._rounding) + grown.square()).sqrt()

    def _visit(self, index: int) -> bool:
        plan = self._plan
        node, users = plan.nodes[index], plan.users[index]
        layers = [user for user in users if has_weights(plan.nodes[user])]
        if plan.head in layers:
            self.values[index] = self._features
        elif layers:
            if not self._solve(index, layers):
                return False
        else:
            self._follow(index)
        if isinstance(node.module, nn.MaxPool2d) and index > plan.bottom:
            self.why = f"which entries the max pool {node.name} took of every sample, nothing tells yet."
            return False
        self.delta[index] = self._gather(index)
        return not is_activation(node) or self._open(index)

    def _follow(self, index: int) -> None:
        """The output of a node where it follows from that of whoever takes it, entry by entry."""
        nodes = self._plan.nodes
        for user in self._plan.users[index]:
            if user in self.values and reads_input(nodes, user):
                pairs = zip(*self.values[user], strict=True)
                found = [read_input(nodes, user, index, value, std) for value, std in pairs]
                self.values[index] = torch.stack([each[0] for each in found]), torch.stack([each[1] for each in found])
                return

    def _gather(self, index: int) -> torch.Tensor:
        """The gradients at a node's output, from all that take it."""
        nodes, shape = self._plan.nodes, self._plan.nodes[index].shape
        total = torch.zeros(self._samples, *shape, dtype=torch.float64)
        for user in self._plan.users[index]:
            above = self.delta[user]
            if has_weights(nodes[user]):
                reader = self._reader(user)
                total += apart(reader.pull(side_by_side(above, reader.outputs)), self._samples, shape)
            elif user in self._gates:
                total += above * apart(self._gates[user].active, self._samples, shape)
            elif user in self._slopes:
                total += above * self._slopes[user]
            else:
                total += torch.stack([pull_back(nodes, user, index, each) for each in above])
        return total

    def _open(self, index: int) -> bool:
        """The slopes of an activation, from its outputs; whether they are known."""
        node = self._plan.nodes[index]
        assert node.module is not None  # noqa: S101 - it is an activation
        if index not in self.values:
            self.why = (
                f"no layer reads the output of {kind_of(node)}, and behind an average nothing tells the samples' units "
                f"apart."
            )
            return False
        value, std = self.values[index]
        if not isinstance(node.module, nn.ReLU):
            slope = invert(node.module, value.flatten(), std.flatten()).slope
            self._slopes[index] = slope.reshape(value.shape)
            return True
        value, std = (side_by_side(part, node.shape[0]) for part in (value, std))
        self._gates[index] = Gate.first(value, std)
        for layer, lines in gated_layers(self._plan, index):
            self._gate_of[layer] = index, lines
        return True

    def _reader(self, layer: int) -> Reader:
        return wide_reader(reader_of_node(self._plan.nodes, layer), self._samples)

    def _reading(self, layer: int) -> Reading:
        node, reader = self._plan.nodes[layer], self._reader(layer)
        assert node.module is not None  # noqa: S101 - it has weights
        gradient = read_gradient(self._gradients, node.name, node.module)
        place, lines = self._gate_of.get(layer, (None, ()))
        if place is None or not self._gates[place].is_open:
            return Reading(reader, gradient, side_by_side(self.delta[layer], reader.outputs))
        whole = self.delta[place]
        for line in reversed(lines):
            module = self._plan.nodes[line].module
            assert module is not None  # noqa: S101 - a straight line is one
            whole = whole * entry_line(module, self._plan.nodes[line].shape)[0]
        whole, gate = side_by_side(whole, reader.outputs), self._gates[place]
        return Reading(reader, gradient, whole * gate.active, gate, whole)

    def _solve(self, index: int, layers: list[int]) -> bool:
        """What these layers read of every sample, and the units of the gates above them; whether that is determined."""
        nodes, shape = self._plan.nodes, self._plan.nodes[index].shape
        names = ", ".join(nodes[layer].name for layer in layers)
        equations, unknowns = equations_of(self._plan, index, layers), self._samples * prod(shape[1:])
        if not self.has_equations(index, layers):
            self.why = sentences.too_few(names, equations, self._samples, prod(shape[1:]))
            return False
        readings = [self._reading(layer) for layer in layers]
        for layer, reading in zip(layers, readings, strict=True):
            if not bool(reading.delta.any()):
                raise NoExactRouteError(
                    f"layer {nodes[layer].name}: expected an active unit in any sample, found none."
                )
        settled, value, std = settle_channels(readings, self._rounding, self._stop)
        if settled.solution.rank < unknowns:
            self.why = sentences.some_stay_open(names, settled.solution.rank, self._samples, prod(shape[1:]))
            return False
        torn = any(
            open_ > _TORN * reading.reader.outputs for open_, reading in zip(settled.unsettled, readings, strict=True)
        )
        misfit = max(settled.solution.relative)
        if torn and misfit <= _CONTRADICTS and equations < _CLOSE_CALL * unknowns:
            self.why = sentences.signs_stay_open(names)
            return False
        if torn or misfit > _CONTRADICTS:
            raise MisfitError(
                sentences.contradicts(names, self._samples, misfit, sum(settled.unsettled) if torn else 0)
            )
        self.values[index] = apart(value, self._samples, shape), apart(std, self._samples, shape)
        self._close_gates(index, layers, settled.flipped > 0)
        condition, unsettled = settled.solution.condition, sum(settled.unsettled)
        self.layers.append(
            BatchLayer(names, *self.as_computed(index), misfit, condition, equations, unknowns, unsettled)
        )
        if self._on_step is not None:
            self._on_step(BatchStep("Input of layers" if len(layers) > 1 else "Input of layer", names))
        return True

    def _close_gates(self, index: int, layers: list[int], flipped: bool) -> None:
        """The layers have had their say on the units above them; where any changed, so do the gradients below."""
        gates = [self._gate_of[layer][0] for layer in layers if layer in self._gate_of]
        gates = [place for place in gates if self._gates[place].is_open]
        for place in gates:
            self._gates[place].is_open = False
        if flipped:
            for place in range(max(gates) - 1, index, -1):
                self.delta[place] = self._gather(place)
