"""Every lambda that explains an update of several steps: a grid, its minima refined, and the range around each."""

from __future__ import annotations

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.head.consistency import rounding_width
from gradinv_core.head.structures import LabelStructure
from gradinv_core.label_recovery.modes import Mode, Search
from gradinv_core.updates.implied_label import STARTS
from gradinv_core.updates.judge import PathFit, joined
from gradinv_core.updates.path_judge import PathJudge, PathSearch, share
from gradinv_core.updates.trajectory import TrainedHead

__all__ = ["scan"]

_FINEST, _PER_DECADE = 1e-4, 20  # |lambda| = least (1 + t), t from the finest on
_STRONGEST = 100.0  # a step that moves logits by this much for a residual of one jumps to and fro
_MINIMA = 12
_ROUNDS = 14  # Gauss-Newton steps of each minimum
_SETTLED = 1e-6  # of chi-square
_GOLDEN, _GOLDEN_ROUNDS = (np.sqrt(5) - 1) / 2, 32
_FLAT = 0.05  # relative width of a range from which the parabola is not trusted
_FAR = 2.5  # times the sigmas asked for
_HALVINGS = 40


def scan(trained: TrainedHead, structure: LabelStructure | None, sigmas: float, signs: tuple[int, ...]) -> PathSearch:
    """Every range of lambda consistent with the update.

    A lambda whose path cannot be followed counts as not consistent: there, steps are so large that the logits jump to
    and fro, and a label whose jumps end in C given numbers has no reason to have a structure.

    Args:
        trained: the observed update.
        structure: the label structure, or None for the simplex alone.
        sigmas: half width of the intervals in standard deviations.
        signs: which signs of lambda are possible.
    """
    for start in STARTS[:2] if trained.steps.momentum == 0 else STARTS:
        judge = PathJudge(trained, structure, start)
        found = _scan(judge, _grid(trained, signs), sigmas)
        if found.search.modes:
            break
    return found


def _grid(trained: TrainedHead, signs: tuple[int, ...]) -> Array:
    least = trained.least_scale
    power = float((trained.head.row_gradient[0] ** 2).sum())
    largest = max((_STRONGEST / (trained.steps.rate * power)) ** 0.5, 10 * least)
    reach = largest / least - 1
    count = int(_PER_DECADE * np.log10(reach / _FINEST)) + 2
    sizes = least * (1 + np.concatenate([[0.0], np.geomspace(_FINEST, reach, count)]))
    return np.concatenate([sign * sizes[::sign] for sign in sorted(signs)])


def _scan(judge: PathJudge, grid: Array, sigmas: float) -> PathSearch:
    fits, known = judge(grid)
    values = np.where(known, judge.misfit(fits), np.inf)
    scales = grid
    refined = _refine(judge, grid, fits, values)
    if refined.size:
        more, also = judge(refined)
        scales, order = np.unique(np.concatenate([grid, refined]), return_index=True)
        fits, known = joined([fits, more]).take(order), np.concatenate([known, also])[order]
        values = np.where(known, judge.misfit(fits), np.inf)
    good = judge.good(fits, known)
    found = [_mode(judge, scales, fits, good, first, last, sigmas) for first, last in _runs(good, scales)]
    found.sort(key=lambda pair: pair[0].misfit)
    search = Search(tuple(mode for mode, _ in found), complete=True, evaluations=judge.evaluations)
    best = found[0][1] if found else int(np.argmin(values))
    return PathSearch(search, fits.take(np.array([best])), float(scales[best]), fits.labels[[i for _, i in found]])


def _refine(judge: PathJudge, grid: Array, fits: PathFit, values: Array) -> Array:
    """Lambdas at the local minima of the misfit, between the neighbouring grid points."""
    padded = np.concatenate([[np.inf], values, [np.inf]])
    minima = np.flatnonzero((values <= padded[:-2]) & (values <= padded[2:]) & np.isfinite(values))
    minima = minima[np.argsort(values[minima], kind="stable")[:_MINIMA]]
    if not minima.size:
        return np.empty(0)
    low, high = grid[np.maximum(minima - 1, 0)], grid[np.minimum(minima + 1, len(grid) - 1)]
    low = np.where(low * grid[minima] > 0, low, grid[minima])
    high = np.where(high * grid[minima] > 0, high, grid[minima])
    if judge.structure is None:
        return _by_golden_section(judge, low, high)
    return _by_gauss_newton(judge, grid[minima], fits.take(minima), values[minima], low, high)


