"""Adam on the image, plain or signed, with the learning-rate steps of Geiping et al. 2020.

The update is that of Kingma and Ba 2015 as `torch.optim.Adam` computes it; written out, because for images of a few
thousand pixels the bookkeeping of a general optimiser takes longer than its arithmetic.
"""

from __future__ import annotations

from math import isfinite, sqrt

import torch

from gradinv_core.image_recovery.matching.objective import Candidate, Loss
from gradinv_core.image_recovery.matching.options import MatchingOptions
from gradinv_core.image_recovery.matching.outcome import Outcome
from gradinv_core.image_recovery.matching.playback import Playback
from gradinv_core.image_recovery.result import Stop

__all__ = ["Adam", "descend", "learning_rates"]

_FORGET_MEAN, _FORGET_SQUARE, _FLOOR = 0.9, 0.999, 1e-8  # beta 1, beta 2 and epsilon of Adam
_DROPS = ((3, 8), (5, 8), (7, 8))  # fractions of the iterations after which the learning rate falls
_DROP_FACTOR = 0.1


def learning_rates(first: float, iterations: int, decay: bool) -> list[float]:
    """The learning rate of each iteration."""
    rates = []
    for iteration in range(iterations):
        drops = sum(iteration >= iterations * part // whole for part, whole in _DROPS) if decay else 0
        rates.append(first * _DROP_FACTOR**drops)
    return rates


class Adam:
    """Adam for one tensor, changed in place: an image, or a stack of them."""

    def __init__(self, values: torch.Tensor) -> None:
        self._values = values
        self._mean, self._square = torch.zeros_like(values), torch.zeros_like(values)
        self._steps = 0

    def step(self, slope: torch.Tensor, rate: float) -> None:
        """One update by the derivative ``slope``."""
        self._steps += 1
        self._mean.lerp_(slope, 1 - _FORGET_MEAN)
        self._square.mul_(_FORGET_SQUARE).addcmul_(slope, slope, value=1 - _FORGET_SQUARE)
        spread = self._square.sqrt().div_(sqrt(1 - _FORGET_SQUARE**self._steps)).add_(_FLOOR)
        self._values.addcdiv_(self._mean, spread, value=-rate / (1 - _FORGET_MEAN**self._steps))


@torch.no_grad()
def descend(objective: Loss, candidate: Candidate, options: MatchingOptions, playback: Playback, stop: Stop) -> Outcome:
    """Walk downhill from ``candidate``, which is changed in place.

    Args:
        objective: loss and derivative.
        candidate: where to start.
        options: optimizer, iterations, learning rate, box.
        playback: sees the start and the candidate after every step.
        stop: asked before every step.

    Returns:
        How the walk ended.
    """
    signed = options.optimizer == "signed adam"
    rates = learning_rates(options.learning_rate, options.iterations, options.decay)
    image = Adam(candidate.image)
    logits = None if candidate.logits is None else Adam(candidate.logits)
    for iteration in range(options.iterations + 1):
        slope = objective(candidate)
        if not playback.see(iteration, candidate, slope.loss):
            return Outcome.broken(iteration)
        if iteration == options.iterations:
            break
        if stop():
            return Outcome.halted(iteration)
        if not isfinite(float(slope.image.sum())):
            return Outcome.broken(iteration)
        image.step(slope.image.sign_() if signed else slope.image, rates[iteration])
        if options.box:
            candidate.image.clamp_(0, 1)
        if logits is not None and slope.logits is not None:
            logits.step(slope.logits, rates[iteration])
    return Outcome.completed(options.iterations)
