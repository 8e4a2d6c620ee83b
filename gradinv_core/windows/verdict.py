"""What the windows leave together: one lambda, many, any, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf, isfinite

import numpy as np

from gradinv_core.head.consistency import fit
from gradinv_core.head.structures import label_structure
from gradinv_core.label_recovery import Window
from gradinv_core.label_recovery.result import UNIQUE_LABEL, UNIQUE_SCALE
from gradinv_core.windows.intervals import Interval, intersect, intersect_all
from gradinv_core.windows.views import Observation, WindowState, WindowView

__all__ = ["FourWindows", "WindowsStatus", "judge"]

_PROBES = 9  # lambdas in a range at which the label is looked at
_OF_EVERY_LABEL = (Window.SIMPLEX, Window.BIAS, Window.LAYER_BELOW)  # what these assume holds whatever the label is


class WindowsStatus(StrEnum):
    """What all windows together leave."""

    UNIQUE = "unique"
    AMBIGUOUS = "ambiguous"
    NOTHING = "nothing"
    CONTRADICTION = "contradiction"


@dataclass(frozen=True)
class FourWindows:
    """All windows on lambda.

    Attributes:
        windows: label structure, simplex, bias, layer below, in this order.
        intersection: lambdas that every open window admits, (low, high) in ascending order; every possible one where
            none is open; none where they contradict each other, or where a window that holds of every label is refuted.
        status: "unique" (one narrow range, and one label), "ambiguous", "nothing" (no window is open) or
            "contradiction" (no lambda is left).
        sentence: the status in plain words.
        row: r, the gradient row that lambda belongs to: ``x = lambda g_r``, so ``lambda = 1 / (p_r - y_r)`` as rounded
            by the client.
        known_scale: whether the gradient was taken to be as it was computed, so that |lambda| >= 1.
    """

    windows: tuple[WindowView, ...]
    intersection: list[Interval]
    status: WindowsStatus
    sentence: str
    row: int
    known_scale: bool = True


def judge(seen: Observation, windows: Sequence[WindowView]) -> FourWindows:
    """Intersect the open windows, and say what is left.

    Args:
        seen: a head whose gradient has not vanished.
        windows: label structure, simplex, bias, layer below, as `look_through` returns them.
    """
    open_sets = [view.intervals for view in windows if view.state is WindowState.OPEN]
    common = intersect(seen.possible, intersect_all(open_sets))
    impossible = _impossible(windows)
    if impossible is not None:
        common, status, sentence = (
            [],
            WindowsStatus.CONTRADICTION,
            f"the {impossible.window} admits no lambda, whatever the label is, so the gradient was multiplied or "
            "changed.",
        )
    elif not open_sets:
        status, sentence = WindowsStatus.NOTHING, "no window is open, so every lambda is possible."
    elif not common:
        status, sentence = (
            WindowsStatus.CONTRADICTION,
            "no lambda lies in all open windows, so the gradient was changed, or the label has another format.",
        )
    else:
        status, sentence = _size_up(seen, windows, common)
    return FourWindows(
        tuple(windows),
        common,
        status,
        f"{status.value.capitalize()}: {sentence}",
        int(seen.head.row[0]),
        seen.known_scale,
    )


def _impossible(windows: Sequence[WindowView]) -> WindowView | None:
    """The first window that is refuted although what it assumes holds of every label."""
    return next(
        (view for view in windows if view.state is WindowState.REFUTED and view.window in _OF_EVERY_LABEL), None
    )


def _size_up(seen: Observation, windows: Sequence[WindowView], common: Sequence[Interval]) -> tuple[WindowsStatus, str]:
    """The verdict where some lambda is left."""
    low, high = common[0][0], common[-1][1]
    bounded = isfinite(low) and isfinite(high)
    if bounded and low * high > 0 and high - low <= UNIQUE_SCALE * abs(low + high):
        if _label_change(seen, windows, low, high) <= UNIQUE_LABEL:
            if windows[0].state is WindowState.REFUTED:  # k y + (1 - k) p has the gradient of y, times k
                return WindowsStatus.UNIQUE, (
                    "one lambda is left, and with it one feature; its label has another format than assumed, or the "
                    "gradient was scaled down."
                )
            return WindowsStatus.UNIQUE, "one lambda is left, and with it one label and one feature."
        if seen.known_scale:
            reason = "noise leaves the label open, although lambda is nearly settled."
        else:
            reason = "one lambda is left, and with it one feature, but the label needs the gradient's scale as well."
    elif len(common) > 1:
        reason = f"{len(common)} separate ranges of lambda are left, each with labels of its own."
    elif not bounded:
        reason = "no lambda is too large: a prediction that is one-hot explains the gradient with any of them."
    else:
        reason = "a whole range of lambda is left, and every one means another label."
    return WindowsStatus.AMBIGUOUS, reason


def _label_change(seen: Observation, windows: Sequence[WindowView], low: float, high: float) -> float:
    """Largest change of a label entry over a range, plus two standard deviations of noise; infinite if unknown."""
    structure = None
    if not seen.known_scale:  # the size of the residual is then read off the classes that agree
        if windows[0].state is not WindowState.OPEN:
            return inf
        structure = label_structure(seen.label_format, seen.head.classes, known_scale=False)
    found = fit(seen.head, np.linspace(low, high, _PROBES)[None], structure, seen.known_scale)
    middle = found.labels[0, _PROBES // 2]
    return float(np.abs(found.labels[0] - middle).max() + 2 * found.std[0, _PROBES // 2].max())