def _by_gauss_newton(judge: PathJudge, scales: Array, here: PathFit, value: Array, low: Array, high: Array) -> Array:
    """The minima of a chi-square, which is smooth."""
    damping = np.ones(len(scales))
    every = np.arange(len(scales))
    for _ in range(_ROUNDS):
        trial = np.clip(scales + damping * here.step, low, high)
        if not (np.abs(trial - scales) > 1e-13 * np.abs(scales)).any():
            break
        there, known = judge(trial)
        trial_value = np.where(known, judge.misfit(there), np.inf)
        better = trial_value <= value
        here = joined([here, there]).take(np.where(better, every + len(every), every))
        done = value - trial_value < _SETTLED
        scales, value = np.where(better, trial, scales), np.where(better, trial_value, value)
        damping = np.where(better, np.minimum(2 * damping, 1.0), 0.25 * damping)
        if np.all((done & better) | (damping < 1e-3)):
            break
    return scales


def _by_golden_section(judge: PathJudge, low: Array, high: Array) -> Array:
    """The minima of the way out of the simplex, which has kinks; a label with zeros is inside for a sliver only."""

    def score(scales: Array) -> Array:
        fits, known = judge(scales)
        return np.where(known, judge.misfit(fits), np.inf)

    for _ in range(_GOLDEN_ROUNDS):
        inner, outer = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        lower = score(inner) < score(outer)
        low, high = np.where(lower, low, inner), np.where(lower, outer, high)
    return 0.5 * (low + high)


def _mode(
    judge: PathJudge, scales: Array, fits: PathFit, good: np.ndarray, first: int, last: int, sigmas: float
) -> tuple[Mode, int]:
    """The range within one run of good points, and the index of its best lambda."""
    values = judge.misfit(fits)
    best = first + int(np.argmin(values[first : last + 1]))
    scale = float(scales[best])
    half = sigmas * float(fits.information[best]) ** -0.5 if fits.information[best] > 0 else np.inf
    if first == last and half < _FLAT * abs(scale):
        half += float(rounding_width(judge.trained.head, np.array([[scale]]))[0, 0])
        drift = float(np.abs(fits.slope[best]).max()) * half
        low, high = scale - half, scale + half
    else:
        low, high = _reach(judge, scales, fits, good, best, sigmas)
        inside = (scales >= low) & (scales <= high) & good
        drift = float(np.abs(fits.labels[inside] - fits.labels[best]).max())
        edges, known = judge(np.clip([low, high], scales[0], scales[-1]))
        drift = max(drift, float(np.abs(edges.labels[known] - fits.labels[best]).max()) if known.any() else 1.0)
    uncertainty = drift + 2 * float(fits.std[best].max())
    return Mode(scale, low, high, 1 / scale, share(fits, best), fits.freedom, uncertainty), best


def _reach(
    judge: PathJudge, scales: Array, fits: PathFit, good: np.ndarray, best: int, sigmas: float
) -> tuple[float, float]:
    """How far the lambdas around the best one stay consistent; to infinity at the ends of the grid."""
    ceiling = float(fits.chi_square[best]) + (_FAR * sigmas) ** 2
    inside = good & (fits.chi_square <= ceiling)
    ends = []
    for side in (-1, 1):
        index = best
        while 0 <= index + side < len(scales) and inside[index + side] and scales[index] * scales[index + side] > 0:
            index += side
        neighbour = index + side
        if not 0 <= neighbour < len(scales):
            ends.append(side * np.inf)
            continue
        if scales[neighbour] * scales[index] < 0:
            ends.append(float(scales[index]))
            continue
        near, far = float(scales[index]), float(scales[neighbour])
        for _ in range(_HALVINGS):
            middle = 0.5 * (near + far)
            if abs(far - near) <= 1e-9 * abs(near):
                break
            edge, known = judge(np.array([middle]))
            holds = judge.good(edge, known)[0] and edge.chi_square[0] <= ceiling
            near, far = (middle, far) if holds else (near, middle)
        ends.append(near)
    return ends[0], ends[1]


def _runs(good: np.ndarray, scales: Array) -> list[tuple[int, int]]:
    """First and last index of each unbroken run of good points of one sign."""
    runs: list[tuple[int, int]] = []
    for index in np.flatnonzero(good):
        if runs and runs[-1][1] == index - 1 and scales[index - 1] * scales[index] > 0:
            runs[-1] = (runs[-1][0], int(index))
        else:
            runs.append((int(index), int(index)))
    return runs
