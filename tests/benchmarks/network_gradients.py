"""Gradients of trained and untrained networks with every label format: the material of the studies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from gradinv_core import capture_gradients, hard_label, mixup_label, smooth_label
from gradinv_core.checkpoints import available_stages, load_checkpoint
from gradinv_core.client import Truth, client_truth
from gradinv_core.datasets import load_dataset
from gradinv_core.head import HeadView, observe_head
from gradinv_core.networks import build_network

KINDS = ("hard", "smoothing", "mixup", "mixup+smoothing")


class Sample(NamedTuple):
    case: str
    kind: str
    view: HeadView
    truth: Truth


def draw_label(kind: str, classes: int, rng: np.random.Generator) -> torch.Tensor:
    first, second = (int(c) for c in rng.choice(classes, 2, replace=False))
    epsilon, ratio = rng.uniform(1e-3, 0.5), rng.uniform(0.5, 0.95)
    if kind == "hard":
        return hard_label(first, classes)
    if kind == "smoothing":
        return smooth_label(first, classes, epsilon)
    return mixup_label(first, second, classes, ratio, epsilon if kind == "mixup+smoothing" else 0.0)


def trained(network: str, classes: int, epochs: int, kind: str) -> nn.Module:
    """A network trained here and now on crops of the photographs, crop i being of class i mod C."""
    model = build_network(network, classes, seed=1)
    crops = load_dataset("photographs", 32)
    images = torch.stack([crops[i][0] for i in range(len(crops))])
    targets = torch.arange(len(crops)) % classes
    hard = torch.nn.functional.one_hot(targets, classes).float()
    epsilon = 0.1 if kind == "smoothing" else 0.0
    labels = (1 - epsilon) * hard + epsilon / classes
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3 if network.startswith("lenet") else 1e-3)
    model.train()
    for _ in range(epochs):
        for chosen in torch.randperm(len(images), generator=generator).split(32):
            loss = -(labels[chosen] * torch.log_softmax(model(images[chosen]), 1)).sum(1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return model.eval()


def gradients_of(case: str, model: nn.Module, classes: int, size: int, count: int, seed: int) -> Iterator[Sample]:
    rng = np.random.default_rng(seed)
    for index in range(count):
        data = load_dataset(("digits", "photographs")[index % 2], size)
        image, kind = data[int(rng.integers(len(data)))][0], KINDS[(index // 2) % 4]
        label = draw_label(kind, classes, rng)
        yield Sample(
            case, kind, observe_head(model, capture_gradients(model, image, label)), client_truth(model, image, label)
        )


def untrained_samples(
    network: str, classes: int, count: int, size: int = 32, initialisation: str = "pytorch"
) -> Iterator[Sample]:
    for part in range(4):
        model = build_network(network, classes, seed=part, initialisation=initialisation)
        yield from gradients_of(
            f"{network} C={classes} untrained {initialisation}", model, classes, size, count // 4, part
        )


def checkpoint_samples(network: str, count: int) -> Iterator[Sample]:
    for part, stage in enumerate(available_stages(network)):
        if stage != "untrained":
            yield from gradients_of(f"{network} {stage}", load_checkpoint(network, stage), 10, 32, count, part)
