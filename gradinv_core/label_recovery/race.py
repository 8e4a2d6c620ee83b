"""Four solvers on one gradient, from the same start: ours that prove their answer, the paper's that search for one.

Every racer's way is kept frame by frame, with the evaluations it had spent by then: on that one clock they compare.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.errors import OptionError, ShapeError
from gradinv_core.head import ObservedHead
from gradinv_core.head.landscape import variance_losses
from gradinv_core.head.structures import LABEL_FORMATS, LabelStructure
from gradinv_core.label_recovery import closed_form, paper_search, scan
from gradinv_core.label_recovery.modes import Search, interval_sigmas
from gradinv_core.label_recovery.paper_search import Ending, Move, SearchPath
from gradinv_core.label_recovery.racer import Outcome, Racer, RaceVerdict, Solver, verdict
from gradinv_core.label_recovery.report import report
from gradinv_core.label_recovery.result import Status, Window

__all__ = ["Outcome", "RaceVerdict", "Racer", "Solver", "race", "verdict"]

_SIGMAS = interval_sigmas(0.95)
_STOPPED = "It stopped at a small loss; it cannot tell whether another lambda fits as well."


class _Frame(NamedTuple):
    """One stage of an exact solver: (n,) lambdas, how it came there, evaluations by then."""

    scales: Array
    move: Move
    evaluations: int


def race(
    head: ObservedHead,
    *,
    bounded: bool = True,
    structure: LabelStructure | None = LABEL_FORMATS["unknown"],
    seed: int = 0,
) -> tuple[Racer, ...]:
    """Let the closed form, the scan, the paper's L-BFGS and the paper's swarm look for one head's lambda.

    Args:
        head: a single observed head.
        bounded: whether the paper's searches keep to the paper's bounds, |lambda| <= 100 and 50; otherwise L-BFGS has
            none and the swarm goes on to a million.
        structure: the label structure all four assume. "unknown" leaves out the two largest entries, which for the
            variance loss is the paper's mixup; "smoothing" leaves out one.
        seed: of the swarm's particles, >= 0; the others draw nothing.

    Returns:
        The four, in the order of `Solver`. Same head and seed, same ways; only the seconds differ.

    Raises:
        ShapeError: not exactly one head.
        OptionError: its gradient is zero, or no structure is given.
        ClassCountError: too few classes for the structure.
    """
    if len(head) != 1:
        raise ShapeError(f"head: expected a single observed head, got {len(head)}; take one of them.")
    if head.vanished[0]:
        raise OptionError("head: expected a gradient that is not zero, got zeros; there is nothing to race for.")
    if structure is None:
        raise OptionError("structure: expected a label structure, got None; without one there is no variance loss.")
    structure.check(head.classes)
    return (
        _closed_form(head, structure),
        _scan(head, structure),
        _lbfgs(head, structure, bounded),
        _swarm(head, structure, bounded, seed),
    )


def _closed_form(head: ObservedHead, structure: LabelStructure) -> Racer:
    """Frames: the roots of the triples, then what is left of them after settling on all classes."""
    if not closed_form.applicable(head, structure):
        sentence = "It needs a head without a bias and three classes that share a value; here it cannot start."
        return Racer(Solver.CLOSED_FORM, (), (), (), (), None, 0, 0.0, Outcome.NOTHING, knows=False, sentence=sentence)
    roots = closed_form.triple_roots(head, closed_form.triples(head.ratios), known_scale=True)[0][0]
    started = time.perf_counter()
    search = closed_form.solve(head, structure, True, _SIGMAS)[0]
    seconds = time.perf_counter() - started
    frames = [_Frame(roots[np.isfinite(roots)], Move.START, roots.size)]
    return _exact(Solver.CLOSED_FORM, head, structure, structure, search, frames, seconds)


def _scan(head: ObservedHead, structure: LabelStructure) -> Racer:
    """Frames: the grid, its refined minima, what is left. Where no lambda makes the classes agree, once more.

    The second scan knows nothing of the label but that no share is negative; so does the front door.
    """
    frames: list[_Frame] = []
    spent = 0

    def keep(scales: Array, evaluations: int) -> None:
        first = not frames or len(frames) == 2  # each scan reports two stages
        move = Move.STEP if not first else Move.RESTART if frames else Move.START
        frames.append(_Frame(scales, move, spent + evaluations))

    started = time.perf_counter()
    assumed: LabelStructure | None = structure
    search = scan.solve(head, assumed, True, _SIGMAS, on_survey=keep)
    if not search.modes:
        assumed, spent = None, search.evaluations
        search = scan.solve(head, None, True, _SIGMAS, on_survey=keep)
        search = Search(search.modes, search.complete, search.evaluations + spent)
    seconds = time.perf_counter() - started
    return _exact(Solver.SCAN, head, structure, assumed, search, frames, seconds)


def _exact(
    name: Solver,
    head: ObservedHead,
    structure: LabelStructure,
    assumed: LabelStructure | None,
    search: Search,
    frames: list[_Frame],
    seconds: float,
) -> Racer:
    """One of ours, judged as the front door would judge it; ``assumed`` is the structure its answer rests on."""
    window = Window.SIMPLEX if assumed is None else Window.LABEL_STRUCTURE
    answer = report(head, search, assumed, name, window, rejected=structure if assumed is None else None)
    status = Outcome.UNIQUE if answer.status is Status.UNIQUE else Outcome.AMBIGUOUS
    if search.modes:
        left = np.array([mode.scale for mode in search.modes])
        frames = [*frames, _Frame(left, Move.STEP, search.evaluations)]
    return Racer(
        name=name,
        path=tuple(frame.scales for frame in frames),
        moves=tuple(frame.move for frame in frames),
        losses=tuple(variance_losses(head, frame.scales[None], structure)[0] for frame in frames),
        counts=tuple(frame.evaluations for frame in frames),
        end=search.modes[0].scale if search.modes else None,
        evaluations=search.evaluations,
        seconds=seconds,
        status=status if search.modes else Outcome.NOTHING,
        knows=answer.status is Status.UNIQUE,
        sentence=answer.message,
        intervals=tuple((mode.low, mode.high) for mode in search.modes),
    )


def _lbfgs(head: ObservedHead, structure: LabelStructure, bounded: bool) -> Racer:
    bound = paper_search.LBFGS_BOUND if bounded else np.inf
    paper_search.lbfgs(head, structure, steps=1)  # a process's first optimiser takes a second to load: not the race's
    started = time.perf_counter()
    path = paper_search.lbfgs(head, structure, bound=bound)
    seconds = time.perf_counter() - started
    sentence = {
        Ending.CONVERGED: _STOPPED,
        Ending.OUT_OF_BOUND: f"It ran beyond |lambda| = {bound:g} without a small loss, and gave up."
        if bounded
        else "It ran to where numbers end without a small loss.",
        Ending.OUT_OF_STEPS: "Its steps from +1 and from -1 ran out before the loss was small.",
    }
    return _paper(Solver.PAPER_LBFGS, path, seconds, sentence[path.ending])


def _swarm(head: ObservedHead, structure: LabelStructure, bounded: bool, seed: int) -> Racer:
    segments = paper_search.SWARM_SEGMENTS if bounded else paper_search.UNBOUNDED_SEGMENTS
    started = time.perf_counter()
    path = paper_search.swarm(paper_search.objective(head, structure), seed, segments=segments)
    seconds = time.perf_counter() - started
    reach = f"{segments[-1][1]:,.0f}"
    sentence = _STOPPED if path.converged else f"No particle met a small loss up to |lambda| = {reach}, and it gave up."
    return _paper(Solver.PAPER_SWARM, path, seconds, sentence)


def _paper(name: Solver, path: SearchPath, seconds: float, sentence: str) -> Racer:
    """One of the paper's searches. It stops at the first small loss, so it never knows of the others."""
    return Racer(
        name=name,
        path=path.path,
        moves=path.moves,
        losses=path.losses,
        counts=path.counts,
        end=path.scale if np.isfinite(path.scale) else None,
        evaluations=path.evaluations,
        seconds=seconds,
        status=Outcome.AMBIGUOUS if path.converged else Outcome.NOTHING,
        knows=False,
        sentence=sentence,
        ending=path.ending,
        segments=path.segments,
    )
