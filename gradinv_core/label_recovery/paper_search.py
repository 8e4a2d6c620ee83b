"""The paper's own search for lambda_r: L-BFGS first, a particle swarm when it leaves its bounds. Kept as a baseline.

Loss, bounds, step rules and particle counts follow the published method (arXiv 2402.03124). One thing does not: the
published code accepts a lambda only if it is close to the true one. A server cannot know that, so here the first lambda
whose loss falls below the threshold is the answer, right or wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch

from gradinv_core.arrays import Array
from gradinv_core.errors import OptionError
from gradinv_core.head import ObservedHead
from gradinv_core.head.landscape import variance_losses
from gradinv_core.head.structures import LabelStructure

__all__ = [
    "LBFGS_BOUND",
    "LOSS_FACTOR",
    "LOSS_THRESHOLD",
    "SWARM_SEGMENTS",
    "UNBOUNDED_SEGMENTS",
    "Ending",
    "Move",
    "SearchPath",
    "lbfgs",
    "objective",
    "swarm",
]

LOSS_FACTOR = 1000.0
LOSS_THRESHOLD = 1e-9  # on the multiplied loss
LBFGS_BOUND = 100.0
SWARM_SEGMENTS = ((1.0, 6.0), (6.0, 10.0), (10.0, 30.0), (30.0, 50.0))
UNBOUNDED_SEGMENTS = (*SWARM_SEGMENTS, (50.0, 100.0), (1e2, 1e3), (1e3, 1e4), (1e4, 1e5), (1e5, 1e6))
"""The paper's segments and five more, up to where no single-precision gradient tells lambdas apart."""

Objective = Callable[[Array], Array]


class Ending(StrEnum):
    """Why a search ended."""

    CONVERGED = "converged"
    OUT_OF_BOUND = "out of bound"
    OUT_OF_STEPS = "out of steps"


class Move(StrEnum):
    """How a search came to a recorded place: it began there, stepped, skipped ahead, or began anew elsewhere."""

    START = "start"
    STEP = "step"
    SKIP = "skip"
    RESTART = "restart"


@dataclass(frozen=True)
class SearchPath:
    """What a search did; the tuples have one entry for every recorded step.

    Attributes:
        scale: the lambda it ended at.
        loss: its variance loss (not multiplied).
        ending: why it ended: the loss fell below the threshold, it left or used up its bounds, or its steps ran out.
        evaluations: number of lambdas evaluated.
        path: (particles,) lambdas visited, one particle for L-BFGS.
        losses: (particles,) their variance losses (not multiplied).
        moves: how it came there.
        counts: evaluations by then.
        segments: the swarm's range of lambda, (lower, upper); empty for L-BFGS.
    """

    scale: float
    loss: float
    ending: Ending
    evaluations: int
    path: tuple[Array, ...]
    losses: tuple[Array, ...]
    moves: tuple[Move, ...]
    counts: tuple[int, ...]
    segments: tuple[tuple[float, float], ...] = ()

    @property
    def converged(self) -> bool:
        """Whether the loss fell below the threshold."""
        return self.ending is Ending.CONVERGED


class _Record:
    """Steps as they happen."""

    def __init__(self) -> None:
        self.evaluations = 0
        self.path: list[Array] = []
        self.losses: list[Array] = []
        self.moves: list[Move] = []
        self.counts: list[int] = []
        self.segments: list[tuple[float, float]] = []

    def note(self, scales: Array, losses: Array, move: Move, segment: tuple[float, float] | None = None) -> None:
        """Write down one step; the losses are multiplied ones."""
        self.path.append(scales)
        self.losses.append(losses / LOSS_FACTOR)
        self.moves.append(move)
        self.counts.append(self.evaluations)
        if segment is not None:
            self.segments.append(segment)

    def ended(self, scale: float, loss: float, ending: Ending) -> SearchPath:
        """The whole path; the loss is a multiplied one."""
        steps = (tuple(self.path), tuple(self.losses), tuple(self.moves), tuple(self.counts), tuple(self.segments))
        return SearchPath(scale, loss / LOSS_FACTOR, ending, self.evaluations, *steps)


def objective(head: ObservedHead, structure: LabelStructure) -> Objective:
    """The paper's multiplied variance loss of one head, as a function of lambdas (n,) -> (n,)."""

    def loss(scales: Array) -> Array:
        return LOSS_FACTOR * variance_losses(head, scales[None], structure)[0]

    return loss


