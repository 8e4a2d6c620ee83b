"""The paper's own search for lambda_r: L-BFGS first, a particle swarm when it leaves its bounds. Kept as a baseline.

Loss, bounds, step rules and particle counts follow the published method (arXiv 2402.03124). One thing does not: the
published code accepts a lambda only if it is close to the true one. A server cannot know that, so here the first lambda
whose loss falls below the threshold is the answer, right or wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from gradinv_core.arrays import Array
from gradinv_core.head import ObservedHead
from gradinv_core.label_structures import LabelStructure
from gradinv_core.landscape import variance_losses

__all__ = ["LOSS_FACTOR", "LOSS_THRESHOLD", "SearchPath", "lbfgs", "objective", "swarm"]

LOSS_FACTOR = 1000.0
LOSS_THRESHOLD = 1e-9  # on the multiplied loss
LBFGS_BOUND = 100.0
SWARM_SEGMENTS = ((1.0, 6.0), (6.0, 10.0), (10.0, 30.0), (30.0, 50.0))

Objective = Callable[[Array], Array]


@dataclass(frozen=True)
class SearchPath:
    """What a search did.

    Attributes:
        scale: the lambda it ended at.
        loss: its variance loss (not multiplied).
        converged: whether the loss fell below the threshold; otherwise the search left its bounds or ran out of steps.
        evaluations: number of lambdas evaluated.
        path: (steps, particles) lambdas visited, one particle for L-BFGS.
    """

    scale: float
    loss: float
    converged: bool
    evaluations: int
    path: tuple[Array, ...]


def objective(head: ObservedHead, structure: LabelStructure) -> Objective:
    """The paper's multiplied variance loss of one head, as a function of lambdas (n,) -> (n,)."""

    def loss(scales: Array) -> Array:
        return LOSS_FACTOR * variance_losses(head, scales[None], structure)[0]

    return loss


def lbfgs(head: ObservedHead, structure: LabelStructure, steps: int = 100) -> SearchPath:
    """L-BFGS from lambda = +1, then from -1, jumping on by a doubling skip whenever the loss stalls.

    Args:
        head: a single observed head.
        structure: a shared-base structure.
        steps: optimiser steps from each start.

    Returns:
        The path. ``converged`` is False when both starts leave |lambda| <= 100 ("out of bound") or run out of steps.
    """
    ratios, products, bias = (torch.from_numpy(v) for v in (head.ratios[0], head.products[0], head.bias))
    evaluations = 0
    path: list[Array] = []
    ends: list[tuple[float, float]] = []

    for sign in (1.0, -1.0):
        scale = torch.tensor(sign, dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.LBFGS([scale], lr=0.5)

        def closure(scale: torch.Tensor = scale, optimiser: torch.optim.Optimizer = optimiser) -> torch.Tensor:
            nonlocal evaluations
            evaluations += 1
            optimiser.zero_grad()
            label = torch.softmax(scale * products + bias, 0) - ratios / scale
            kept = label[torch.from_numpy(structure.constrained(label.detach().numpy()))]
            loss = LOSS_FACTOR * kept.var(unbiased=False)
            loss.backward()
            return loss

        recent, skip = [0.0, 0.0, 0.0], 0.5
        for _ in range(steps):
            loss = closure().item()
            path.append(np.array([scale.item()]))
            recent = [*recent[1:], loss]
            if not np.isfinite(loss) or abs(scale.item()) > LBFGS_BOUND:
                break
            if loss < LOSS_THRESHOLD:
                return SearchPath(scale.item(), loss / LOSS_FACTOR, True, evaluations, tuple(path))
            if max(recent) - min(recent) < sum(recent) / 3000:
                with torch.no_grad():
                    scale += sign * skip
                skip *= 2
                continue
            optimiser.step(closure)
        ends.append((loss if np.isfinite(loss) else np.inf, scale.item()))
    loss, end = min(ends)
    return SearchPath(end, loss / LOSS_FACTOR, False, evaluations, tuple(path))


def swarm(loss: Objective, seed: int | None = None, particles: int = 500, iterations: int = 40) -> SearchPath:
    """Particle swarm over growing segments of |lambda|, positive then negative, up to the published bound of 50.

    Args:
        loss: multiplied variance loss, lambdas (n,) -> losses (n,); see `objective`.
        seed: seed of the particles.
        particles: swarm size.
        iterations: moves per segment.

    Returns:
        The path; ``converged`` is False when no segment held a loss below the threshold ("out of bound").
    """
    generator = np.random.default_rng(seed)
    evaluations = 0
    path: list[Array] = []
    best_scale, best_loss = 1.0, np.inf
    for low, high in SWARM_SEGMENTS:
        for lower, upper in ((low - 0.3, high), (-high - 0.3, -low)):
            position = generator.uniform(lower, upper, particles)
            velocity = generator.uniform(lower - upper, upper - lower, particles)
            own, own_loss = position.copy(), np.full(particles, np.inf)
            for _ in range(iterations):
                value = np.nan_to_num(loss(position), nan=np.inf)
                evaluations += particles
                path.append(position.copy())
                better = value < own_loss
                own[better], own_loss[better] = position[better], value[better]
                leader = own[own_loss.argmin()]
                pulls = generator.random((2, particles))
                velocity = 0.8 * velocity + 0.5 * pulls[0] * (own - position) + 0.5 * pulls[1] * (leader - position)
                position = np.clip(position + velocity, lower, upper)
            if own_loss.min() < best_loss:
                best_loss, best_scale = float(own_loss.min()), float(own[own_loss.argmin()])
            if best_loss < LOSS_THRESHOLD:
                return SearchPath(best_scale, best_loss / LOSS_FACTOR, True, evaluations, tuple(path))
    return SearchPath(best_scale, best_loss / LOSS_FACTOR, False, evaluations, tuple(path))
