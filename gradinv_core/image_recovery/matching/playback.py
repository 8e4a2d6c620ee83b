"""What a search keeps: the best candidate, the losses for a curve, the images for playback."""

from __future__ import annotations

from math import inf, isfinite

import torch

from gradinv_core.image_recovery.matching.objective import Candidate
from gradinv_core.image_recovery.result import OnStep, Step
from gradinv_core.pixels import PixelSpace

__all__ = ["Playback"]

_LOSSES = 1_000  # points of a loss curve: more than any screen shows


class Playback:
    """The record of one restart."""

    def __init__(
        self,
        prefix: str,
        iterations: int,
        snapshots: int,
        on_step: OnStep | None,
        space: PixelSpace | None = None,
    ) -> None:
        """Prepare an empty record.

        Args:
            prefix: put before "iteration 480" in the steps' titles, to tell restarts apart; may be empty.
            iterations: how many the restart will have; it is seen that often, plus once at its start.
            snapshots: how many of these are kept as steps.
            on_step: called with each step as soon as it is seen.
            space: which values pixels may have; None for [0, 1].
        """
        self.best: Candidate | None = None
        self.best_loss = inf
        self.best_iteration = 0
        self.losses: list[tuple[int, float]] = []
        self.steps: list[Step] = []
        self._prefix = prefix
        self._on_step = on_step
        self._space = PixelSpace() if space is None else space
        self._last = iterations
        self._stride = max(1, iterations // _LOSSES)
        pauses = max(snapshots - 1, 1)
        self._moments = {round(iterations * k / pauses) for k in range(pauses + 1)} if snapshots > 1 else {iterations}

    def see(self, iteration: int, candidate: Candidate, loss: float) -> bool:
        """Take note of a candidate.

        Args:
            iteration: how many steps led to it.
            candidate: copied where it is worth keeping.
            loss: its loss.

        Returns:
            Whether the loss is a finite number. One that is not leaves no trace.
        """
        if not isfinite(loss):
            return False
        if loss < self.best_loss:
            self.best, self.best_loss, self.best_iteration = candidate.clone(), loss, iteration
        if iteration % self._stride == 0 or iteration == self._last:
            self.losses.append((iteration, loss))
        if iteration in self._moments:
            self._show(iteration, candidate.image, loss)
        return True

    def finish(self) -> None:
        """Make the best image the last step."""
        if self.best is None:
            return
        shown = self.steps[-1].iteration if self.steps else None
        if shown != self.best_iteration:
            self._show(self.best_iteration, self.best.image, self.best_loss, best=True)

    def _show(self, iteration: int, image: torch.Tensor, loss: float, *, best: bool = False) -> None:
        title = f"{self._prefix}{'best image, ' if best else ''}iteration {iteration}"
        picture = self._space.from_unit(image.double().cpu().clone())
        step = Step(title[0].upper() + title[1:], picture, iteration=iteration, loss=loss)
        self.steps.append(step)
        if self._on_step is not None:
            self._on_step(step)
