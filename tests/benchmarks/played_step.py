"""One step of a client as the server sees it, with the truth beside it, in plain torch and autograd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from drawn_heads import Head, Label
from torch.nn import functional
from wrong_losses import LabelLoss

__all__ = ["Played", "Update", "gradients", "multiplied", "named", "under"]


@dataclass(frozen=True)
class Update:
    """What a federated client sends: the layer before and after its local steps of plain gradient descent.

    Attributes:
        before: "weight" (C, d) and, where there is one, "bias" (C,).
        after: the same names.
        learning_rate: of every step.
        steps: how many.
        weight_decay: of the optimiser.
    """

    before: dict[str, torch.Tensor]
    after: dict[str, torch.Tensor]
    learning_rate: float
    steps: int = 1
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Played:
    """One client's step in one world.

    Attributes:
        weight: (C, d) as the server holds it.
        weight_grad: as received; the same shape.
        bias: (C,) or None.
        bias_grad: (C,) or None.
        label: (C,) float64, the truth. Never shown to the server.
        options: keywords of the label recovery that tell the truth; empty if there are none.
        update: the layer before and after, where that is how the truth is told.
    """

    weight: torch.Tensor
    weight_grad: torch.Tensor
    bias: torch.Tensor | None
    bias_grad: torch.Tensor | None
    label: torch.Tensor
    options: dict[str, Any] = field(default_factory=dict)
    update: Update | None = None

    def withheld(self) -> Played:
        """The same step where the client keeps its bias gradient to itself."""
        update = self.update
        if update is not None:  # one step needs nothing of the bias; the path of several does
            before, after = {"weight": self.weight}, {"weight": update.after["weight"]}
            update = replace(update, before=before, after=after) if update.steps == 1 else None
        return replace(self, bias_grad=None, update=update)


def gradients(head: Head, loss: Callable[[torch.Tensor], torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Gradients of weight and bias under a loss of the (1, C) logits, in the head's own arithmetic."""
    weight = head.weight.clone().requires_grad_()
    bias = None if head.bias is None else head.bias.clone().requires_grad_()
    value = loss(functional.linear(head.feature[None], weight, bias))
    parts = torch.autograd.grad(value, [weight] if bias is None else [weight, bias])
    return parts[0], parts[1] if bias is not None else None


def under(loss: LabelLoss, head: Head, label: Label, _rng: np.random.Generator, **options: Any) -> Played:
    """One honest step under some loss of logits and label."""
    weight_grad, bias_grad = gradients(head, lambda logits: loss(logits, label.values[None].to(logits.dtype)))
    return Played(head.weight, weight_grad, head.bias, bias_grad, label.values, options)


def named(weight: torch.Tensor, bias: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """The entries of a layer under the names that `torch.nn.Linear` gives them."""
    return {"weight": weight} if bias is None else {"weight": weight, "bias": bias}


def multiplied(values: torch.Tensor | None, factor: float) -> torch.Tensor | None:
    return None if values is None else factor * values
