"""A report is facts and tables; how they look is the business of whoever writes them."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

__all__ = ["Report", "Table", "middle", "share", "wilson"]

_STEPS = NormalDist().inv_cdf(1 - 0.05 / 2)
"""Standard deviations to each side that hold 95 % of a normal distribution."""
_MOST_DIGITS = 10


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        title: what it counts.
        note: how to read it.
        columns: their headings.
        rows: texts, as many in each as there are columns; the last row may be the sum of all.
        words: how many columns, from the left, hold words rather than numbers.
    """

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


@dataclass(frozen=True)
class Report:
    """A study in words and tables.

    Attributes:
        title: of the study.
        about: one or two sentences.
        facts: what was played, by which code, where, and how to play it again.
        tables: in reading order.
    """

    title: str
    about: str
    facts: tuple[str, ...]
    tables: tuple[Table, ...]


def wilson(count: int, tried: int) -> tuple[float, float]:
    """The 95 % interval of a share by Wilson's score, which holds for shares of 0 and 1, too.

    Args:
        count: successes.
        tried: at least 1.

    Returns:
        Both ends, in [0, 1].

    Wilson 1927; SciPy has the same, at a millisecond each and half a second for its import.
    """
    share, loose = count / tried, _STEPS**2 / tried
    middle = share + loose / 2
    half = _STEPS * sqrt(share * (1 - share) / tried + loose / (4 * tried))
    low, high = ((middle + end) / (1 + loose) for end in (-half, half))
    return (low if count else 0.0), (high if count < tried else 1.0)  # at both ends to the last digit


def share(count: int, tried: int) -> str:
    """A count with its share's interval: "24 of 25 (80–99 %)"."""
    if not tried:
        return "-"
    low, high = (100 * end for end in wilson(count, tried))
    return f"{count:,} of {tried:,} ({low:.3g}–{high:.3g} %)"


def middle(values: npt.ArrayLike, digits: int = 2) -> str:
    """The median, to so many digits: "2,100"; a dash without any value. NaN counts as none."""
    found = np.asarray(values, dtype=np.float64)
    found = found[~np.isnan(found)]
    return f"{float(f'{np.median(found):.{digits}g}'):,.{_MOST_DIGITS}g}" if found.size else "-"
