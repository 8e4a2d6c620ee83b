"""From the directions of a batch to one problem of one sample each.

With the features X = (x_1 ... x_K) known up to scale, ``G X^+`` holds the residuals a_k, each with its sample's weight
and the inverse of its feature's scale: ``a_k x_k^T`` is what the client would have sent of that sample alone. A bias
gradient is one more column of G, in which every feature has the entry 1: it fixes the scales as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.batch_recovery.direction import Direction
from gradinv_core.batch_recovery.row_space import RowSpace
from gradinv_core.head import ObservedHead, factor_heads
from gradinv_core.losses import CROSS_ENTROPY, TrainingLoss

__all__ = ["SplitBatch", "split_batch"]

_CERTAIN = 5.0  # standard deviations of noise that a sum of residuals may reach


@dataclass(frozen=True)
class SplitBatch:
    """The gradient of a batch, taken apart.

    Attributes:
        heads: K observed heads, each as if its sample had been sent alone.
        features: (K, d) up to scale; with a bias gradient the features themselves.
        residuals: (K, C) a_k, each times its sample's weight and over its feature's scale.
        residual_std: (K, C) their standard deviation by noise.
        feature_std: (K, d) that of the features.
        shares: (K,) weights w_k the heads were divided by.
        biased: whether a bias gradient fixed the scales.
        loss: what the client minimised.
    """

    heads: ObservedHead
    features: Array
    residuals: Array
    residual_std: Array
    feature_std: Array
    shares: Array
    biased: bool
    loss: TrainingLoss = CROSS_ENTROPY

    @property
    def bias_grads(self) -> Array | None:
        """(K, C) gradients of the head's bias, each sample's alone and in the heads' units; None without one."""
        return self.residuals / self.shares[:, None] / self.loss.unit if self.biased else None

    def with_shares(self, shares: Array) -> SplitBatch:
        """The same where the samples count otherwise: (K,) weights."""
        smaller = self.shares / shares
        heads = replace(
            self.heads,
            row_gradient=self.heads.row_gradient * smaller[:, None],
            products=self.heads.products * smaller[:, None],
            product_std=self.heads.product_std * smaller[:, None],
        )
        return replace(self, heads=heads, shares=shares)


def split_batch(
    space: RowSpace,
    directions: Sequence[Direction],
    weight: Array,
    bias: Array | None,
    biased: bool,
    shares: Array,
    loss: TrainingLoss = CROSS_ENTROPY,
) -> SplitBatch | None:
    """Split the gradient along K independent directions; None where they are not independent.

    Args:
        space: the row space.
        directions: K of them.
        weight: (C, d) of the head.
        bias: (C,) of the head, or None.
        biased: whether the last column of the gradient is that of the bias.
        shares: (K,) weights of the samples in the mean.
        loss: what the client minimised.
    """
    features = np.array([direction.feature for direction in directions])
    std = np.array([direction.std for direction in directions])
    if biased:
        if (features[:, -1] <= _CERTAIN * std[:, -1]).any():
            return None
        features, std = features / features[:, -1:], std / features[:, -1:]
    sizes = np.linalg.norm(features, axis=1, keepdims=True)
    if np.linalg.cond(features / sizes) > 1 / (space.noise + space.rounding):
        return None
    inverse = np.linalg.pinv(features)  # (D, K)
    residuals = (space.gradient @ inverse).T
    # Noise on the gradient itself, and the directions' own, which lets every sample leak into every other.
    variance = (space.variance @ inverse**2).T + (std**2 @ inverse**2).T @ residuals**2
    residual_std = np.sqrt(variance)
    if biased:
        features, std = features[:, :-1], std[:, :-1]
    alone = residuals / shares[:, None]
    heads = factor_heads(weight, alone[:, :, None] * features[:, None, :], bias, loss=loss)
    lead = np.abs(alone[np.arange(len(alone)), heads.row])[:, None]
    length = np.linalg.norm(residuals, axis=1)
    noise = np.linalg.norm(residual_std, axis=1) / length
    heads = replace(
        heads,
        ratio_std=residual_std / shares[:, None] / lead,
        product_std=lead * np.sqrt(std**2 @ (weight**2).T) / (loss.temperature * loss.unit),
        rounding=np.full(len(alone), space.rounding),
        residual=np.full(len(alone), space.noise),
        row_sum=np.maximum(heads.row_sum - _CERTAIN * noise, 0.0),
    )
    return SplitBatch(heads, features, residuals, residual_std, std, shares, biased, loss)
