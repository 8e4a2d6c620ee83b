"""Gradient matching as a tutorial writes it: the loop the search is measured against, and must agree with."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn


def total_variation(image: torch.Tensor) -> torch.Tensor:
    across = (image[:, :, :, 1:] - image[:, :, :, :-1]).abs().mean()
    down = (image[:, :, 1:, :] - image[:, :, :-1, :]).abs().mean()
    return across + down


def match(
    model: nn.Module,
    gradients: Mapping[str, torch.Tensor],
    label: torch.Tensor,
    start: torch.Tensor,
    iterations: int,
    *,
    learning_rate: float = 0.1,
    tv_weight: float = 1e-2,
    signed: bool = True,
) -> torch.Tensor:
    """Cosine distance, total variation, Adam on the image's signed gradient, learning-rate steps, pixels in [0, 1]."""
    image = start.clone()[None].requires_grad_(True)
    optimizer = torch.optim.Adam([image], lr=learning_rate)
    milestones = [iterations * part // 8 for part in (3, 5, 7)]
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, gamma=0.1)
    parameters = list(model.parameters())
    observed = [gradients[name] for name, _ in model.named_parameters()]
    for _ in range(iterations):
        optimizer.zero_grad()
        model.zero_grad()
        loss = -(label * torch.log_softmax(model(image), dim=1)[0]).sum()
        found = torch.autograd.grad(loss, parameters, create_graph=True)
        product = sum((a * b).sum() for a, b in zip(found, observed, strict=True))
        length = sum(a.pow(2).sum() for a in found).sqrt()
        observed_length = sum(b.pow(2).sum() for b in observed).sqrt()
        objective = 1 - product / (length * observed_length) + tv_weight * total_variation(image)
        objective.backward()
        if signed:
            image.grad.sign_()
        optimizer.step()
        scheduler.step()
        with torch.no_grad():
            image.clamp_(0, 1)
    return image.detach()[0]
