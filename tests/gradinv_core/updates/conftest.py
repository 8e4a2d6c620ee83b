"""A client that really trains with torch.optim.SGD, and remembers what the server must find."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from gradinv_core.labels import hard_label, mixup_label, smooth_label


@dataclass(frozen=True)
class Trained:
    """A network before and after local training on one sample."""

    before: nn.Module
    after: nn.Module
    feature: torch.Tensor
    label: torch.Tensor
    gradients: list[dict[str, torch.Tensor]]

    def error(self, label: torch.Tensor) -> float:
        return float((label - self.label).abs().max())


LABELS = {
    "hard": lambda classes: hard_label(3 % classes, classes),
    "smoothing": lambda classes: smooth_label(3 % classes, classes, 0.1),
    "mixup": lambda classes: mixup_label(1, 0, classes, ratio=0.65),
    "mixup+smoothing": lambda classes: mixup_label(1, 0, classes, ratio=0.65, epsilon=0.1),
}


@pytest.fixture
def client() -> Callable[..., Trained]:
    """Factory: train a linear head, or a small network with ``body=True``, for some steps."""

    def build(
        steps: int = 1,
        learning_rate: float = 0.05,
        *,
        classes: int = 10,
        kind: str = "mixup+smoothing",
        bias: bool = False,
        body: bool = False,
        frozen: tuple[str, ...] = (),
        gain: float = 1.0,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = nn.functional.cross_entropy,
        **rule: float,
    ) -> Trained:
        generator = torch.Generator().manual_seed(seed)
        below = [nn.Linear(20, 64), nn.Sigmoid()] if body else []
        before = nn.Sequential(*below, nn.Linear(64, classes, bias=bias)).to(dtype)
        with torch.no_grad():
            for parameter in before.parameters():
                parameter.uniform_(-gain / 8, gain / 8, generator=generator)
        inputs = torch.rand(1, 20 if body else 64, generator=generator).to(dtype)
        label = LABELS[kind](classes)
        after = copy.deepcopy(before)
        trainable = [weight for name, weight in after.named_parameters() if name not in frozen]
        optimiser = torch.optim.SGD(trainable, lr=learning_rate, **rule)
        gradients = []
        for _ in range(steps):
            after.zero_grad()
            loss(after(inputs), label[None].to(dtype)).backward()
            gradients.append({name: weight.grad.clone() for name, weight in after.named_parameters()})
            optimiser.step()
        feature = before[:-1](inputs)[0].detach().double()
        return Trained(before, after, feature, label, gradients)

    return build
