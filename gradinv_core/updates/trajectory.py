"""The path of the logits while only the head trains: known from lambda and the label, whatever the feature is.

With a frozen body every gradient is ``a_t x^T``, so the weights stay ``W_t = shrink_t W_0 - rate B_t x^T`` and the
logits ``z_t = shrink_t W_0 x + b_t - rate s B_t``, where ``s = |x|^2``, plus 1 if the bias trains along (our
derivation). The update tells ``B_k = c / lambda``, and ``x = lambda g`` gives ``W_0 x = lambda u`` and ``s``. One
lambda and one label thus fix the whole path, in C numbers a step, and the label must be the one whose path ends at
``c / lambda``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.head import ObservedHead
from gradinv_core.updates.local_steps import LocalSteps

__all__ = ["Sensitivity", "TrainedHead", "softmax"]

_BLOCK_ENTRIES = 2**16  # entries of derivatives carried at a time: they stay in the processor's cache


@dataclass(frozen=True)
class Sensitivity:
    """How the end ``B_k`` of K paths answers to what goes in.

    Attributes:
        label: (K, C, C) derivative of B_k in the label.
        logits: (K, C, C) derivative of B_k in a shift of the logits that lasts for all steps.
    """

    label: Array
    logits: Array


@dataclass(frozen=True)
class TrainedHead:
    """One observed head update and the steps that made it.

    Attributes:
        head: of ``(shrink_k W_0 - W_k) / rate``, a single one.
        steps: how the client trained.
        bias_trains: whether the bias took part.
    """

    head: ObservedHead
    steps: LocalSteps
    bias_trains: bool

    @property
    def least_scale(self) -> float:
        """The smallest ``|lambda|`` there is: no residual exceeds 1, so no sum of them exceeds the sum of shares."""
        return 1 / self.steps.total

    def strength(self, scales: Array) -> Array:
        """(K,) ``rate s``: how far one step moves the logits for a residual of one."""
        squares = scales**2 * float((self.head.row_gradient[0] ** 2).sum())
        strengths: Array = self.steps.rate * (squares + (1.0 if self.bias_trains else 0.0))
        return strengths

    def longer(self, steps: int) -> TrainedHead:
        """The same observation read as another number of steps."""
        return replace(self, steps=replace(self.steps, steps=steps))

    def resting_logits(self, scales: Array, step: int) -> Array:
        """(K, C) logits before this step as far as they come from the first weights."""
        shrink = self.steps.shrinks[step]
        rest: Array = (
            shrink * scales[:, None] * self.head.products[0] + (shrink if self.bias_trains else 1.0) * self.head.bias
        )
        return rest

    def ends(self, scales: Array, labels: Array, strength: Array | None = None) -> Array:
        """(K, C) sums ``B_k`` at the end of K paths, from (K,) lambdas and (K, C) labels.

        ``strength`` (K,) replaces the one that lambda means.
        """
        steps, push = self.steps, (self.strength(scales) if strength is None else strength)[:, None]
        summed, velocity = np.zeros_like(labels), np.zeros_like(labels)
        for step in range(steps.steps):
            residual = softmax(self.resting_logits(scales, step) - push * summed) - labels
            velocity = steps.momentum * velocity + residual - steps.decay * steps.rate * summed
            summed = summed + velocity
        return summed

    def label_slopes(self, scales: Array, labels: Array) -> Array:
        """Derivative (K, C, C) of `ends` in the labels: with ``H = diag(p) - p p^T`` every step costs O(C^2)."""
        return self._carried(scales, labels, ("label",))[0]

    def sensitivity(self, scales: Array, labels: Array) -> Sensitivity:
        """Derivatives of `ends` in the labels and in the logits, carried along the path together."""
        return Sensitivity(*self._carried(scales, labels, ("label", "logits")))

    def _carried(self, scales: Array, labels: Array, kinds: tuple[str, ...]) -> list[Array]:
        block = max(1, _BLOCK_ENTRIES // labels.shape[1] ** 2)
        parts = [
            self._carry(scales[first : first + block], labels[first : first + block], kinds)
            for first in range(0, len(scales), block)
        ]
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    def _carry(self, scales: Array, labels: Array, kinds: tuple[str, ...]) -> list[Array]:
        steps, push = self.steps, self.strength(scales)
        count, classes = labels.shape
        fade = steps.decay * steps.rate
        summed, velocity = np.zeros_like(labels), np.zeros_like(labels)
        slopes = [np.zeros((count, classes, classes)) for _ in kinds]
        speeds = [np.zeros((count, classes, classes)) for _ in kinds] if steps.momentum else []
        diagonal = np.arange(classes)
        for step in range(steps.steps):
            p = softmax(self.resting_logits(scales, step) - push[:, None] * summed)
            for index, kind in enumerate(kinds):
                slope = slopes[index]
                moved = np.matmul(p[:, None, :], slope)
                change = slope - moved
                change *= (-push[:, None] * p)[:, :, None]
                if kind == "logits":
                    change -= p[:, :, None] * p[:, None, :]
                    change[:, diagonal, diagonal] += p
                else:
                    change[:, diagonal, diagonal] -= 1.0
                if fade:
                    change -= fade * slope
                if steps.momentum:
                    speeds[index] *= steps.momentum
                    speeds[index] += change
                    change = speeds[index]
                slope += change
            velocity = steps.momentum * velocity + p - labels - fade * summed
            summed = summed + velocity
        return slopes


def softmax(logits: Array) -> Array:
    """Along the last axis."""
    powers: Array = np.exp(logits - logits.max(-1, keepdims=True))
    powers /= powers.sum(-1, keepdims=True)
    return powers
