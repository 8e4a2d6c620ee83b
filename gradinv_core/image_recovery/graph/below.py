"""The part of a network below a node, run forwards: the output there for a picture, and how it changes with one."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from gradinv_core.image_recovery.graph.structure import Plan
from gradinv_core.pixels import PixelSpace
from gradinv_core.twin import private_twin

__all__ = ["Below"]


class Below:
    """All nodes up to the highest wanted, in float32 if not told otherwise; the network itself is left as it is."""

    def __init__(self, plan: Plan, highest: int, space: PixelSpace, kind: torch.dtype = torch.float32) -> None:
        modules = [node.module for node in plan.nodes[1 : highest + 1] if node.module is not None]
        copied = nn.ModuleList(modules)
        copied = cast("nn.ModuleList", private_twin(copied).cpu().to(kind))
        self._modules = tuple(copied)  # not its children: a module that runs twice is among those once
        self._inputs = [node.inputs for node in plan.nodes[1 : highest + 1]]
        self._space, self._kind = space, kind
        self.shape = plan.nodes[0].shape

    def run(self, shares: torch.Tensor, index: int) -> list[torch.Tensor]:
        """Output of every node up to one, each of shape (1, ...).

        Args:
            shares: (channels, height, width) where each pixel stands in its range, from 0 to 1.
            index: of the last node wanted.
        """
        fed = self._space.to_network(self._space.from_unit(shares.to(self._kind)))
        values = [fed[None]]
        for module, inputs in zip(self._modules[:index], self._inputs, strict=False):
            # A copy: an activation may work in place.
            result = module(*(values[source].clone() for source in inputs))
            values.append(result.to(self._kind))
        return values
