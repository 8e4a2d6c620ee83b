"""Adam on many images at once: every restart takes its step in the same breath as the others.

Each is led exactly as `descend` would lead it alone; they share nothing but the time at which they step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite

import torch

from gradinv_core.image_recovery.matching.descent import Adam, learning_rates
from gradinv_core.image_recovery.matching.distance import total_variation
from gradinv_core.image_recovery.matching.objective import Candidate, StackedSlope, by_shares
from gradinv_core.image_recovery.matching.options import MatchingOptions
from gradinv_core.image_recovery.matching.outcome import Outcome
from gradinv_core.image_recovery.matching.playback import Playback
from gradinv_core.image_recovery.result import Stop
from gradinv_core.pixels import PixelSpace

__all__ = ["StackedLoss", "StackedObjective", "descend_together", "stacked"]

StackedLoss = Callable[[Candidate], StackedSlope]


class StackedObjective:
    """`Objective` for a stack: what the route computes, plus the total-variation prior."""

    def __init__(self, evaluate: StackedLoss, total_variation_weight: float, space: PixelSpace) -> None:
        self._evaluate, self._weight, self._space = evaluate, total_variation_weight, space

    @torch.no_grad()
    def __call__(self, candidate: Candidate) -> StackedSlope:
        """Losses and derivatives there."""
        slope = by_shares(self._evaluate, candidate, self._space)
        if self._weight == 0:
            return slope
        roughness, direction = total_variation(candidate.image)
        image = slope.image.add(direction, alpha=self._weight)
        return StackedSlope(slope.loss + self._weight * roughness, image, slope.logits)


def stacked(candidates: Sequence[Candidate]) -> Candidate:
    """Candidates as one, whose tensors have a leading axis for them."""
    logits = [candidate.logits for candidate in candidates if candidate.logits is not None]
    return Candidate(
        torch.stack([candidate.image for candidate in candidates]), torch.stack(logits) if logits else None
    )


@torch.no_grad()
def descend_together(
    objective: StackedLoss, candidate: Candidate, options: MatchingOptions, playbacks: Sequence[Playback], stop: Stop
) -> list[Outcome]:
    """Walk downhill from every candidate of a stack, which is changed in place.

    Args:
        objective: losses and derivatives.
        candidate: where to start, as from `stacked`.
        options: optimizer, iterations, learning rate, box.
        playbacks: one for each candidate; each sees its start and itself after every step.
        stop: asked before every step.

    Returns:
        How each walk ended. One that overflows is not seen again; the others go on.
    """
    signed = options.optimizer == "signed adam"
    rates = learning_rates(options.learning_rate, options.iterations, options.decay)
    image = Adam(candidate.image)
    logits = None if candidate.logits is None else Adam(candidate.logits)
    ended: dict[int, Outcome] = {}
    for iteration in range(options.iterations + 1):
        slope = objective(candidate)
        # The one place of a step where the CPU waits for the device.
        losses, sums = torch.stack([slope.loss, slope.image.sum((1, 2, 3))]).tolist()
        last = iteration == options.iterations
        for place, playback in enumerate(playbacks):
            if place in ended:
                continue
            alone = Candidate(candidate.image[place], None if candidate.logits is None else candidate.logits[place])
            if not playback.see(iteration, alone, losses[place]) or not (last or isfinite(sums[place])):
                ended[place] = Outcome.broken(iteration)
        if last or len(ended) == len(playbacks):
            break
        if stop():
            return [ended.get(place, Outcome.halted(iteration)) for place in range(len(playbacks))]
        image.step(slope.image.sign_() if signed else slope.image, rates[iteration])
        if options.box:
            candidate.image.clamp_(0, 1)
        if logits is not None and slope.logits is not None:
            logits.step(slope.logits, rates[iteration])
    return [ended.get(place, Outcome.completed(options.iterations)) for place in range(len(playbacks))]
