"""The closed form: three classes that share a value leave exactly one lambda; three triples prove there is no other.

Our derivation. For base classes i, j, k the shared value and the gradient's overall scale drop out of

    (p_i - p_k) / (p_j - p_k) = (c_i - c_k) / (c_j - c_k),        p = softmax(lambda u)   (bias-free head).

Let k be the middle one in u, so that A = u_i - u_k > 0 and B = u_k - u_j > 0. With K(t) = log((e^t - 1) / t), the log
moment generating function of the uniform distribution, taking logarithms gives

    h(lambda) = log(A/B) + K(lambda A) - K(lambda B) + lambda B = log((c_i - c_k) / (c_k - c_j)).

K' lies in (0, 1), so h' = A K'(lambda A) + B (1 - K'(lambda B)) > 0: h rises strictly over the whole real line. There
is one root if c has the same middle class as u, and none otherwise. h is convex for A >= B and concave for A <= B, so
Newton converges from anywhere.

At most two classes are not base classes, so of three disjoint triples at least one is all base: every admissible lambda
is a root of one of the three. Evaluating those few candidates on all classes is therefore a complete search.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.head import ObservedHead
from gradinv_core.head.consistency import (
    SIMPLEX_SIGMAS,
    Fit,
    fit,
    good_fit_limit,
    plausible_amplitude,
    rounding_width,
)
from gradinv_core.head.hidden_factor import FactorTrace, factor_trace
from gradinv_core.head.label_noise import pseudo_label_std
from gradinv_core.head.landscape import head_probabilities
from gradinv_core.head.structures import AllBut, LabelStructure, SharedBase
from gradinv_core.label_recovery.modes import Mode, Search

__all__ = ["applicable", "chosen_triples", "solve", "triple_roots", "triples"]

_DISJOINT_FROM = 9  # classes; below, every triple is used
_SEPARATION = 10.0  # differences of ratios must exceed their noise by this factor to prove anything
_STEPS = 12  # Gauss-Newton steps at most; they converge quadratically from the root
_SETTLED = 0.1  # standard deviations of lambda
_ULPS = 1e-15  # relative; no float64 step is smaller
_HOPELESS = 1e4  # a chi-square that no step will bring down to its limit
_NEARLY_EQUAL = 0.2  # spread of the logits below which softmax is linear in lambda, even at twice the lambda
_SIGN_ACCURACY = 0.95  # relative; a root this well known has a certain sign
_ROOT_ACCURACY = 0.1  # relative; a root known this well is refined to the one minimum beside it


def applicable(head: ObservedHead, structure: LabelStructure | None) -> bool:
    """Whether the closed form can run: a bias-free head and a structure that leaves three base classes."""
    if head.has_bias or not isinstance(structure, SharedBase | AllBut):
        return False
    # Three disjoint triples can outlast two free entries.
    return 1 <= structure.free_entries <= 2 and len(_speaking(head, structure)) >= structure.free_entries + 3


def solve(head: ObservedHead, structure: LabelStructure, known_scale: bool, sigmas: float) -> list[Search]:
    """Every lambda at which the structure holds, for N heads at once.

    Args:
        head: N observed heads, bias-free.
        structure: shared base with at most two free entries.
        known_scale: whether ``|a_r| = 1 / |lambda|``, or the gradient was rescaled.
        sigmas: half width of the intervals in standard deviations.

    Returns:
        One `Search` per head. It is ``complete`` when the triples were resolved well enough to exclude everything else.
    """
    chosen = chosen_triples(head, structure)
    roots, resolved = triple_roots(head, chosen, known_scale)
    usable = np.isfinite(roots)
    scales = np.where(usable, roots, 1.0)
    amplitude = None if known_scale else _triple_amplitude(head, chosen, scales)
    reach = 2 * _ROOT_ACCURACY * np.abs(scales)  # no usable root moves further; the clip keeps the others harmless
    lowest, highest = scales - reach, scales + reach
    result = fit(head, scales, structure, known_scale, amplitude)
    evaluations = scales.shape[1]
    for _ in range(_STEPS):
        promised = result.step**2 * result.information  # decrease of chi-square by the next step
        settled = (promised < _SETTLED**2) | (np.abs(result.step) <= _ULPS * np.abs(scales))
        hopeless = (promised < 0.5 * result.chi_square) & (result.chi_square > _HOPELESS)
        done = settled | hopeless | (scales == lowest) | (scales == highest) | ~usable
        if done.all():
            break
        scales = np.clip(scales + result.step, lowest, highest)
        result = fit(head, scales, structure, known_scale, None if known_scale else result.amplitude)
        evaluations += scales.shape[1]
    half_width = sigmas / np.sqrt(np.maximum(result.information, 1e-300)) + rounding_width(head, scales)
    possible = (
        np.abs(scales) >= 1 - 1e-6 - half_width if known_scale else plausible_amplitude(head, scales, result.amplitude)
    )
    accepted = (
        usable
        & settled
        & possible
        & (result.chi_square <= good_fit_limit(result.freedom))
        & (result.outside <= SIMPLEX_SIGMAS)
        & (half_width <= _ROOT_ACCURACY * np.abs(scales))
    )
    complete = np.asarray((resolved & done).all(1))
    if known_scale:
        drift = np.abs(result.slope).max(-1) * half_width
    else:  # the amplitude moves along with lambda
        width = np.minimum(half_width, reach)
        edges = [fit(head, edge, structure, False, result.amplitude) for edge in (scales - width, scales + width)]
        drift = np.maximum(*(np.abs(edge.labels - result.labels).max(-1) for edge in edges))
    modes = [_distinct(result, n, scales[n], half_width[n], drift[n], accepted[n]) for n in range(len(head))]
    if known_scale:
        best = np.where(accepted, result.chi_square, np.inf).argmin(1)
        trace = factor_trace(structure, result.at(best))
        modes = [_with_trace(found, trace, n) for n, found in enumerate(modes)]
    return [Search(found, bool(proven), evaluations) for found, proven in zip(modes, complete, strict=True)]


def _speaking(head: ObservedHead, structure: LabelStructure) -> np.ndarray:
    """Indices of the classes that the structure says anything about."""
    every = np.arange(head.classes)
    return np.delete(every, structure.dropped) if isinstance(structure, AllBut) else every


def chosen_triples(head: ObservedHead, structure: LabelStructure) -> np.ndarray:
    """`triples` (N, T, 3) among the classes that the structure says anything about."""
    speaking = _speaking(head, structure)
    chosen: np.ndarray = speaking[triples(head.ratios[:, speaking])]
    return chosen


@lru_cache
def _all_triples(classes: int) -> np.ndarray:
    return np.array(list(combinations(range(classes), 3)))


def triples(ratios: Array) -> np.ndarray:
    """Class triples (N, T, 3) of which at least one avoids any two given classes.

    From nine classes on, three disjoint triples of well-separated ratios: extremes, and the class nearest to their
    middle.
    """
    samples, classes = ratios.shape
    if classes < _DISJOINT_FROM:
        return np.broadcast_to(_all_triples(classes), (samples, *_all_triples(classes).shape))
    order = np.argsort(ratios, axis=1)
    low, high = order[:, :3], order[:, -3:]  # lowest with third highest and so on: three equally wide triples
    inner = order[:, 3:-3]
    every = np.arange(samples)
    values = ratios[every[:, None], inner]
    targets = 0.5 * (ratios[every[:, None], low] + ratios[every[:, None], high])
    middle = np.empty((samples, 3), dtype=order.dtype)
    for triple in range(3):
        nearest = np.abs(values - targets[:, triple, None]).argmin(1)
        middle[:, triple] = inner[every, nearest]
        values[every, nearest] = np.inf
    return np.stack([low, middle, high], axis=2)


def triple_roots(head: ObservedHead, chosen: np.ndarray, known_scale: bool = False) -> tuple[Array, np.ndarray]:
    """The one lambda at which each triple shares a value.

    Where all logits are nearly equal, the equation's information on lambda is second order in them. A gradient of known
    scale says more: the differences p_i - p_j = (c_i - c_j) / lambda are first order, and with p linear in lambda they
    leave one solution of each sign. The root then only has to tell the sign.

    Args:
        head: N observed heads, bias-free.
        chosen: (N, T, 3) class triples.
        known_scale: whether the gradient's scale is known.

    Returns:
        roots (N, T), NaN where there is none, and resolved (N, T): whether noise leaves no doubt about that.
    """
    every = np.arange(len(chosen))[:, None, None]
    order = np.argsort(head.products[every, chosen], axis=2)
    chosen = np.take_along_axis(chosen, order, 2)  # j, k, i in ascending u
    u, c = head.products[every, chosen], head.ratios[every, chosen]
    above, below = u[..., 2] - u[..., 1], u[..., 1] - u[..., 0]
    up, down = c[..., 2] - c[..., 1], c[..., 1] - c[..., 0]
    exists = (up * down > 0) & (above > 0) & (below > 0)
    above, below = np.where(exists, above, 1.0), np.where(exists, below, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        target = np.where(exists, np.log(up / down), 0.0)
    log_ratio = np.log(above / below)
    gaps = np.stack([above, below])
    roots = 2 * (target - log_ratio) / (above + below)  # K'(0) = 1/2
    for _ in range(60):
        value, slope = _k(roots * gaps)
        rise = above * slope[0] + below * (1 - slope[1])
        step = (target - log_ratio - value[0] + value[1] - roots * below) / rise
        roots = roots + step
        if np.all(np.abs(step) <= 1e-6 * np.abs(roots) + 1e-300):  # quadratic: the root is good to rounding
            break
    nonzero = np.where(roots == 0, 1.0, roots)

    # Noise of the pseudo-label at the root, read as noise of the three ratios.
    probabilities = head_probabilities(head, nonzero)
    std = pseudo_label_std(head, nonzero, probabilities, 1 / nonzero)
    noise = np.take_along_axis(std, chosen, 2).max(2) * np.abs(nonzero)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = noise / np.minimum(np.abs(up), np.abs(down))
        error = relative / rise / np.abs(nonzero)
    separate = relative < 1 / _SEPARATION
    resolved = separate & (~exists | (error < _ROOT_ACCURACY / SIMPLEX_SIGMAS))
    nearly_equal = np.abs(nonzero) * np.ptp(head.products, axis=1)[:, None] < _NEARLY_EQUAL
    if known_scale and nearly_equal.any():
        sign_certain = exists & nearly_equal & (error < _SIGN_ACCURACY / SIMPLEX_SIGMAS)
        p = np.take_along_axis(probabilities, chosen, 2)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            first_order = np.sign(nonzero) * np.sqrt(np.abs((up + down) / (p[..., 2] - p[..., 0]) * nonzero))
        sharpened = sign_certain & np.isfinite(first_order)
        roots = np.where(sharpened, first_order, roots)
        resolved |= sharpened & separate
    return np.where(exists & (roots != 0), roots, np.nan), resolved


def _k(t: Array) -> tuple[Array, Array]:
    """K(t) = log((e^t - 1) / t) and its derivative, which lies in (0, 1); for any t without overflow."""
    size = np.maximum(np.abs(t), 1e-300)
    decay = -np.expm1(-size)
    value = np.maximum(t, 0.0) + np.log(decay / size)
    positive = np.where(size > 1e-4, 1 / decay - 1 / size, 0.5 + size / 12)
    return value, np.where(t >= 0, positive, 1 - positive)


def _triple_amplitude(head: ObservedHead, chosen: np.ndarray, scales: Array) -> Array:
    """a_r that each triple implies at its root: slope of p against c between its extremes."""
    probabilities = head_probabilities(head, scales)
    p = np.take_along_axis(probabilities, chosen, 2)
    c = np.take_along_axis(np.broadcast_to(head.ratios[:, None, :], probabilities.shape), chosen, 2)
    spread = c.max(2) - c.min(2)
    rise = np.take_along_axis(p, c.argmax(2)[..., None], 2) - np.take_along_axis(p, c.argmin(2)[..., None], 2)
    return rise[..., 0] / np.where(spread == 0, 1.0, spread)


def _with_trace(modes: tuple[Mode, ...], trace: FactorTrace, n: int) -> tuple[Mode, ...]:
    """The modes of head n, the best of them with what a factor on the gradient would have left there."""
    if not modes:
        return modes
    return modes[0]._replace(hidden_factor=float(trace.drift[n, 0]), factor_pull=float(trace.pull[n, 0])), *modes[1:]


def _distinct(
    result: Fit, n: int, scales: Array, half_width: Array, drift: Array, accepted: np.ndarray
) -> tuple[Mode, ...]:
    """Modes of head n, with roots that name the same lambda merged; best first."""
    modes: list[Mode] = []
    for t in sorted(np.flatnonzero(accepted), key=lambda t: result.chi_square[n, t]):
        scale, width = float(scales[t]), float(half_width[t])
        if any(abs(scale - mode.scale) <= 1e-6 * abs(scale) + width + (mode.high - mode.low) for mode in modes):
            continue
        modes.append(
            Mode(
                scale,
                scale - width,
                scale + width,
                float(result.amplitude[n, t]),
                float(result.chi_square[n, t] / max(result.freedom[n, t], 1)),
                int(result.freedom[n, t]),
                float(drift[t] + 2 * result.std[n, t].max()),
            )
        )
    return tuple(modes)
