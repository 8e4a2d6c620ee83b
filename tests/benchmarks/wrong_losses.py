"""Losses of logits (N, C) and soft labels (N, C) that are not plain cross-entropy, as people train with them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch.nn import functional

__all__ = ["LOSSES", "LabelLoss", "cross_entropy", "temperature_cross_entropy"]

LabelLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

cross_entropy: LabelLoss = functional.cross_entropy


def temperature_cross_entropy(temperature: float, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """T^2 times the cross-entropy at temperature T, as distillation has it."""
    return temperature**2 * functional.cross_entropy(logits / temperature, labels)


def focal(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Focal loss with gamma 2 (Lin et al. 2017)."""
    logs = torch.log_softmax(logits, 1)
    return -((1 - logs.exp()) ** 2 * logs * labels).sum(1).mean()


def softmax_twice(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """A network that ends in softmax, and a loss that applies another."""
    return functional.cross_entropy(torch.softmax(logits, 1), labels)


def squared_error_of_softmax(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean squared error of the probabilities (the Brier score)."""
    return functional.mse_loss(torch.softmax(logits, 1), labels)


def truncated(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Generalised cross-entropy with q = 0.7 (Zhang and Sabuncu 2018), against noisy labels."""
    return (labels * (1 - torch.softmax(logits, 1) ** 0.7) / 0.7).sum(1).mean()


def confidence_penalty(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy less a tenth of the prediction's entropy (Pereyra et al. 2017)."""
    logs = torch.log_softmax(logits, 1)
    return functional.cross_entropy(logits, labels) + 0.1 * (logs.exp() * logs).sum(1).mean()


def z_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy and 1e-2 of the squared log of the normaliser, as large models train with."""
    return functional.cross_entropy(logits, labels) + 1e-2 * (torch.logsumexp(logits, 1) ** 2).mean()


LOSSES: dict[str, LabelLoss] = {
    "bce_mean": functional.binary_cross_entropy_with_logits,
    "bce_sum": partial(functional.binary_cross_entropy_with_logits, reduction="sum"),
    "mse_logits": functional.mse_loss,
    "mse_softmax": squared_error_of_softmax,
    "softmax_twice": softmax_twice,
    "focal": focal,
    "truncated": truncated,
    "confidence_penalty": confidence_penalty,
    "z_loss": z_loss,
}
