"""The training loss both sides may know of: softmax cross-entropy, with a temperature and class weights if announced.

With logits z, soft label y, temperature T and class weights w,

    L = -T^2 sum_i w_i y_i log q_i,      q = softmax(z / T).

The factor T^2 keeps the gradient's size, as distillation has it (Hinton et al., "Distilling the Knowledge in a Neural
Network", 2015); PyTorch's ``cross_entropy(weight=w)`` weighs a soft label in the same way. The gradient at the logits
is ``T (S q - w y)`` with ``S = sum_i w_i y_i``: its entries add up to zero for every label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import softmax

from gradinv_core.arrays import Array, ArrayLike, as_array, is_number
from gradinv_core.errors import OptionError, ShapeError

__all__ = ["CROSS_ENTROPY", "TrainingLoss", "training_loss"]


@dataclass(frozen=True)
class TrainingLoss:
    """Softmax cross-entropy with a soft label.

    Attributes:
        temperature: T > 0 that divides the logits; 1 for none.
        class_weights: one number above 0 per class, None for none.
    """

    temperature: float = 1.0
    class_weights: tuple[float, ...] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it has neither temperature nor weights."""
        return self.temperature == 1 and self.class_weights is None

    @property
    def unit(self) -> float:
        """The largest size that an entry of the gradient at the logits can have."""
        return self.temperature * (1.0 if self.class_weights is None else max(self.class_weights))

    def relative_weights(self, classes: int) -> Array | None:
        """(C,) class weights over the largest of them, None without weights.

        Raises:
            ShapeError: they are not one per class.
        """
        if self.class_weights is None:
            return None
        if len(self.class_weights) != classes:
            raise ShapeError(
                f"class_weights: expected one per class ({classes}), got {len(self.class_weights)}; "
                f"pass those the client trains with."
            )
        weights = np.asarray(self.class_weights)
        return np.asarray(weights / weights.max())

    def residual(self, logits: Array, label: Array) -> Array:
        """(C,) gradient of one sample's loss at its logits (C,), for a label (C,) that adds up to one."""
        weighted = label if self.class_weights is None else label * np.asarray(self.class_weights)
        return self.temperature * np.asarray(weighted.sum() * softmax(logits / self.temperature) - weighted)

    def __call__(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """The loss of (N, C) logits with (N, C) soft labels, averaged over the samples.

        Raises:
            ShapeError: the class weights are not one per class.
        """
        if self.is_plain:
            return -(label * torch.log_softmax(logits, dim=1)).sum(1).mean()
        self.relative_weights(logits.shape[1])
        weighted = label if self.class_weights is None else label * torch.tensor(self.class_weights).to(label)
        losses = -(weighted * torch.log_softmax(logits / self.temperature, dim=1)).sum(1)
        return self.temperature**2 * losses.mean()


CROSS_ENTROPY = TrainingLoss()
"""Plain softmax cross-entropy."""


def training_loss(temperature: float = 1.0, class_weights: ArrayLike | Sequence[float] | None = None) -> TrainingLoss:
    """The loss behind two options, checked.

    Args:
        temperature: above 0; 1 for none.
        class_weights: (C,) numbers above 0, or None.

    Raises:
        OptionError: a temperature or a weight that is not a number above 0.
        ShapeError, NonFiniteError: the weights are no list of finite numbers.
    """
    if not is_number(temperature) or temperature <= 0:
        raise OptionError(f"temperature: expected a number above 0, got {temperature!r}; 1 means none.")
    if class_weights is None:
        return TrainingLoss(float(temperature))
    weights = as_array(class_weights, "class_weights", "classes")
    if weights.min() <= 0:
        raise OptionError(
            f"class_weights: expected numbers above 0, got {weights.min():g} for class {int(weights.argmin())}; "
            f"of a class of weight 0 the gradient says nothing."
        )
    return TrainingLoss(float(temperature), tuple(weights.tolist()))
