"""Which restarts are searched at once: as many as was asked for and memory holds, where the network lets them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from gradinv_core.image_recovery.matching.objective import Candidate
from gradinv_core.image_recovery.matching.options import MatchingOptions
from gradinv_core.image_recovery.matching.outcome import Outcome
from gradinv_core.image_recovery.matching.playback import Playback
from gradinv_core.image_recovery.matching.replay import recorded
from gradinv_core.image_recovery.matching.stacked_descent import StackedObjective, descend_together, stacked
from gradinv_core.image_recovery.matching.stacked_route import StackedRoute
from gradinv_core.image_recovery.result import Stop
from gradinv_core.pixels import PixelSpace

__all__ = ["Batch", "gather_batch"]

_MOST_ENTRIES = 2**28  # of all gradients of a batch: a search holds a few times as many, 1 GB each in float32


@dataclass(frozen=True)
class Batch:
    """Searches several restarts at once.

    Attributes:
        size: how many, at least 2.
        objective: losses and derivatives of a stack.
    """

    size: int
    objective: StackedObjective

    def descend(
        self, starts: Sequence[Candidate], options: MatchingOptions, playbacks: Sequence[Playback], stop: Stop
    ) -> list[Outcome]:
        """Walk downhill from every start; see `descend_together`."""
        here = stacked(starts)
        return descend_together(recorded(self.objective, here), here, options, playbacks, stop)


def gather_batch(
    route: StackedRoute,
    options: MatchingOptions,
    shape: tuple[int, int, int],
    classes: int | None,
    like: torch.Tensor,
    space: PixelSpace,
) -> Batch | None:
    """How to search several restarts at once; None where they go one after the other.

    Args:
        route: of a stack.
        options: of the search.
        shape: (channels, height, width) of the image.
        classes: number of classes C if the label is learned, else None.
        like: the observed gradient (n,), of the network's device and number type.
        space: which values pixels may have.
    """
    wanted = options.at_once or (options.restarts if like.device.type == "cuda" else 1)
    size = min(wanted, options.restarts, _MOST_ENTRIES // len(like))
    if size < 2 or options.optimizer == "lbfgs":
        return None
    trial = Candidate(like.new_full((2, *shape), 0.5), None if classes is None else like.new_zeros((2, classes)))
    if not route.can(trial):
        return None
    return Batch(size, StackedObjective(route.evaluate, options.total_variation, space))
