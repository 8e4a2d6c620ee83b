"""Heads, features and labels drawn at random, in plain torch: what the worlds of a study are played on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

__all__ = ["FAMILIES", "FEATURES", "KINDS", "Head", "Label", "draw_head", "draw_label", "one_hot", "smooth"]

FAMILIES = ("spread", "default", "sharp")
KINDS = ("hard", "smoothing", "mixup", "mixup+smoothing")
FEATURES = 64
_DIM = 0.3  # of the default family's features: logits then spread by about 0.1, as over a pooled, untrained network


@dataclass(frozen=True)
class Head:
    """A last layer and the feature that one sample put into it.

    Attributes:
        family: "spread" (logits of spread 1), "default" (as `torch.nn.Linear` starts: logits nearly equal) or "sharp"
            (spread 5, as after training).
        weight: (C, d) float32.
        bias: (C,) float32, or None.
        feature: (d,) float32, non-negative.
        rectified: whether the feature is half zeros, as after a ReLU, or uniform.
    """

    family: str
    weight: torch.Tensor
    bias: torch.Tensor | None
    feature: torch.Tensor
    rectified: bool

    def with_feature(self, rng: np.random.Generator) -> Head:
        """The same layer with another sample's feature."""
        return replace(self, feature=_draw_feature(self.family, self.rectified, len(self.feature), rng))

    def with_layer(self, rng: np.random.Generator) -> Head:
        """Another layer over the same feature."""
        weight, bias = _draw_layer(self.family, self.feature, len(self.weight), rng)
        return replace(self, weight=weight, bias=None if self.bias is None else bias)


@dataclass(frozen=True)
class Label:
    """A soft label and how it came about.

    Attributes:
        kind: one of `KINDS`, or "dirichlet".
        values: (C,) float64.
        target: the main class.
        epsilon: its smoothing strength, 0 without.
    """

    kind: str
    values: torch.Tensor
    target: int
    epsilon: float

    def of_another_class(self, rng: np.random.Generator) -> Label:
        """A label of the same kind whose main class differs."""
        while (other := draw_label(self.kind, len(self.values), rng)).target == self.target:
            pass
        return other


def draw_head(family: str, classes: int, biased: bool, rng: np.random.Generator, features: int = FEATURES) -> Head:
    rectified = bool(rng.random() < 0.5)
    feature = _draw_feature(family, rectified, features, rng)
    weight, bias = _draw_layer(family, feature, classes, rng)
    return Head(family, weight, bias if biased else None, feature, rectified)


def draw_label(kind: str, classes: int, rng: np.random.Generator) -> Label:
    first, second = (int(c) for c in rng.choice(classes, 2, replace=False))
    epsilon, ratio = float(rng.uniform(0.02, 0.5)), float(rng.uniform(0.5, 0.95))
    if kind == "dirichlet":
        values = torch.from_numpy(rng.dirichlet(np.ones(classes)))
        return Label(kind, values, int(values.argmax()), 0.0)
    epsilon = epsilon if "smoothing" in kind else 0.0
    values = smooth(first, classes, epsilon)
    if "mixup" in kind:
        values = ratio * values + (1 - ratio) * smooth(second, classes, epsilon)
    return Label(kind, values, first, epsilon)


def one_hot(target: int, classes: int) -> torch.Tensor:
    return smooth(target, classes, 0.0)


def smooth(target: int, classes: int, epsilon: float) -> torch.Tensor:
    values = torch.full((classes,), epsilon / classes, dtype=torch.float64)
    values[target] += 1 - epsilon
    return values


def _draw_feature(family: str, rectified: bool, features: int, rng: np.random.Generator) -> torch.Tensor:
    values = np.maximum(rng.standard_normal(features), 0) if rectified else rng.random(features)
    values[0] += 0.1  # never all zero, however few there are
    return _float32(values * (_DIM if family == "default" else 1.0))


def _draw_layer(
    family: str, feature: torch.Tensor, classes: int, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    shape = (classes, len(feature))
    if family == "default":
        bound = len(feature) ** -0.5
        return _float32(rng.uniform(-bound, bound, shape)), _float32(rng.uniform(-bound, bound, classes))
    gain = (5.0 if family == "sharp" else 1.0) / float(feature.norm())
    return _float32(gain * rng.standard_normal(shape)), _float32(0.1 * rng.standard_normal(classes))


def _float32(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))
