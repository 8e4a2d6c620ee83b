"""What the network computed forwards, where weight gradients alone hardly determine a value (our derivation).

A 1x1 convolution has no more equations than output channels. Two more sources help it out: where the sum behind a
residual block was active, the block's input is that sum less the other branch, which is known already; and where the
layer's own output is known, so is one sum over the channels of its input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch

from gradinv_core.image_recovery.graph.backwards import entry_line, has_weights
from gradinv_core.image_recovery.graph.forward_rows import close_directions
from gradinv_core.image_recovery.graph.reader import reader_of_node
from gradinv_core.image_recovery.graph.row_solver import MISFIT, Entries, RowSolution
from gradinv_core.image_recovery.graph.rules import Add
from gradinv_core.image_recovery.graph.signs import Gate, seen_active
from gradinv_core.image_recovery.graph.structure import Plan, short_cut

__all__ = ["ForwardEquations"]

_ACTIVE = 5.0  # standard deviations above zero from which a unit is taken for active
_SHARED_ERROR = 2.0  # times what errors that do not hang together would come to


class ForwardEquations:
    """The two sources, for whatever the walk has found out so far.

    Args:
        plan: of the network.
        values: by node, output and standard deviations; grows as the walk goes on, as the others do.
        gates: by node, the units of a ReLU.
        gate_of: by layer, the ReLU above it and the straight lines between.
        as_computed: output of a node and its standard deviations, with the client's rounding in them.
    """

    def __init__(
        self,
        plan: Plan,
        values: Mapping[int, tuple[torch.Tensor, torch.Tensor]],
        gates: Mapping[int, Gate],
        gate_of: Mapping[int, tuple[int, tuple[int, ...]]],
        as_computed: Callable[[int], tuple[torch.Tensor, torch.Tensor]],
    ) -> None:
        self._plan, self._values, self._gates, self._gate_of = plan, values, gates, gate_of
        self._as_computed = as_computed

    def past_the_branch(self, index: int) -> Entries | None:
        """What a short cut says of a value: where the sum behind it was active, it is that less the other branch."""
        found = short_cut(self._plan, index)
        if found is None:
            return None
        above, other = found
        (total, total_std), (branch, branch_std) = self._as_computed(above), self._forwards(other)
        channels = total.shape[0]
        active = seen_active(total, total_std)
        std = (total_std.square() + branch_std.square()).sqrt()
        # What the branch's input errs by hangs together, so that it does not average out over the channels.
        shared = branch_std.flatten(1).square().mean(1).sqrt()[:, None, None]
        std = torch.where(active, _SHARED_ERROR * (std + shared), torch.inf)
        value = torch.where(active, total - branch, 0.0)
        return Entries(value.reshape(channels, -1), std.reshape(channels, -1))

    def closed(self, layers: Sequence[int], solution: RowSolution) -> RowSolution:
        """The input of layers and its bars; where weight gradients leave it open, the layers themselves say more."""
        value, std = solution.value, solution.std
        if any(bool((sigmas > MISFIT).any()) for sigmas in solution.misfits):
            return solution  # rows that are left out leave more open than the layers could close
        for layer in layers:
            place, lines = self._gate_of.get(layer, (None, ()))
            if solution.precision is None or place is None or place not in self._values or len(lines) > 1:
                continue
            node, (output, output_std) = self._plan.nodes[layer], self._as_computed(place)
            active = self._gates[place].active.reshape(node.shape) & (output > _ACTIVE * output_std)
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
            reader = reader_of_node(self._plan.nodes, layer)
            outputs = reader.outputs
            value, std = close_directions(
                value, std, solution.precision, reader, output.reshape(outputs, -1), output_std.reshape(outputs, -1)
            )
        return replace(solution, value=value, std=std)

    def _forwards(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A node's output and its standard deviations, from values known below it."""
        if index in self._values:
            return self._as_computed(index)
        node = self._plan.nodes[index]
        assert node.module is not None  # noqa: S101 - the picture is never asked for
        value, std = self._forwards(node.inputs[0])
        if has_weights(node):
            reader = reader_of_node(self._plan.nodes, index)
            result, variance = reader.push(value.flatten(1)), reader.push(std.square().flatten(1), squared=True)
            bias = node.module.bias
            result = result if bias is None else result + bias.detach().double().cpu()[:, None]  # type: ignore[operator]
            return result.reshape(node.shape), variance.sqrt().reshape(node.shape)
        scale, shift = entry_line(node.module, node.shape)
        return scale * value + shift, scale.abs() * std
