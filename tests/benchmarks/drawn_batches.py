"""Batches drawn at random: features with zeros, soft labels, and the averaged gradient they leave of a last layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from gradinv_core.batch_recovery import BatchRecovery
from gradinv_core.head import HeadView
from gradinv_core.losses import CROSS_ENTROPY, TrainingLoss


class Batch(NamedTuple):
    """One training step: weight (C, d), bias (C,), features (B, d), labels (B, C) and both gradients, in float32.

    Fully connected networks add their layers below the head.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    features: np.ndarray
    labels: np.ndarray
    weight_grad: torch.Tensor
    bias_grad: torch.Tensor
    below: Sequence[HeadView] = ()

    def errors(self, answers: BatchRecovery) -> np.ndarray:
        """(B,) largest error of each label, by the answer that is nearest to it."""
        distance = np.abs(answers.labels.numpy()[:, None] - self.labels[None]).max(2)
        return distance.min(0)

    def unique_errors(self, answers: BatchRecovery) -> list[float]:
        """Distance of every answer that is called unique to the nearest label of the batch."""
        return [
            float(np.abs(answer.label.numpy() - self.labels).max(1).min())
            for answer in answers
            if answer.status == "unique"
        ]


def soft_labels(samples: int, classes: int, rng: np.random.Generator) -> np.ndarray:
    """Mixed and smoothed."""
    labels = np.full((samples, classes), 0.1 / classes)
    for label in labels:
        first, second = rng.choice(classes, 2, replace=False)
        ratio = rng.uniform(0.55, 0.9)
        label[first] += 0.9 * ratio
        label[second] += 0.9 * (1 - ratio)
    return labels


def draw_batch(
    samples: int,
    classes: int = 10,
    width: int = 256,
    seed: int = 0,
    features: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    reduction: float | None = None,
    biased: bool = False,
    loss: TrainingLoss = CROSS_ENTROPY,
) -> Batch:
    """The gradient of a mean of losses, or of a sum times ``reduction``."""
    rng = np.random.default_rng(seed)
    if features is None:
        features = np.maximum(rng.standard_normal((samples, width)), 0)
    width = features.shape[1]
    weight = rng.uniform(-1, 1, (classes, width)) / np.sqrt(width)
    bias = rng.uniform(-0.5, 0.5, classes) if biased else np.zeros(classes)
    labels = soft_labels(samples, classes, rng) if labels is None else labels
    logits = features @ weight.T + bias
    residuals = np.stack([loss.residual(each, label) for each, label in zip(logits, labels, strict=True)])
    residuals *= 1 / samples if reduction is None else reduction
    single = lambda values: torch.from_numpy(values.astype(np.float32))  # noqa: E731
    return Batch(
        single(weight), single(bias), features, labels, single(residuals.T @ features), single(residuals.sum(0))
    )
