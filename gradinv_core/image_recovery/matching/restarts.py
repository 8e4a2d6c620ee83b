"""Several starts, one after the other or several at once, of which the best is kept."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gradinv_core.errors import NonFiniteError, ShapeError
from gradinv_core.image_recovery.matching.batch import Batch
from gradinv_core.image_recovery.matching.descent import descend
from gradinv_core.image_recovery.matching.objective import Candidate, Loss
from gradinv_core.image_recovery.matching.options import MatchingOptions
from gradinv_core.image_recovery.matching.playback import Playback
from gradinv_core.image_recovery.matching.quasi_newton import descend_quasi_newton
from gradinv_core.image_recovery.result import OnStep, Stop
from gradinv_core.pixels import PixelSpace

__all__ = ["SearchRecord", "Starts", "search"]


class Starts:
    """Where the restarts begin: one after the other from one stream of random numbers."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int | None,
        like: torch.Tensor,
        start: torch.Tensor | None,
        seed: int | None,
        space: PixelSpace | None = None,
    ) -> None:
        """Check the start and seed the stream.

        Args:
            shape: (channels, height, width) of the image.
            classes: number of classes C if the label is learned, else None.
            like: a tensor of the device and number type to use.
            start: picture where the first restart begins, in ``shape``; None for noise.
            seed: of the stream; None draws one.
            space: which values pixels may have; None for [0, 1].

        Raises:
            ShapeError, NonFiniteError: ``start`` is not of that shape, or not finite.
        """
        if start is not None:
            if tuple(start.shape) != shape:
                raise ShapeError(f"start: expected shape {shape}, got {tuple(start.shape)}; pass one image.")
            if not torch.isfinite(start).all():
                raise NonFiniteError("start: expected finite pixels, got NaN or infinity.")
        self._shape, self._classes, self._like, self._start = shape, classes, like, start
        self._space = PixelSpace() if space is None else space
        self._generator = torch.Generator()
        if seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(seed)

    def next(self, *, box: bool) -> Candidate:
        """The next start: pixels uniform in their range, the label's logits standard normal."""
        # Drawn on the CPU in float64, so that every device and number type begins at the same image.
        image = torch.rand(self._shape, generator=self._generator, dtype=torch.float64)
        logits = None
        if self._classes is not None:
            drawn = torch.randn(self._classes, generator=self._generator, dtype=torch.float64)
            logits = drawn.to(self._like)
        if self._start is not None:
            image, self._start = self._space.to_unit(self._start.detach().clone()), None
            if box:
                image.clamp_(0, 1)
        return Candidate(image.to(self._like).clone(), logits)


@dataclass(frozen=True)
class SearchRecord:
    """What came of all restarts.

    Attributes:
        playback: of the restart with the lowest loss.
        best: that restart's best candidate.
        restart: its number, from 1.
        stopped: whether the caller stopped the search.
        note: which restarts overflowed; empty if none did.
    """

    playback: Playback
    best: Candidate
    restart: int
    stopped: bool
    note: str


def search(
    objective: Loss,
    starts: Starts,
    options: MatchingOptions,
    on_step: OnStep | None,
    stop: Stop,
    space: PixelSpace | None = None,
    batch: Batch | None = None,
) -> SearchRecord:
    """Run every restart.

    Args:
        objective: loss and derivative.
        starts: where to begin.
        options: of the search.
        on_step: called with each step as soon as it is known.
        stop: asked at every iteration; True ends the search.
        space: which values the pixels of a step may have; None for [0, 1].
        batch: searches several restarts at once; None for one after the other.

    Raises:
        NonFiniteError: no restart ever had a finite loss.
    """
    walk = descend_quasi_newton if options.optimizer == "lbfgs" else descend
    kept: tuple[Playback, Candidate, int] | None = None
    notes: list[str] = []
    stopped = False
    together = 1 if batch is None else batch.size
    for first in range(1, options.restarts + 1, together):
        numbers = range(first, min(first + together, options.restarts + 1))
        prefixes = ["" if options.restarts == 1 else f"restart {number}, " for number in numbers]
        playbacks = [Playback(prefix, options.iterations, options.snapshots, on_step, space) for prefix in prefixes]
        here = [starts.next(box=options.box) for _ in numbers]
        if batch is None:
            outcomes = [walk(objective, here[0], options, playbacks[0], stop)]
        else:
            outcomes = batch.descend(here, options, playbacks, stop)
        for number, playback, outcome in zip(numbers, playbacks, outcomes, strict=True):
            playback.finish()
            if outcome.overflowed:
                notes.append(
                    f"Restart {number} of {options.restarts} ended after iteration {outcome.iterations}: "
                    f"its loss was no longer a finite number."
                )
            if playback.best is not None and (kept is None or playback.best_loss < kept[0].best_loss):
                kept = (playback, playback.best, number)
            stopped |= outcome.stopped
        if stopped or (numbers[-1] < options.restarts and stop()):
            stopped = True
            break
    if kept is None:
        raise NonFiniteError(
            "loss: expected a finite number at the start of the search, got NaN or infinity; the network overflows on "
            "such images or sends no gradient for them, so try another seed or a start image."
        )
    return SearchRecord(*kept, stopped, " ".join(notes))
