"""Which restarts are searched at once: as many as was asked for and memory holds, where the network lets them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from gradinv_core.image_recovery.matching.objective import Candidate
from gradinv_core.image_recovery.matching.options import MatchingOptions
from gradinv_core.image_recovery.matching.outcome import Outcome
from gradinv_core.image_recovery.matching.playback import Playback
from gradinv_core.image_recovery.matching.replay import recorded
from gradinv_core.image_recovery.matching.stacked_descent import (
    StackedLoss,
    StackedObjective,
    descend_together,
    stacked,
)
from gradinv_core.image_recovery.matching.stacked_route import StackedRoute
from gradinv_core.image_recovery.result import Stop
from gradinv_core.pixels import PixelSpace

__all__ = ["Batch", "gather_batch"]

_MOST_ENTRIES = 2**28  # of all gradients of a batch: a search holds a few times as many, 1 GB each in float32


@dataclass
class Batch:
    """Searches several restarts at once.

    Attributes:
        size: how many; one on a GPU alone, where a step is recorded and played again.
        objective: losses and derivatives of a stack.
    """

    size: int
    objective: StackedObjective
    _recorded: dict[int, StackedLoss] = field(default_factory=dict)

    def descend(
        self, starts: Sequence[Candidate], options: MatchingOptions, playbacks: Sequence[Playback], stop: Stop
    ) -> list[Outcome]:
        """Walk downhill from every start; see `descend_together`."""
        here = stacked(starts)
        if len(starts) not in self._recorded:
            self._recorded[len(starts)] = recorded(self.objective, here)
        return descend_together(self._recorded[len(starts)], here, options, playbacks, stop)


def gather_batch(
    make_route: Callable[[], StackedRoute],
    options: MatchingOptions,
    shape: tuple[int, int, int],
    classes: int | None,
    like: torch.Tensor,
    space: PixelSpace,
) -> Batch | None:
    """How to search several restarts at once; None where they go one after the other, and nothing is recorded.

    Args:
        make_route: makes the route of a stack, where one is wanted.
        options: of the search.
        shape: (channels, height, width) of the image.
        classes: number of classes C if the label is learned, else None.
        like: the observed gradient (n,), of the network's device and number type.
        space: which values pixels may have.
    """
    on_gpu = like.device.type == "cuda"
    wanted = options.at_once or (options.restarts if on_gpu else 1)
    size = min(wanted, options.restarts, _MOST_ENTRIES // len(like))
    if size < (1 if on_gpu else 2) or options.optimizer == "lbfgs" or "g" not in options.terms:
        return None
    route = make_route()
    trial = Candidate(like.new_full((2, *shape), 0.5), None if classes is None else like.new_zeros((2, classes)))
    if not route.can(trial):
        return None
    return Batch(size, StackedObjective(route.evaluate, options.total_variation, space))
