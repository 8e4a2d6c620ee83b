"""Training steps of a client, for an informed server to work on; every step is computed once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, hard_label, mixup_label, smooth_label
from gradinv_core.client import Truth, client_truth
from gradinv_core.datasets import load_dataset
from gradinv_core.defences import Clip, apply_defences
from gradinv_core.defences.defence import norm_of
from gradinv_core.networks import build_network


@dataclass(frozen=True)
class TrainingStep:
    """One client's step, with what only the client knows."""

    model: nn.Module
    image: torch.Tensor
    label: torch.Tensor
    gradients: dict[str, torch.Tensor]
    truth: Truth
    seed: int

    def sent(self, *defences):
        # Not the network's seed: its weights and the noise would be drawn from the same stream.
        return apply_defences(self.model, self.gradients, defences, image=self.image, seed=1000 + self.seed)

    def error(self, answer):
        return float((answer.label - self.label).abs().max())

    def scale(self, row, *defences):
        """Lambda of that row in the units of what is sent: a clip's factor divides it."""
        factor = 1.0
        for index, defence in enumerate(defences):
            if isinstance(defence, Clip):
                factor *= min(1.0, defence.norm / norm_of(self.sent(*defences[:index])))
        return 1 / float(self.truth.probabilities[row] - self.truth.label[row]) / factor


def soft_label(seed: int, classes: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    first, second = (int(index) for index in rng.choice(classes, 2, replace=False))
    epsilon, ratio = float(rng.uniform(0.02, 0.3)), float(rng.uniform(0.55, 0.9))
    return (
        hard_label(first, classes),
        smooth_label(first, classes, epsilon),
        mixup_label(first, second, classes, ratio),
        mixup_label(first, second, classes, ratio, epsilon),
    )[seed % 4]


@lru_cache(maxsize=200)
def _step(network: str, seed: int, classes: int, head_bias: bool) -> TrainingStep:
    photographs = load_dataset("photographs", 32)
    model = build_network(network, classes, seed=seed, head_bias=head_bias)
    image, label = photographs[7 * seed % len(photographs)][0], soft_label(seed, classes)
    gradients = capture_gradients(model, image, label)
    return TrainingStep(model, image, label, gradients, client_truth(model, image, label), seed)


@pytest.fixture(scope="session")
def step() -> Callable[..., TrainingStep]:
    """Factory: the step of an untrained network on a photograph, all four label formats in turn."""

    def build(
        network: str = "lenet_sigmoid", seed: int = 0, *, classes: int = 10, head_bias: bool = False
    ) -> TrainingStep:
        return _step(network, seed, classes, head_bias)

    return build
