"""What one solver did in a race, and the verdict on where it ended.

The verdict compares with the server's own exact answer and with nothing else. Nobody in the race knows the client's
lambda, so nobody is judged by it here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gradinv_core.arrays import Array
from gradinv_core.label_recovery.paper_search import Ending, Move
from gradinv_core.label_recovery.result import LabelRecovery, Status

__all__ = ["AGREEMENT", "Outcome", "RaceVerdict", "Racer", "Solver", "verdict"]

AGREEMENT = 1e-2
"""Relative: two lambdas this close are called the same, as in the paper's own tables."""


class Solver(StrEnum):
    """Who races, in the order of the table."""

    CLOSED_FORM = "closed form"
    SCAN = "scan"
    PAPER_LBFGS = "paper's L-BFGS"
    PAPER_SWARM = "paper's swarm"

    @property
    def ours(self) -> bool:
        """Whether it is one of ours, which look at every lambda, and not one of the paper's searches."""
        return self in (Solver.CLOSED_FORM, Solver.SCAN)


class Outcome(StrEnum):
    """What the solver itself can say of its answer."""

    UNIQUE = "unique"
    AMBIGUOUS = "ambiguous"
    NOTHING = "found nothing"


class RaceVerdict(StrEnum):
    """Where a solver ended, seen from the exact answer."""

    RIGHT = "agrees with the exact answer"
    LOCAL_MINIMUM = "stopped at a wrong lambda"
    OUT_OF_BOUND = "left or used up its bounds"
    UNDECIDED = "one of many that fit"
    NOTHING = "found nothing"


@dataclass(frozen=True)
class Racer:
    """One solver's way to its answer; the tuples have one entry for every frame of it.

    Attributes:
        name: which solver.
        path: (n,) lambdas it looked at, float64, n of its own for every frame.
        moves: how it came there.
        losses: (n,) the paper's variance loss there (not multiplied).
        counts: evaluations by then.
        end: the lambda it ended at, None where it has none to offer.
        evaluations: lambdas it evaluated in all.
        seconds: wall time.
        status: what it can say of its answer; the paper's searches can never say "unique".
        knows: whether it can tell that its answer is the only one.
        sentence: the same for people.
        ending: why one of the paper's searches ended; None for ours, which look everywhere and so never stop early.
        intervals: (low, high) ranges of lambda it holds possible; none for the paper's searches.
        segments: the swarm's range of lambda, (lower, upper); empty for the others.
    """

    name: Solver
    path: tuple[Array, ...]
    moves: tuple[Move, ...]
    losses: tuple[Array, ...]
    counts: tuple[int, ...]
    end: float | None
    evaluations: int
    seconds: float
    status: Outcome
    knows: bool
    sentence: str
    ending: Ending | None = None
    intervals: tuple[tuple[float, float], ...] = ()
    segments: tuple[tuple[float, float], ...] = ()


def verdict(racer: Racer, exact: Racer | LabelRecovery) -> RaceVerdict:
    """Judge where a solver ended.

    A search that gave up beyond its bounds is "out of bound" wherever its best lambda lies: it offers it to nobody.

    Args:
        racer: the solver.
        exact: the exact answer to the same gradient: the server's, or one of the race's own exact solvers.

    Returns:
        The verdict. ``UNDECIDED`` where either of the two leaves several lambdas and the other's is one of them;
        ``NOTHING`` where there is no lambda, or none to compare it with.
    """
    answer, settled, ranges = _answer(exact)
    if racer.end is None:
        return RaceVerdict.NOTHING
    if racer.ending is Ending.OUT_OF_BOUND:
        return RaceVerdict.OUT_OF_BOUND
    if answer is None:
        return RaceVerdict.NOTHING
    if settled and _close(racer.end, answer):
        return RaceVerdict.RIGHT
    undecided = _inside(answer, racer.intervals) if settled else _inside(racer.end, ranges)
    return RaceVerdict.UNDECIDED if undecided else RaceVerdict.LOCAL_MINIMUM


def _answer(exact: Racer | LabelRecovery) -> tuple[float | None, bool, tuple[tuple[float, float], ...]]:
    """The exact lambda, whether it is the only one (its label may be open all the same), and every range that fits."""
    if isinstance(exact, Racer):
        return exact.end, exact.status is Outcome.UNIQUE, exact.intervals
    found = None if exact.status is Status.VANISHED else exact.scale
    return found, exact.feature_known, tuple(exact.intervals)


def _close(scale: float, other: float) -> bool:
    return abs(scale - other) <= AGREEMENT * abs(other)


def _inside(scale: float, ranges: Iterable[tuple[float, float]]) -> bool:
    """Whether lambda lies in a range, or so close to an end of one that the two are called the same."""
    return any(
        low <= scale <= high or any(math.isfinite(end) and _close(scale, end) for end in (low, high))
        for low, high in ranges
    )
