"""What plain SGD does to weights in several local steps, and what of it can be undone exactly.

PyTorch's rule, from a momentum buffer of zero: ``d = g + decay W``, ``buffer = momentum buffer + d``,
``W -= rate buffer``. It is linear in the first weights and in the gradients, so after k steps

    W_k = shrink_k W_0 - rate sum_t share_t g_t,

with numbers that follow from rate, decay and momentum alone (our derivation). The weights' own shrinking can therefore
be taken out exactly; what is left is the sum of the gradients, each with its share.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradinv_core.arrays import Array, is_number
from gradinv_core.errors import OptionError

__all__ = ["LocalSteps"]

_MOST_STEPS = 10_000


@dataclass(frozen=True)
class LocalSteps:
    """How the client trained, as it told the server.

    Attributes:
        rate: learning rate, > 0.
        steps: number of local steps k, at least 1, all on the same sample.
        decay: weight decay, >= 0, of every parameter that trains.
        momentum: in [0, 1); without dampening and without Nesterov's look ahead.
    """

    rate: float
    steps: int = 1
    decay: float = 0.0
    momentum: float = 0.0

    def __post_init__(self) -> None:
        if not is_number(self.rate) or self.rate <= 0:
            raise OptionError(f"learning_rate: expected a number above 0, or None if it is unknown, got {self.rate!r}.")
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or not 1 <= self.steps <= _MOST_STEPS:
            raise OptionError(
                f"steps: expected a whole number from 1 to {_MOST_STEPS:,}, got {self.steps!r}; if the number of local "
                f"steps is unknown, try one after the other."
            )
        if not is_number(self.decay) or self.decay < 0:
            raise OptionError(f"weight_decay: expected a number >= 0, got {self.decay!r}.")
        if not is_number(self.momentum) or not 0 <= self.momentum < 1:
            raise OptionError(f"momentum: expected a number from 0 to below 1, got {self.momentum!r}.")

    @cached_property
    def shrinks(self) -> Array:
        """(k + 1,) what is left of W_0 before each step and after the last; all ones without decay."""
        left, pull = 1.0, 0.0
        series = [left]
        for _ in range(self.steps):
            pull = self.momentum * pull + self.decay * left
            left -= self.rate * pull
            series.append(left)
        return np.array(series)

    @cached_property
    def shares(self) -> Array:
        """(k,) share of each gradient in the update; all ones without decay and momentum."""
        shares, share, velocity = [], 0.0, 0.0
        for age in range(self.steps):  # the rule is the same at every step, so only a gradient's age counts
            velocity = self.momentum * velocity + (1.0 if age == 0 else 0.0) - self.decay * self.rate * share
            share += velocity
            shares.append(share)
        return np.array(shares[::-1])

    @cached_property
    def total(self) -> float:
        """Sum of all shares; k without decay and momentum."""
        return float(self.shares.sum())
