"""The scan: every lambda there is, on a fine grid, then refined. The fallback that always answers.

It needs no monotone root, so it serves biased heads, saturated heads (where no lambda is singled out and the answer
is an interval) and labels without structure (where the simplex alone leaves an interval).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import comb

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.consistency import SIMPLEX_SIGMAS, Fit, fit, good_fit_limit, plausible_amplitude, rounding_width
from gradinv_core.head import ObservedHead
from gradinv_core.label_recovery import closed_form
from gradinv_core.label_recovery.modes import Mode, Search
from gradinv_core.label_structures import LabelStructure
from gradinv_core.landscape import LAMBDA_GRID, variance_losses

__all__ = ["chance_of_agreement", "solve"]

_FAR = 2.5  # times the sigmas asked for: about five of them for 95 % confidence
_MINIMA = 24  # local minima refined, best first
_GOLDEN = (np.sqrt(5) - 1) / 2
_SURELY_NO_CHANCE = 1e-6


@dataclass
class _Judge:
    """Judges lambdas of one head, and counts how many."""

    head: ObservedHead
    structure: LabelStructure | None
    known_scale: bool
    evaluations: int = 0

    def __call__(self, scales: Array) -> Fit:
        """Fit at (K,) lambdas; the fit's arrays have a leading axis of one head."""
        self.evaluations += scales.size
        return fit(self.head, scales[None], self.structure, self.known_scale)

    def misfit(self, judged: Fit) -> Array:
        """What the scan minimises, (K,): chi-square plus the squared way outside the simplex, or the latter alone."""
        if self.structure is None:
            return judged.outside[0]
        return judged.chi_square[0] + np.maximum(judged.outside[0], 0.0) ** 2

    def good(self, judged: Fit) -> np.ndarray:
        """Which of the (K,) lambdas noise explains."""
        explained: np.ndarray = judged.chi_square[0] <= good_fit_limit(np.maximum(judged.freedom[0], 0))
        explained &= judged.outside[0] <= SIMPLEX_SIGMAS
        if not self.known_scale:
            explained &= plausible_amplitude(self.head, judged.amplitude)[0]
        return explained


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
    judge = _Judge(head, structure, known_scale)
    points = _refine(_candidate_grid(head, structure, known_scale, signs), judge)
    judged = judge(points)
    if structure is not None and not judge.good(judged).any():
        noisier = _with_noise_of_the_best(head, points, judged, structure, known_scale)
        if noisier is None:
            return Search((), complete=True, evaluations=judge.evaluations)
        judge.head = noisier
        judged = judge(points)
    good, misfit = judge.good(judged), judge.misfit(judged)
    modes = [_mode(judge, points, good, judged, first, last, misfit, sigmas) for first, last in _runs(good, points)]
    modes.sort(key=lambda mode: mode.misfit)
    return Search(tuple(modes), complete=True, evaluations=judge.evaluations)


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


def _refine(grid: Array, judge: _Judge) -> Array:
    """The grid plus its refined local minima, sorted: golden section in all brackets at once."""

    def score(scales: Array) -> Array:
        return judge.misfit(judge(scales))

    values = np.nan_to_num(score(grid), nan=np.inf)
    padded = np.concatenate([[np.inf], values, [np.inf]])
    minima = np.flatnonzero((values <= padded[:-2]) & (values <= padded[2:]) & np.isfinite(values))
    minima = minima[np.argsort(values[minima], kind="stable")[:_MINIMA]]
    if minima.size == 0:
        return grid
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
    return np.unique(np.concatenate([grid, np.where(at_inner < at_outer, inner, outer)]))


def _with_noise_of_the_best(
    head: ObservedHead, points: Array, judged: Fit, structure: LabelStructure, known_scale: bool
) -> ObservedHead | None:
    """The head with its noise raised until the best lambda fits, if that lambda fits far better than chance.

    That is the mark of noise the rank-one residual cannot show: a forward pass in lower precision, say.
    """
    losses = variance_losses(head, points[None], structure, scale_free=True, amplitude=judged.amplitude)[0]
    if not known_scale:
        losses = np.where(plausible_amplitude(head, judged.amplitude)[0], losses, 1.0)
    best = int(np.argmin(losses))
    freedom = int(judged.freedom[0, best])
    if chance_of_agreement(head.classes, float(losses[best]), structure, freedom) > _SURELY_NO_CHANCE:
        return None
    factor = max(1.0, float(np.sqrt(judged.chi_square[0, best] / max(freedom, 1))))
    return replace(
        head,
        ratio_std=factor * head.ratio_std,
        product_std=factor * head.product_std,
        rounding=factor * head.rounding,
    )


def _runs(good: np.ndarray, points: Array) -> list[tuple[int, int]]:
    """First and last index of each unbroken run of good points of one sign."""
    runs: list[tuple[int, int]] = []
    for index in np.flatnonzero(good):
        if runs and runs[-1][1] == index - 1 and points[index - 1] * points[index] > 0:
            runs[-1] = (runs[-1][0], int(index))
        else:
            runs.append((int(index), int(index)))
    return runs


def _mode(
    judge: _Judge, points: Array, good: np.ndarray, judged: Fit, first: int, last: int, misfit: Array, sigmas: float
) -> Mode:
    """The mode within one run of good points: its best lambda, and how far chi-square stays within sigmas of it.

    Around a proper minimum chi-square is a parabola. Where it is not, because free entries change hands or the curve is
    flat, the rule of sigmas squared says too little, and the range out to `_FAR` times as many sigmas counts.
    """
    best = first + int(np.argmin(misfit[first : last + 1]))

    def reach(sigmas: float) -> tuple[float, float]:
        ceiling = judged.chi_square[0, best] + sigmas**2
        inside = good & (judged.chi_square[0] <= ceiling)
        left = best - int(np.argmin(np.append(inside[first:best][::-1], False)))
        right = best + int(np.argmin(np.append(inside[best + 1 : last + 1], False)))

        def holds(scale: float) -> bool:
            edge = judge(np.array([scale]))
            return bool(judge.good(edge)[0] and edge.chi_square[0, 0] <= ceiling)

        return _edge(points, left, -1, holds), _edge(points, right, +1, holds)

    (low, high), (far_low, far_high) = reach(sigmas), reach(_FAR * sigmas)
    if far_high - far_low > 3 * _FAR * (high - low):
        low, high = far_low, far_high
    slack = float(rounding_width(judge.head, points[None, best : best + 1])[0, 0])
    low, high = low - slack, high + slack
    ends = judge(np.array([max(low, points[0]), points[best], min(high, points[-1])]))
    drift = np.abs(ends.labels[0] - ends.labels[0, 1]).max() + 2 * ends.std[0, 1].max()
    freedom = int(ends.freedom[0, 1])
    share = ends.chi_square[0, 1] / max(freedom, 1)
    return Mode(float(points[best]), low, high, float(ends.amplitude[0, 1]), float(share), freedom, float(drift))


def _edge(points: Array, index: int, side: int, holds: Callable[[float], bool]) -> float:
    """Where consistency ends beside ``points[index]``: bisection to the neighbour, or the end of the line."""
    neighbour = index + side
    if not 0 <= neighbour < len(points):
        return side * np.inf
    if points[neighbour] * points[index] < 0:  # the gap |lambda| < 1
        return float(points[index])
    inside, outside = float(points[index]), float(points[neighbour])
    while abs(outside - inside) > 1e-12 * abs(inside):
        middle = 0.5 * (inside + outside)
        if middle in (inside, outside):
            break
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return inside
