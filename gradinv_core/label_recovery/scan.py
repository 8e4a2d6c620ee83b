"""The scan: every lambda there is, on a fine grid, then refined. The fallback that always answers.

It needs no monotone root, so it serves biased heads, saturated heads (where no lambda is singled out and the answer
is an interval) and labels without structure (where the simplex alone leaves an interval).
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import NamedTuple

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.consistency import SIMPLEX_SIGMAS, Fit, fit, good_fit_limit, plausible_amplitude, rounding_width
from gradinv_core.head import ObservedHead
from gradinv_core.label_recovery import closed_form
from gradinv_core.label_recovery.modes import Mode, Search
from gradinv_core.label_structures import LabelStructure
from gradinv_core.landscape import LAMBDA_GRID, variance_losses

__all__ = ["chance_of_agreement", "solve"]

_MINIMA = 24  # local minima refined, best first
_GOLDEN = (np.sqrt(5) - 1) / 2
_SURELY_NO_CHANCE = 1e-6


class _Points(NamedTuple):
    """Sorted lambdas of one head with everything needed to judge them."""

    scales: Array
    chi_square: Array
    outside: Array
    freedom: int


def solve(
    head: ObservedHead,
    structure: LabelStructure | None,
    known_scale: bool,
    sigmas: float,
    signs: tuple[int, ...] = (-1, 1),
) -> Search:
    """Every range of lambda consistent with one head's gradient.

    Args:
        head: a single observed head.
        structure: the label structure, or None for the simplex alone.
        known_scale: whether ``|a_r| = 1 / |lambda|``.
        sigmas: half width of the intervals in standard deviations.
        signs: which signs of lambda are possible.

    Returns:
        The ranges, best first; none if the structure explains the gradient nowhere.
    """
    counter = [0]

    def judge(scales: Array) -> Fit:
        counter[0] += scales.size
        return fit(head, scales[None], structure, known_scale)

    def score(scales: Array) -> Array:
        result = judge(scales)
        return result.outside[0] if structure is None else result.chi_square[0]

    grid = _candidate_grid(head, structure, known_scale, signs)
    points = _refine(grid, score)
    points.sort()
    points = points[np.concatenate([[True], np.diff(points) > 0])]
    result = judge(points)
    judged = _Points(points, result.chi_square[0], result.outside[0], int(result.freedom[0].max(initial=0)))

    inflation = _inflation(head, judged, structure)
    limit = good_fit_limit(max(judged.freedom, 0)) * inflation
    good = (judged.chi_square <= limit) & (judged.outside <= SIMPLEX_SIGMAS * np.sqrt(inflation))
    if not known_scale:
        good &= plausible_amplitude(head, result.amplitude)[0]
    modes = []
    for first, last in _runs(good, points):
        best = first + int(np.argmin((judged.outside if structure is None else judged.chi_square)[first : last + 1]))
        ceiling = judged.chi_square[best] + inflation * sigmas**2
        inside = good & (judged.chi_square <= ceiling)
        while first < best and not inside[first:best].all():
            first += 1
        while last > best and not inside[best + 1 : last + 1].all():
            last -= 1

        def holds(scales: Array, ceiling: float = ceiling) -> np.ndarray:
            edge = judge(scales)
            return (edge.chi_square[0] <= ceiling) & (edge.outside[0] <= SIMPLEX_SIGMAS * np.sqrt(inflation))

        slack = float(rounding_width(head, points[None, best : best + 1])[0, 0])
        low, high = _edge(points, first, -1, holds) - slack, _edge(points, last, +1, holds) + slack
        modes.append(_mode(judge, points, best, low, high, inflation))
    modes.sort(key=lambda mode: mode.misfit)
    return Search(tuple(modes), complete=True, evaluations=counter[0])


def chance_of_agreement(classes: int, loss: float, structure: LabelStructure, freedom: int) -> float:
    """How often structureless labels would agree this well by chance: an order of magnitude, on the safe side.

    The constrained entries agree to a fraction ``spread`` of their natural size, the root of the
    scale-free loss. Labels without structure reach a
    third of it freely, and a fraction of that third with probability about ``fraction ** freedom`` at a given lambda
    and choice of free entries; there are C over k choices and of the order of 100 distinguishable lambdas.
    """
    choices = comb(classes, structure.free_entries)
    return 100.0 * choices * min(3 * loss**0.5, 1.0) ** max(freedom, 0)


def _candidate_grid(
    head: ObservedHead, structure: LabelStructure | None, known_scale: bool, signs: tuple[int, ...]
) -> Array:
    if known_scale:
        grid = LAMBDA_GRID
    else:  # lambda has no natural unit: span all logit spreads from invisible to one-hot in any precision
        spread = np.ptp(head.products[0])
        magnitudes = np.geomspace(1e-3, 1e6, 900) / (spread if spread > 0 else 1.0)
        grid = np.concatenate([-magnitudes[::-1], magnitudes])
    hints = _log_line_slopes(head)
    if structure is not None and closed_form.applicable(head, structure):
        roots, _ = closed_form.triple_roots(head, closed_form.triples(head.ratios))
        hints = np.concatenate([hints, roots[0]])
    hints = hints[(np.abs(hints) >= np.abs(grid).min()) & (np.abs(hints) <= grid[-1])]  # drops NaN as well
    grid = np.unique(np.concatenate([grid, hints]))
    return grid[np.isin(np.sign(grid), signs)]


def _log_line_slopes(head: ObservedHead) -> Array:
    """Lambdas at which two neighbouring classes both have label zero: log|c| - b is a line in u of slope lambda."""
    size = np.abs(head.ratios[0])
    order = np.argsort(size)
    order = order[size[order] > 0]
    rise = np.diff(np.log(size[order]) - head.bias[order])
    run = np.diff(head.products[0, order])
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes: Array = rise / run
    return slopes


def _refine(grid: Array, score: Callable[[Array], Array]) -> Array:
    """The grid plus the refined local minima of the score, by golden section in all brackets at once."""
    values = np.nan_to_num(score(grid), nan=np.inf)
    padded = np.concatenate([[np.inf], values, [np.inf]])
    minima = np.flatnonzero((values <= padded[:-2]) & (values <= padded[2:]) & np.isfinite(values))
    minima = minima[np.argsort(values[minima], kind="stable")[:_MINIMA]]
    if minima.size == 0:
        return grid.copy()
    same = np.sign(grid)
    left = grid[np.maximum(minima - 1, 0)]
    right = grid[np.minimum(minima + 1, len(grid) - 1)]
    left = np.where(np.sign(left) == same[minima], left, grid[minima])
    right = np.where(np.sign(right) == same[minima], right, grid[minima])
    low, high = left.copy(), right.copy()
    inner, outer = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_inner, at_outer = score(inner), score(outer)
    for _ in range(80):
        lower = at_inner < at_outer
        high, low = np.where(lower, outer, high), np.where(lower, low, inner)
        kept, at_kept = np.where(lower, inner, outer), np.where(lower, at_inner, at_outer)
        probe = np.where(lower, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        at_probe = score(probe)
        inner, at_inner = np.where(lower, probe, kept), np.where(lower, at_probe, at_kept)
        outer, at_outer = np.where(lower, kept, probe), np.where(lower, at_kept, at_probe)
        if np.all(high - low <= 1e-12 * np.abs(high)):
            break
    return np.concatenate([grid, np.where(at_inner < at_outer, inner, outer)])


def _inflation(head: ObservedHead, points: _Points, structure: LabelStructure | None) -> float:
    """Factor on the noise variance when nothing fits at the assumed noise, yet one lambda fits far beyond chance.

    That is the mark of noise the rank-one residual cannot show: a forward pass in lower precision, say.
    """
    if structure is None:
        return 1.0
    limit = good_fit_limit(points.freedom)
    if np.any((points.chi_square <= limit) & (points.outside <= SIMPLEX_SIGMAS)):
        return 1.0
    best = int(np.argmin(points.chi_square))
    loss = float(variance_losses(head, points.scales[None, best : best + 1], structure, scale_free=True)[0, 0])
    if chance_of_agreement(head.classes, loss, structure, points.freedom) > _SURELY_NO_CHANCE:
        return 1.0
    return float(max(1.0, points.chi_square[best] / max(points.freedom, 1)))


def _runs(good: np.ndarray, points: Array) -> list[tuple[int, int]]:
    """First and last index of each unbroken run of good points of one sign."""
    runs: list[tuple[int, int]] = []
    for index in np.flatnonzero(good):
        if runs and runs[-1][1] == index - 1 and points[index - 1] * points[index] > 0:
            runs[-1] = (runs[-1][0], int(index))
        else:
            runs.append((int(index), int(index)))
    return runs


def _edge(points: Array, index: int, side: int, holds: Callable[[Array], np.ndarray]) -> float:
    """Where consistency ends beside ``points[index]``: bisection to the neighbour, or the end of the line."""
    neighbour = index + side
    if not 0 <= neighbour < len(points):
        return side * np.inf
    if points[neighbour] * points[index] < 0:  # the gap |lambda| < 1
        return float(points[index])
    inside, outside = points[index], points[neighbour]
    for _ in range(50):
        middle = 0.5 * (inside + outside)
        if holds(np.array([middle]))[0]:
            inside = middle
        else:
            outside = middle
        if abs(outside - inside) <= 1e-12 * abs(inside):
            break
    return float(inside)


def _mode(judge: Callable[[Array], Fit], points: Array, best: int, low: float, high: float, inflation: float) -> Mode:
    ends = np.array([max(low, points[0]), points[best], min(high, points[-1])])
    result = judge(ends)
    drift = np.abs(result.labels[0] - result.labels[0, 1]).max()
    misfit = result.chi_square[0, 1] / max(int(result.freedom[0, 1]), 1)
    noise = 2 * np.sqrt(inflation) * result.std[0, 1].max()
    return Mode(float(points[best]), low, high, float(result.amplitude[0, 1]), float(misfit), float(drift + noise))
