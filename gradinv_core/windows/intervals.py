"""Sets of lambda as closed intervals on the real line: made tidy and cut with each other.

A set is a list of ``(low, high)`` in ascending order that do not touch; ends may be infinite. The empty list is the
empty set.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf, isnan

from gradinv_core.errors import OptionError

__all__ = ["Interval", "intersect", "intersect_all", "tidy"]

Interval = tuple[float, float]


def tidy(intervals: Iterable[Interval]) -> list[Interval]:
    """The same set in ascending order, with whatever overlaps or touches joined.

    Args:
        intervals: closed intervals ``(low, high)`` in any order, ends in [-inf, inf].

    Returns:
        The fewest intervals that cover the same numbers.

    Raises:
        OptionError: an interval is upside down, or an end is NaN.
    """
    joined: list[Interval] = []
    for low, high in sorted(_checked(intervals)):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], high))
        else:
            joined.append((low, high))
    return joined


def intersect(first: Iterable[Interval], second: Iterable[Interval]) -> list[Interval]:
    """Every number that lies in both sets.

    Args:
        first: closed intervals in any order.
        second: closed intervals in any order.

    Returns:
        A tidy set; a single shared point is an interval of width 0.

    Raises:
        OptionError: as `tidy`.
    """
    return tidy(
        (max(low, other_low), min(high, other_high))
        for low, high in tidy(first)
        for other_low, other_high in tidy(second)
        if max(low, other_low) <= min(high, other_high)
    )


def intersect_all(sets: Iterable[Sequence[Interval]]) -> list[Interval]:
    """Every number that lies in all sets; the whole line for none."""
    common: list[Interval] = [(-inf, inf)]
    for intervals in sets:
        common = intersect(common, intervals)
    return common


def _checked(intervals: Iterable[Interval]) -> list[Interval]:
    checked = [(float(low), float(high)) for low, high in intervals]
    for low, high in checked:
        if isnan(low) or isnan(high) or low > high:
            raise OptionError(
                f"intervals: expected (low, high) with low <= high, got ({low}, {high}); swap the ends or leave it out."
            )
    return checked
