"""Sending less: the smallest entries of every tensor, or whole rows of the head, are set to zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from gradinv_core.defences.announced import Announced
from gradinv_core.defences.defence import Defence, DefenceContext, check_share, share_count

__all__ = ["DropRows", "Prune", "pruned_count"]

_CERTAIN = 5.0  # standard deviations


@dataclass(frozen=True)
class Prune(Defence):
    """Set the smallest entries of each tensor to zero (gradient compression; as a defence Zhu et al. 2019).

    Attributes:
        share: of each tensor's entries that is zeroed, in (0, 1), rounded down: at least one entry is kept.

    Raises:
        OptionError: ``share`` is out of range.
    """

    share: float
    name: ClassVar[str] = "prune"

    def __post_init__(self) -> None:
        check_share(self.share, self.name, "entries")

    def apply(
        self,
        gradients: Mapping[str, torch.Tensor],
        context: DefenceContext,  # noqa: ARG002
    ) -> dict[str, torch.Tensor]:
        """The gradients without their smallest entries; among equal ones, those that come first go first."""
        pruned = {}
        for name, gradient in gradients.items():
            flat = gradient.flatten().clone()
            flat[flat.abs().sort(stable=True).indices[: pruned_count(self.share, flat.numel())]] = 0
            pruned[name] = flat.reshape(gradient.shape)
        return pruned

    def announce(self, announced: Announced, clip_norm: float | None) -> None:  # noqa: ARG002
        """The missing entries weighed no more than as many of the smallest that were kept."""
        announced.pruned = self.share
        noise = announced.noise
        announced.add_energy(sum(self._energy(tensor, noise) for tensor in announced.gradients.values()))

    def _energy(self, tensor: torch.Tensor, noise: float) -> float:
        """Most that a tensor's pruned entries can have weighed: none was larger than the smallest that was kept."""
        count = pruned_count(self.share, tensor.numel())
        size = tensor.abs().flatten()
        if noise > 0:  # it fills the holes, so the smallest entries are the pruned ones, give or take that noise
            return count * (float(size.kthvalue(count + 1).values) + _CERTAIN * noise) ** 2
        kept = size[size != 0]
        if kept.numel() == 0 or size.numel() - kept.numel() > count:  # more zeros than were pruned: these were zeros
            return 0.0
        return count * float(kept.min()) ** 2


@dataclass(frozen=True)
class DropRows(Defence):
    """Zero a random share of the head's rows: of its weight gradient, and the same entries of its bias gradient.

    Attributes:
        share: of the classes whose row is zeroed, in (0, 1), rounded to the nearest count; at least one row is dropped
            and at least one kept.

    Raises:
        OptionError: ``share`` is out of range.
    """

    share: float
    name: ClassVar[str] = "drop rows"
    needs_head: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_share(self.share, self.name, "rows")

    def apply(self, gradients: Mapping[str, torch.Tensor], context: DefenceContext) -> dict[str, torch.Tensor]:
        """The gradients, the head's without the rows drawn from the context's generator."""
        classes = context.model.get_parameter(context.head_weight).shape[0]
        order = torch.randperm(classes, generator=context.generator)
        dropped = order[: share_count(self.share, classes)]
        kept = {name: gradient.clone() for name, gradient in gradients.items()}
        for name in filter(context.is_head, kept):
            kept[name][dropped.to(kept[name].device)] = 0
        return kept

    def announce(self, announced: Announced, clip_norm: float | None) -> None:  # noqa: ARG002
        """The rows add up to zero, so the missing ones add up to minus the others: a typical size, and no bound."""
        announced.dropped, announced.lengthless = self.share, True
        rows = announced.gradients.get(announced.head_weight)
        if rows is not None:
            rows = rows.double()
            announced.add_energy(float(rows.sum(0).square().sum() + rows.square().sum(1).max()))


def pruned_count(share: float, entries: int) -> int:
    """How many of a tensor's entries `Prune` zeroes: fewer than all of them."""
    return min(int(share * entries), entries - 1)
