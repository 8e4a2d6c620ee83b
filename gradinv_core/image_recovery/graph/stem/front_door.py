"""Both steps of a picture behind a max pool, what is told on the way, and how far the result can be trusted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import prod

import torch

from gradinv_core.image_recovery.graph.stem.bars import error_bars
from gradinv_core.image_recovery.graph.stem.equations import Equations
from gradinv_core.image_recovery.graph.stem.final import agree, resolve, take_at_word
from gradinv_core.image_recovery.graph.stem.pooled import PooledStem
from gradinv_core.image_recovery.graph.stem.search import OnRound, search
from gradinv_core.image_recovery.graph.stem.winners import settle_winners
from gradinv_core.image_recovery.result import OnStep, Step, Stop
from gradinv_core.image_recovery.stopping import StoppedError
from gradinv_core.pixels import PixelSpace

__all__ = ["StemAnswer", "recover_picture"]

_ROUNDS = 500  # of the search, for pictures of 32 x 32 ...
_LARGE_ROUNDS, _LARGE = 400, 4096  # ... and for those with more entries than this
_TURNS, _LARGE_TURNS = 40, 25
_WORTH_IT = 0.02  # sum of both misfits above which the last solve is not tried
_ATTEMPTS, _MORE_TURNS = 3, 15  # at it: turns can come to rest where a few winners are wrong


@dataclass(frozen=True)
class StemAnswer:
    """The picture.

    Attributes:
        picture: (channels, height, width), as the picture's pixels stand.
        std: standard deviations of its pixels; None where the winners are not settled.
        steps: pictures on the way.
        settled: whether the winners are.
        misfit: relative, of the pooled map.
        of_gradient: relative, of the first layer's gradient; 1 where nothing asked it.
        equations: that speak of the picture.
        convergence: misfit of the pooled map after each picture told.
        seconds: wall time.
        stopped: whether it was stopped on the way.
    """

    picture: torch.Tensor
    std: torch.Tensor | None
    steps: tuple[Step, ...]
    settled: bool
    misfit: float
    of_gradient: float
    equations: int
    convergence: tuple[float, ...]
    seconds: float
    stopped: bool


def recover_picture(
    stem: PooledStem,
    space: PixelSpace,
    noise: float = 0.0,
    factor_std: float = 0.0,
    on_step: OnStep | None = None,
    stop: Stop | None = None,
    start: torch.Tensor | None = None,
    turns: int | None = None,
) -> StemAnswer:
    """Search for the picture, then settle the winners.

    Args:
        stem: what is known.
        space: which values pixels may have.
        noise: relative noise of the gradient, which no picture can fit better than.
        factor_std: relative standard deviation of lambda, which the pooled map grows by.
        on_step: called with pictures on the way.
        stop: asked often; True ends the work, and the best so far is returned.
        start: (channels, height, width) shares that a search has found already; None searches.
        turns: in which winners are settled, at most; None for as many as a picture of this size needs.
    """
    started = time.perf_counter()
    steps: list[Step] = []
    losses: list[float] = []

    def told(title: str) -> OnRound:
        def tell(_: int, picture: torch.Tensor, misfit: float) -> None:
            losses.append(misfit)
            steps.append(Step(title, space.from_unit(picture.clamp(0, 1)), None, None, len(losses), misfit))
            if on_step is not None:
                on_step(steps[-1])

        return tell

    large = prod(stem.shape) > _LARGE
    picture = start
    if picture is None:
        picture = search(stem, _LARGE_ROUNDS if large else _ROUNDS, told("A picture the max pool allows"), stop)
    misfit, of_gradient, equations = stem.misfit(stem.z(picture)), 1.0, int(stem.known.sum())
    std, settled, stopped = None, False, stop is not None and stop()
    if not stopped:
        try:
            turns = turns or (_LARGE_TURNS if large else _TURNS)
            tell = told("Which entries the max pool took")
            winners = settle_winners(stem, picture, turns, tell, stop)
            for attempt in range(_ATTEMPTS):
                if attempt > 0:
                    elsewhere = take_at_word(stem, winners, stop)
                    winners = settle_winners(stem, elsewhere.picture, min(turns, _MORE_TURNS), tell, stop)
                if winners.misfit < misfit:  # the search's picture stays where no turn fits better
                    picture, misfit, of_gradient = winners.picture, winners.misfit, winners.of_gradient
                if winners.total > _WORTH_IT:
                    break
                resolved = resolve(stem, winners, stop)
                stand = agree(stem, resolved, noise)
                if stand or resolved.total < winners.total:
                    winners = resolved
                    picture, misfit, of_gradient = winners.picture, winners.misfit, winners.of_gradient
                if stand:
                    std = space.spread * error_bars(stem, winners, factor_std, stop)
                    settled, equations = True, Equations.of(stem, winners).count
                    break
        except StoppedError:
            stopped = True
    if not settled:
        picture = picture.clamp(0, 1)
    return StemAnswer(
        picture=space.from_unit(picture),
        std=std,
        steps=tuple(steps),
        settled=settled,
        misfit=misfit,
        of_gradient=of_gradient,
        equations=equations,
        convergence=tuple(losses),
        seconds=time.perf_counter() - started,
        stopped=stopped,
    )
