"""Who is who in a batch: the client's side alone can tell, and only after the attack is over."""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment

from gradinv_core.experiments.client.training_step import ClientStep

__all__ = ["batch_samples", "pair_up"]


def batch_samples(client: ClientStep) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, C) true labels and (B, 3, h, w) true pictures of a step, in the client's order."""
    samples = (client.sample, *client.others)
    return torch.stack([one.label for one in samples]), torch.stack([one.image for one in samples]).double()


def pair_up(client: ClientStep, labels: torch.Tensor, images: torch.Tensor | None) -> list[int | None]:
    """For each of the client's samples, which answer is nearest to it; None where there are fewer answers.

    Args:
        client: the client's step.
        labels: (K, C) as recovered.
        images: (K, 3, h, w) as recovered, None without; they tell samples of one label apart.
    """
    true_labels, true_images = batch_samples(client)
    cost = (true_labels[:, None] - labels[None]).abs().amax(2)
    if images is not None:
        cost = cost + (true_images[:, None] - images[None]).abs().mean((2, 3, 4))
    own, answer = linear_sum_assignment(cost.numpy())
    pairs: list[int | None] = [None] * len(true_labels)
    for place, number in zip(own, answer, strict=True):
        pairs[int(place)] = int(number)
    return pairs