def lbfgs(head: ObservedHead, structure: LabelStructure, steps: int = 100, bound: float = LBFGS_BOUND) -> SearchPath:
    """L-BFGS from lambda = +1, then from -1, jumping on by a doubling skip whenever the loss stalls.

    Args:
        head: a single observed head.
        structure: a shared-base structure.
        steps: optimiser steps from each start.
        bound: largest |lambda|, at least 1; infinite for a search without bounds.

    Returns:
        The path, one entry for every optimiser step. Unless one start converged, it ends where the better of the two
        did, beyond the bound ("out of bound") or inside it ("out of steps").

    Raises:
        OptionError: the bound is below 1 or not a number.
    """
    if not bound >= 1:
        raise OptionError(f"bound: expected a number >= 1, because |lambda| is never below, got {bound!r}.")
    ratios, products, bias = (torch.from_numpy(v) for v in (head.ratios[0], head.products[0], head.bias))
    record = _Record()
    ends: list[tuple[float, float, Ending]] = []

    for sign in (1.0, -1.0):
        scale = torch.tensor(sign, dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.LBFGS([scale], lr=0.5)

        def closure(scale: torch.Tensor = scale, optimiser: torch.optim.Optimizer = optimiser) -> torch.Tensor:
            record.evaluations += 1
            optimiser.zero_grad()
            label = torch.softmax(scale * products + bias, 0) - ratios / scale
            kept = label[torch.from_numpy(structure.constrained(label.detach().numpy()))]
            loss = LOSS_FACTOR * kept.var(unbiased=False)
            loss.backward()
            return loss

        recent, skip, ending = [0.0, 0.0, 0.0], 0.5, Ending.OUT_OF_STEPS
        move = Move.RESTART if record.path else Move.START
        for _ in range(steps):
            loss = closure().item()
            record.note(np.array([scale.item()]), np.array([loss]), move)
            recent = [*recent[1:], loss]
            if not np.isfinite(loss) or abs(scale.item()) > bound:
                ending = Ending.OUT_OF_BOUND
                break
            if loss < LOSS_THRESHOLD:
                return record.ended(scale.item(), loss, Ending.CONVERGED)
            if max(recent) - min(recent) < sum(recent) / 3000:
                with torch.no_grad():
                    scale += sign * skip
                skip *= 2
                move = Move.SKIP
                continue
            optimiser.step(closure)
            move = Move.STEP
        ends.append((loss if np.isfinite(loss) else np.inf, scale.item(), ending))
    loss, end, ending = min(ends)
    return record.ended(end, loss, ending)


def swarm(
    loss: Objective,
    seed: int | None = None,
    particles: int = 500,
    iterations: int = 40,
    segments: tuple[tuple[float, float], ...] = SWARM_SEGMENTS,
) -> SearchPath:
    """Particle swarm over growing segments of |lambda|, positive then negative, up to the published bound of 50.

    Args:
        loss: multiplied variance loss, lambdas (n,) -> losses (n,); see `objective`.
        seed: seed of the particles.
        particles: swarm size.
        iterations: moves per segment.
        segments: (low, high) ranges of |lambda|, searched in this order; `UNBOUNDED_SEGMENTS` goes on to a million.

    Returns:
        The path, one entry for every move; "out of bound" when no segment held a loss below the threshold.

    Raises:
        OptionError: there is no segment.
    """
    if not segments:
        raise OptionError("segments: expected at least one (low, high) range of |lambda|, got none.")
    generator = np.random.default_rng(seed)
    record = _Record()
    best_scale, best_loss = 1.0, np.inf
    for low, high in segments:
        for lower, upper in ((low - 0.3, high), (-high - 0.3, -low)):
            position = generator.uniform(lower, upper, particles)
            velocity = generator.uniform(lower - upper, upper - lower, particles)
            own, own_loss = position.copy(), np.full(particles, np.inf)
            move = Move.RESTART if record.path else Move.START
            for _ in range(iterations):
                value = np.nan_to_num(loss(position), nan=np.inf)
                record.evaluations += particles
                record.note(position.copy(), value, move, (lower, upper))
                move = Move.STEP
                better = value < own_loss
                own[better], own_loss[better] = position[better], value[better]
                leader = own[own_loss.argmin()]
                pulls = generator.random((2, particles))
                velocity = 0.8 * velocity + 0.5 * pulls[0] * (own - position) + 0.5 * pulls[1] * (leader - position)
                position = np.clip(position + velocity, lower, upper)
            if own_loss.min() < best_loss:
                best_loss, best_scale = float(own_loss.min()), float(own[own_loss.argmin()])
            if best_loss < LOSS_THRESHOLD:
                return record.ended(best_scale, best_loss, Ending.CONVERGED)
    return record.ended(best_scale, best_loss, Ending.OUT_OF_BOUND)
