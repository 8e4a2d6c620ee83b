"""What the walk tells on its way: values with honest error bars, and how well every layer's gradient fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from gradinv_core.image_recovery.graph.client_rounding import client_rounding
from gradinv_core.image_recovery.graph.signs import Reading, Settled
from gradinv_core.image_recovery.graph.structure import Plan
from gradinv_core.image_recovery.result import LayerRecovery, OnStep, Step

__all__ = ["Account", "Misfit"]


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


class Account:
    """Steps, layers and misfits so far.

    Args:
        plan: of the network.
        values: output of a node -> what is known of it and its error bars; the walk goes on filling it.
        rounding: relative, of what was sent.
        factor_std: relative standard deviation of lambda.
        on_step: called with each step.
    """

    def __init__(
        self,
        plan: Plan,
        values: Mapping[int, tuple[torch.Tensor, torch.Tensor]],
        rounding: float,
        factor_std: float,
        on_step: OnStep | None,
    ) -> None:
        self._plan, self._values, self._on_step = plan, values, on_step
        self._rounding, self._factor_std = rounding, factor_std
        self.steps: list[Step] = []
        self.layers: list[LayerRecovery] = []
        self.misfits: list[Misfit] = []

    def tell(self, title: str, index: int, layer: str) -> None:
        """A step: the output of a node, which a layer reads."""
        value, std = self._shown(index)
        self.steps.append(Step(title, value, std, layer))
        if self._on_step is not None:
            self._on_step(self.steps[-1])

    def add(self, index: int, layer: int, reading: Reading, settled: Settled, position: int, seconds: float) -> None:
        """A layer that was solved for what it reads.

        Args:
            index: of the node that it reads.
            layer: its own index.
            reading: its equations.
            settled: their solution, with those of all that read the same.
            position: which of these it is.
            seconds: its share of the time.
        """
        node, shape = self._plan.nodes[layer], self._plan.nodes[index].shape
        relative, unsettled = settled.solution.relative[position], settled.unsettled[position]
        self.misfits.append(Misfit(node.name, relative, unsettled, reading.reader.outputs))
        value, std = self._shown(index)
        size = float(value.square().mean().sqrt())
        what = "fully connected" if isinstance(node.module, nn.Linear) else "convolution"
        inputs, outputs = (" x ".join(map(str, each)) for each in (shape, node.shape))
        self.layers.append(
            LayerRecovery(
                name=node.name,
                kind=f"{what}, {inputs} to {outputs}",
                unknowns=value.numel(),
                equations=int(reading.reader.seen.sum()) * reading.gradient.shape[0] * reading.gradient.shape[1],
                rank=settled.solution.rank * shape[0],
                residual=relative,
                error=float(std.square().mean().sqrt()) / size if size > 0 else 0.0,
                seconds=seconds,
            )
        )

    def as_computed(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A value, and error bars that hold the client's own rounding too: what it computed is what comes back.

        The walk itself goes without, for where a unit was silent the client's nought is a nought.
        """
        value, std = self._values[index]
        return value, (std.square() + client_rounding(value[None], self._rounding)[0]).sqrt()

    def _shown(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A value, and its error bars with what lambda leaves open; a common factor changes no sign on the way."""
        value, std = self.as_computed(index)
        return value, (std.square() + (self._factor_std * value).square()).sqrt()
