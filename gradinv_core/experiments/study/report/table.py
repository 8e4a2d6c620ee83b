"""A report is facts and tables; how they look is the business of whoever writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median

__all__ = ["Report", "Table", "middle", "share", "wilson"]

_CONFIDENCE = 0.95
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


@lru_cache(maxsize=2**12)  # a page asks again with every click, and each takes a millisecond
def wilson(count: int, tried: int) -> tuple[float, float]:
    """The 95 % interval of a share by Wilson's score, which holds for shares of 0 and 1, too.

    Args:
        count: successes.
        tried: at least 1.
    """
    from scipy.stats import binomtest  # half a second that only a report spends

    interval = binomtest(count, tried).proportion_ci(_CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def share(count: int, tried: int) -> str:
    """A count with its share's interval: "24 of 25 (80–99 %)"."""
    if not tried:
        return "-"
    low, high = (100 * end for end in wilson(count, tried))
    return f"{count:,} of {tried:,} ({low:.3g}–{high:.3g} %)"


def middle(values: Sequence[float], digits: int = 2) -> str:
    """The median, to so many digits: "2,100"; a dash without any value."""
    return f"{float(f'{median(values):.{digits}g}'):,.{_MOST_DIGITS}g}" if values else "-"
