"""The scan: every lambda there is, on a fine grid, then refined. The fallback that always answers.

It needs no monotone root, so it serves biased heads, saturated heads (where no lambda is singled out and the answer
is an interval) and labels without structure (where the simplex alone leaves an interval).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.head import ObservedHead
from gradinv_core.head.consistency import chance_of_agreement, plausible_amplitude, rounding_width
from gradinv_core.head.hidden_factor import factor_trace
from gradinv_core.head.landscape import LAMBDA_GRID, variance_losses
from gradinv_core.head.structures import LabelStructure
from gradinv_core.label_recovery import closed_form
from gradinv_core.label_recovery.modes import Mode, Search
from gradinv_core.label_recovery.survey import Judge, Survey

__all__ = ["OnSurvey", "possible_signs", "solve"]

_FAR = 2.5  # times the sigmas asked for: about five of them for 95 % confidence
_MINIMA = 24  # local minima refined, best first
_SURELY_NO_CHANCE = 1e-6
_PROBED_ENTRIES = 2**11  # label entries judged at a time: a call costs as much as some hundred of them
_PROBES, _ROUNDS = 7, 60  # at most: probes on each side of a minimum, and rounds of them
_FLAT = 1e-4  # relative rise to its ends that calls a bracket flat: a dip between its probes would raise them more
_EXACT = 1e-6  # an agreement this close, relative to the classes' own differences, needs no noise to explain it

OnSurvey = Callable[[Array, int], None]


def solve(
    head: ObservedHead,
    structure: LabelStructure | None,
    known_scale: bool,
    sigmas: float,
    signs: tuple[int, ...] = (-1, 1),
    on_survey: OnSurvey | None = None,
) -> Search:
    """Every range of lambda consistent with one head's gradient.

    Args:
        head: a single observed head.
        structure: the label structure, or None for the simplex alone.
        known_scale: whether ``|a_r| = 1 / |lambda|``.
        sigmas: half width of the intervals in standard deviations.
        signs: which signs of lambda are possible.
        on_survey: told the (K,) lambdas of each stage, the grid and then its refined minima, and the evaluations so
            far.

    Returns:
        The ranges, best first; none if the structure explains the gradient nowhere.
    """
    judge, strained = Judge(head, structure, known_scale), False
    survey = _refine(_candidate_grid(head, structure, known_scale, signs), judge, on_survey)
    if structure is not None and not judge.good(survey).any():
        noisier = _with_noise_of_the_best(head, survey, structure, known_scale)
        if noisier is None:
            return Search((), complete=True, evaluations=judge.evaluations)
        judge.head, strained = noisier
        survey = judge(survey.scales)
    good = judge.good(survey)
    modes = [_mode(judge, survey, good, first, last, sigmas) for first, last in _runs(good, survey.scales)]
    modes.sort(key=lambda mode: mode.misfit)
    return Search(tuple(modes), complete=True, evaluations=judge.evaluations, strained=strained)


def possible_signs(head: ObservedHead, nonnegative_feature: bool) -> tuple[int, ...]:
    """The signs lambda may have: one where the feature is known to be non-negative.

    Args:
        head: a single observed head.
        nonnegative_feature: as in `recover_label`.
    """
    if not nonnegative_feature:
        return (-1, 1)
    return (1,) if head.row_gradient[0].sum() > 0 else (-1,)


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
        roots, _ = closed_form.triple_roots(head, closed_form.chosen_triples(head, structure))
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


def _refine(grid: Array, judge: Judge, on_survey: OnSurvey | None = None) -> Survey:
    """The grid plus its refined local minima, all of them at once."""

    def score(scales: Array) -> Array:
        return judge.misfit(judge(scales))

    survey = judge(grid)
    if on_survey is not None:
        on_survey(survey.scales, judge.evaluations)
    values = np.nan_to_num(judge.misfit(survey), nan=np.inf)
    padded = np.concatenate([[np.inf], values, [np.inf]])
    minima = np.flatnonzero((values <= padded[:-2]) & (values <= padded[2:]) & np.isfinite(values))
    minima = minima[np.argsort(values[minima], kind="stable")[:_MINIMA]]
    if minima.size == 0:
        return survey
    sides = [np.clip(minima + step, 0, len(grid) - 1) for step in (-1, 0, 1)]
    around = np.stack([np.where(np.sign(grid[side]) == np.sign(grid[minima]), side, minima) for side in sides], axis=1)
    refined = judge(_least(score, grid[around], values[around], judge.hopeless, judge.head.classes))
    if on_survey is not None:
        on_survey(refined.scales, judge.evaluations)
    return Survey.joined(survey, refined)


def _least(score: Callable[[Array], Array], brackets: Array, scores: Array, hopeless: float, classes: int) -> Array:
    """Where each of n brackets is least, (n,): probes on both sides of the best so far, then between its neighbours.

    A bracket is left alone once it is flat, and too high to hold an answer: more digits of it would serve nobody.

    Args:
        score: of lambdas, all asked at once.
        brackets: (n, 3) lambdas: lower end, best so far, upper end.
        scores: (n, 3) of them.
        hopeless: a score above which nothing is an answer.
        classes: number of them, which is what a lambda costs.
    """
    least, left = brackets[:, 1].copy(), np.arange(len(brackets))  # numbers of the brackets still searched
    for _ in range(_ROUNDS):
        low, best, high = brackets.T
        done = high - low <= 1e-12 * np.abs(high)
        done |= (scores[:, 1] > hopeless) & (scores.max(1) / (1 + _FLAT) <= scores[:, 1])
        if done.any():
            brackets, scores, left = brackets[~done], scores[~done], left[~done]
            low, best, high = brackets.T
        if not left.size:
            break
        probes = int(np.clip(_PROBED_ENTRIES // (2 * classes * len(left)), 1, _PROBES))  # on each side
        steps = np.arange(1, probes + 1) / (probes + 1)
        below, above = (start[:, None] + (end - start)[:, None] * steps for start, end in ((low, best), (best, high)))
        asked = np.nan_to_num(score(np.column_stack([below, above]).ravel()), nan=np.inf).reshape(len(left), 2 * probes)
        walk = np.column_stack([low, below, best, above, high])
        heights = np.column_stack([scores[:, 0], asked[:, :probes], scores[:, 1], asked[:, probes:], scores[:, 2]])
        inner = heights[:, 1:-1]
        lowest = inner.argmin(1)
        here = 1 + np.where(inner[np.arange(len(left)), lowest] < scores[:, 1], lowest, probes)  # of equals, the best
        window = here[:, None] + np.arange(-1, 2)
        brackets, scores = np.take_along_axis(walk, window, 1), np.take_along_axis(heights, window, 1)
        least[left] = brackets[:, 1]
    return least


def _with_noise_of_the_best(
    head: ObservedHead, survey: Survey, structure: LabelStructure, known_scale: bool
) -> tuple[ObservedHead, bool] | None:
    """The head with its noise raised until the best lambda fits, if that lambda fits far better than chance.

    And whether it took noise worth the name.

    That is the mark of noise the rank-one residual cannot show: a forward pass in lower precision, say. Other losses
    and several local steps can look like that, too, so whoever calls it must not take the answer for proven.
    """
    amplitude = survey.amplitude[None]
    losses = variance_losses(head, survey.scales[None], structure, scale_free=True, amplitude=amplitude)[0]
    if not known_scale:
        losses = np.where(plausible_amplitude(head, survey.scales[None], amplitude)[0], losses, 1.0)
    best = int(np.argmin(losses))
    freedom = int(survey.freedom[best])
    if chance_of_agreement(head.classes, float(losses[best]), structure, freedom) > _SURELY_NO_CHANCE:
        return None
    factor = max(1.0, float(np.sqrt(survey.chi_square[best] / max(freedom, 1))))
    noisier = replace(
        head,
        ratio_std=factor * head.ratio_std,
        product_std=factor * head.product_std,
        rounding=factor * head.rounding,
    )
    return noisier, bool(losses[best] >= _EXACT**2)


def _runs(good: np.ndarray, points: Array) -> list[tuple[int, int]]:
    """First and last index of each unbroken run of good points of one sign."""
    runs: list[tuple[int, int]] = []
    for index in np.flatnonzero(good):
        if runs and runs[-1][1] == index - 1 and points[index - 1] * points[index] > 0:
            runs[-1] = (runs[-1][0], int(index))
        else:
            runs.append((int(index), int(index)))
    return runs


def _mode(judge: Judge, survey: Survey, good: np.ndarray, first: int, last: int, sigmas: float) -> Mode:
    """The mode within one run of good points: its best lambda, and how far chi-square stays within sigmas of it.

    Around a proper minimum chi-square is a parabola. Where it is not, because free entries change hands or the curve is
    flat, the rule of sigmas squared says too little, and the range out to `_FAR` times as many sigmas counts.
    """
    scales = survey.scales
    best = first + int(np.argmin(judge.misfit(survey)[first : last + 1]))
    ends: list[int] = []
    ceilings = survey.chi_square[best] + np.repeat([sigmas, _FAR * sigmas], 2) ** 2
    for ceiling in ceilings[::2]:
        inside = good & (survey.chi_square <= ceiling)
        ends.append(best - int(np.argmin(np.append(inside[first:best][::-1], False))))
        ends.append(best + int(np.argmin(np.append(inside[best + 1 : last + 1], False))))
    low, high, far_low, far_high = _edges(judge, scales, np.array(ends), np.array([-1, 1, -1, 1]), ceilings).tolist()
    if far_high - far_low > 3 * _FAR * (high - low):
        low, high = far_low, far_high
    scale = float(scales[best])
    if np.isfinite(low) != np.isfinite(
        high
    ):  # flat to infinity: the least saturated prediction is the least daring guess
        scale = low if np.isfinite(low) else high
    around = judge.fit(np.array([max(low, scales[0]), scale, min(high, scales[-1])]))
    drift = np.abs(around.labels[0] - around.labels[0, 1]).max() + 2 * around.std[0, 1].max()
    freedom = int(around.freedom[0, 1])
    share = around.chi_square[0, 1] / max(freedom, 1)
    low, high = low - _slack(judge.head, low), high + _slack(judge.head, high)
    hidden, pull = 0.0, 0.0
    if judge.known_scale and judge.structure is not None:
        trace = factor_trace(judge.structure, around)
        hidden, pull = float(trace.drift[0, 1]), float(trace.pull[0, 1])
    return Mode(scale, low, high, float(around.amplitude[0, 1]), float(share), freedom, float(drift), hidden, pull)


def _slack(head: ObservedHead, scale: float) -> float:
    """What rounding adds to an interval that ends at this lambda."""
    if not np.isfinite(scale):
        return 0.0
    return min(float(rounding_width(head, np.array([[scale]]))[0, 0]), 0.1 * abs(scale))


def _edges(judge: Judge, points: Array, index: np.ndarray, side: np.ndarray, ceilings: Array) -> Array:
    """Where consistency ends beside ``points[index]``, for several edges at once: (n,).

    Each gap to the neighbour is cut into many, and the search goes on in the first that consistency does not survive.
    At the end of the line there is no neighbour, and the edge is infinite.

    Args:
        judge: of the head.
        points: (K,) lambdas in ascending order.
        index: (n,) the last of them that is consistent.
        side: (n,) -1 or 1: where the neighbour lies.
        ceilings: (n,) the largest chi-square that counts as consistent.
    """
    neighbour = index + side
    beyond = (neighbour < 0) | (neighbour >= len(points))
    inside = points[index]
    outside = np.where(beyond, inside, points[np.clip(neighbour, 0, len(points) - 1)])
    outside = np.where(outside * inside < 0, inside, outside)  # the gap |lambda| < 1
    probes = int(np.clip(_PROBED_ENTRIES // (judge.head.classes * len(index)), 3, 31))
    steps = np.arange(1, probes + 1) / (probes + 1)
    every = np.arange(len(index))
    while np.any(np.abs(outside - inside) > 1e-12 * np.abs(inside)):
        between = inside[:, None] + (outside - inside)[:, None] * steps
        found = judge(between.ravel())
        holds = (judge.good(found) & (found.chi_square <= np.repeat(ceilings, probes))).reshape(between.shape)
        count = np.argmin(np.pad(holds, ((0, 0), (0, 1))), axis=1)  # of those that hold, before the first that does not
        walk = np.column_stack([inside, between, outside])
        inside, outside = walk[every, count], walk[every, count + 1]
    return np.where(beyond, side * np.inf, inside)
