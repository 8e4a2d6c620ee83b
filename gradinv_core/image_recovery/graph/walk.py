"""The walk in reverse over a network's graph, from the last layer down to its stem (our derivation).

At every edge two things are wanted: the loss gradient delta, which adds up over whoever takes the value, and the value
itself, which the weight gradients of the layers that read it give away. delta needs no value but for the slopes of
activations, and a slope needs the value right above: one pass over the nodes, last to first, finds both. Residual
connections only add a gradient that is known already; a convolution on the short cut adds its rows.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import prod

import torch
from torch import nn

from gradinv_core.arrays import unit_roundoff
from gradinv_core.errors import NoExactRouteError
from gradinv_core.image_recovery.activations import invert
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
from gradinv_core.image_recovery.graph.forward_rows import close_directions
from gradinv_core.image_recovery.graph.inner_pool import settle_inner_pool
from gradinv_core.image_recovery.graph.picture_search import PictureSearch
from gradinv_core.image_recovery.graph.pool_equations import pool_equations
from gradinv_core.image_recovery.graph.pooled_gate import active_units
from gradinv_core.image_recovery.graph.reader import Reader, read_gradient, reader_of
from gradinv_core.image_recovery.graph.row_solver import MISFIT, Entries, RowSolution
from gradinv_core.image_recovery.graph.rules import Add
from gradinv_core.image_recovery.graph.signs import Gate, Reading, Settled, settle
from gradinv_core.image_recovery.graph.structure import (
    Plan,
    equations_of,
    gated_layers,
    is_pooled_gate,
    pool_front,
    short_cut,
)
from gradinv_core.image_recovery.peel import REFUSE, ContradictionError
from gradinv_core.image_recovery.picture_map import PictureMap
from gradinv_core.image_recovery.result import LayerRecovery, OnStep, Step, Stop
from gradinv_core.image_recovery.stopping import StoppedError, ask
from gradinv_core.pixels import PixelSpace

__all__ = ["Misfit", "Walked", "walk"]

_ACTIVE = 5.0  # standard deviations above zero from which a unit is first taken for active ...
_SURE = 100.0  # ... and from which nothing may change that
_TORN = 0.25  # share of a layer's output channels that misfit, from which all below would rest on a guess
_FORWARD_ROUNDINGS = 4.0  # units by which a client's activations err, from layer to layer
_FORWARD_FLOOR = 0.1  # ... of each entry's square and so much of the mean square
_UNDETERMINED = 1e-2  # relative error from which a value that few equations speak of is none to go on with
_DEAD = 1e-9  # of the typical value: smaller ones are nought, whatever their error bars say


@dataclass(frozen=True)
class Misfit:
    """How a layer's gradient contradicts the walk.

    Attributes:
        name: of the layer.
        relative: ``|dL/dW - M x| / |dL/dW|`` of the output channels that fit.
        unsettled: output channels that do not: some unit's sign could not be settled there.
        channels: how many there are.
    """

    name: str
    relative: float
    unsettled: int
    channels: int


@dataclass(frozen=True)
class Walked:
    """How far the walk came.

    Attributes:
        bottom: index of the node where it ended: the plan's, or the deepest that is known exactly.
        value: output of that node, in its shape; None where no layer reads it.
        std: standard deviations of its entries.
        delta: gradient there.
        steps: the feature, and what every layer reads, in the order in which they were found.
        layers: what each layer gave.
        misfits: of each layer.
        active: by name of the ReLU's node, (channels, positions) which of its units handed the gradient on.
        flipped: units whose first guess was wrong, and was put right.
        stopped: whether it was stopped before it reached the bottom.
        why: it ended above the plan's bottom, in a sentence; empty where it did not.
    """

    bottom: int
    value: torch.Tensor | None
    std: torch.Tensor | None
    delta: torch.Tensor | None
    steps: tuple[Step, ...]
    layers: tuple[LayerRecovery, ...]
    misfits: tuple[Misfit, ...]
    active: Mapping[str, torch.Tensor]
    flipped: int
    stopped: bool
    why: str = ""


def walk(
    plan: Plan,
    gradients: Mapping[str, torch.Tensor],
    feature: torch.Tensor,
    feature_std: torch.Tensor,
    residual: torch.Tensor,
    noise_std: float = 0.0,
    noise_share: float = 0.0,
    factor_std: float = 0.0,
    search: PictureSearch | None = None,
    on_step: OnStep | None = None,
    stop: Stop | None = None,
) -> Walked:
    """Walk from the head to the stem.

    Args:
        plan: of the network.
        gradients: ``{parameter name: gradient}``.
        feature: (d,) last-layer feature.
        feature_std: (d,) its standard deviations.
        residual: (C,) ``p - y``.
        noise_std: of the noise added to each gradient entry, 0 for none.
        noise_share: of the head's gradient that is noise.
        factor_std: relative standard deviation of lambda, which every value grows by.
        search: guesses what max pools inside the network saw; None ends the walk at the first of them.
        on_step: called with each step as it is known.
        stop: asked between and within layers.

    Raises:
        ContradictionError: a layer's gradient contradicts what was handed down.
        NoExactRouteError: a layer's gradient was not sent, none reaches it, or positions under an average cannot be
            told apart.
        ShapeError, NonFiniteError: a gradient has the wrong shape or is not finite.
    """
    walker = _Walker(plan, gradients, feature, feature_std, noise_std, noise_share, factor_std, search, on_step, stop)
    walker.delta[plan.head] = residual
    stopped, bottom = False, plan.bottom
    try:
        for index in range(plan.head - 1, plan.bottom - 1, -1):
            ask(stop)
            walker.visit(index)
            if walker.end is not None:
                bottom = walker.end
                break
    except StoppedError:
        stopped = True
    value, std = walker.as_computed(bottom) if bottom in walker.values else (None, None)
    return Walked(
        bottom,
        value,
        std,
        None if stopped else walker.delta.get(bottom),
        tuple(walker.steps),
        tuple(walker.layers),
        tuple(walker.misfits),
        {plan.nodes[index].name: gate.active for index, gate in walker.gates.items()},
        walker.flipped,
        stopped,
        walker.why,
    )


class _Walker:
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
        self._plan, self._gradients, self._on_step, self._stop = plan, gradients, on_step, stop
        self._feature, self._feature_std, self._search = feature, feature_std, search
        self._noise_std, self._noise_share, self._factor_std = noise_std, noise_share, factor_std
        self._rounding = max(unit_roundoff(gradient) for gradient in gradients.values())
        self.delta: dict[int, torch.Tensor] = {}
        self.values: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self.gates: dict[int, Gate] = {}
        self._slopes: dict[int, torch.Tensor] = {}
        self._gate_of: dict[int, tuple[int, tuple[int, ...]]] = {}
        self.end: int | None = None  # the deepest value known, where nothing below it can be
        self.why = ""
        self._deepest = plan.head
        self._passed: set[int] = set()  # what stands between a max pool and its convolution
        self.steps: list[Step] = []
        self.layers: list[LayerRecovery] = []
        self.misfits: list[Misfit] = []
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
            self._tell("Last-layer feature", index, plan.nodes[plan.head].name)
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
                f"which entry of every window max pool {plan.nodes[index].name} took, its gradient does not settle."
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
        reader = self._reader(front[0])
        found = settle_inner_pool(stem, reader, guess / unit, self._rounding, self._noise_share, self._stop)
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
                reader = self._reader(user)
                total += reader.pull(above.reshape(reader.outputs, -1)).reshape(shape)
            elif user in self.gates:
                total += above * self.gates[user].active.reshape(shape)
            elif user in self._slopes:
                total += above * self._slopes[user]
            else:
                total += pull_back(nodes, user, index, above)
        return total

    def _reader(self, layer: int) -> Reader:
        node = self._plan.nodes[layer]
        assert node.module is not None  # noqa: S101 - it has weights
        return reader_of(node.name, node.module, self._plan.nodes[node.inputs[0]].shape)

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
            active = active_units([self._reading(layer) for layer, _ in below], node.name)
            self.gates[index] = Gate(active, torch.zeros(shape, dtype=torch.bool))
            return
        value, std = (part.reshape(shape) for part in known)
        active = (value > _ACTIVE * std) & (value > _DEAD * value.abs().mean())
        if not bool(active.any()):
            raise NoExactRouteError(
                f"layer {node.name}: expected at least one active unit, found none, so no gradient reaches the layer "
                f"below it."
            )
        self.gates[index] = Gate(active, active & (value > _SURE * std))

    def _reading(self, layer: int) -> Reading:
        node, reader = self._plan.nodes[layer], self._reader(layer)
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
            entries, close = self._past_the_branch(index), partial(self._closed, layers)
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
            if settled.unsettled[position] > _TORN * channels:
                raise ContradictionError(
                    f"gradient {nodes[layer].name}.weight: expected the product of one input and a gradient that some "
                    f"units above hand on and others do not, found none in {settled.unsettled[position]:,} of "
                    f"{channels:,} output channels."
                )
            self.misfits.append(
                Misfit(
                    nodes[layer].name,
                    solution.relative[position],
                    settled.unsettled[position],
                    readings[position].reader.outputs,
                )
            )
            self.layers.append(self._report(index, layer, readings[position], settled, position, seconds / len(layers)))
        self._tell(f"Input of layer {', '.join(nodes[layer].name for layer in layers)}", index, nodes[layers[0]].name)
        return True

    def _past_the_branch(self, index: int) -> Entries | None:
        """What a short cut says of a value: where the sum behind it was active, it is that less the other branch."""
        found = short_cut(self._plan, index)
        if found is None:
            return None
        above, other = found
        (total, total_std), (branch, branch_std) = self.as_computed(above), self._forwards(other)
        channels = total.shape[0]
        active = (total > _ACTIVE * total_std) & (total > _DEAD * total.abs().mean())
        std = (total_std.square() + branch_std.square()).sqrt()
        std = torch.where(active, std, torch.inf)
        value = torch.where(active, total - branch, 0.0)
        return Entries(value.reshape(channels, -1), std.reshape(channels, -1))

    def _closed(self, layers: list[int], solution: RowSolution) -> RowSolution:
        """The input of layers and its bars; where weight gradients leave it open, the layers themselves say more."""
        value, std = solution.value, solution.std
        if any(bool((sigmas > MISFIT).any()) for sigmas in solution.misfits):
            return solution  # rows that are left out leave more open than the layers could close
        for layer in layers:
            place, lines = self._gate_of.get(layer, (None, ()))
            if solution.precision is None or place is None or place not in self.values or len(lines) > 1:
                continue
            node, (output, output_std) = self._plan.nodes[layer], self.as_computed(place)
            active = self.gates[place].active.reshape(node.shape) & (output > _ACTIVE * output_std)
            if any(isinstance(self._plan.nodes[user].module, Add) for user in self._plan.users[(layer, *lines)[-1]]):
                continue  # the ReLU takes a sum, of which this is one branch
            for line in lines:
                module = self._plan.nodes[line].module
                assert module is not None  # noqa: S101 - a straight line is one
                scale, shift = entry_line(module, node.shape)
                output, output_std = (output - shift) / scale, output_std / scale.abs()
            bias = getattr(node.module, "bias", None)
            output = output if bias is None else output - bias.detach().double().cpu()[:, None, None]
            output_std = torch.where(active, output_std, torch.inf)
            reader = self._reader(layer)
            outputs = reader.outputs
            value, std = close_directions(
                value, std, solution.precision, reader, output.reshape(outputs, -1), output_std.reshape(outputs, -1)
            )
        return replace(solution, value=value, std=std)

    def _forwards(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A node's output and its standard deviations, from values known below it."""
        if index in self.values:
            return self.as_computed(index)
        node = self._plan.nodes[index]
        assert node.module is not None  # noqa: S101 - the picture is never asked for
        value, std = self._forwards(node.inputs[0])
        if has_weights(node):
            reader = self._reader(index)
            result, variance = reader.push(value.flatten(1)), reader.push(std.square().flatten(1), squared=True)
            bias = node.module.bias
            result = result if bias is None else result + bias.detach().double().cpu()[:, None]  # type: ignore[operator]
            return result.reshape(node.shape), variance.sqrt().reshape(node.shape)
        scale, shift = entry_line(node.module, node.shape)
        return scale * value + shift, scale.abs() * std

    def _report(
        self, index: int, layer: int, reading: Reading, settled: Settled, position: int, seconds: float
    ) -> LayerRecovery:
        node, shape = self._plan.nodes[layer], self._plan.nodes[index].shape
        value, std = self._shown(index)
        size = float(value.square().mean().sqrt())
        what = "fully connected" if isinstance(node.module, nn.Linear) else "convolution"
        inputs, outputs = (" x ".join(map(str, each)) for each in (shape, node.shape))
        return LayerRecovery(
            name=node.name,
            kind=f"{what}, {inputs} to {outputs}",
            unknowns=value.numel(),
            equations=int(reading.reader.seen.sum()) * reading.gradient.shape[0] * reading.gradient.shape[1],
            rank=settled.solution.rank * shape[0],
            residual=settled.solution.relative[position],
            error=float(std.square().mean().sqrt()) / size if size > 0 else 0.0,
            seconds=seconds,
        )

    def _tell(self, title: str, index: int, layer: str) -> None:
        value, std = self._shown(index)
        self.steps.append(Step(title, value, std, layer))
        if self._on_step is not None:
            self._on_step(self.steps[-1])

    def _shown(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A value, and its error bars with what lambda leaves open; a common factor changes no sign on the way."""
        value, std = self.as_computed(index)
        return value, (std.square() + (self._factor_std * value).square()).sqrt()

    def as_computed(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A value, and error bars that hold the client's own rounding too: what it computed is what comes back.

        The walk itself goes without, for where a unit was silent the client's nought is a nought.
        """
        value, std = self.values[index]
        typical = value.square().mean()
        forward = (_FORWARD_ROUNDINGS * self._rounding) ** 2 * (value.square() + _FORWARD_FLOOR * typical)
        return value, (std.square() + forward).sqrt()
