"""One computation, and everybody who waits for it: thirty people with one question make one computation."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from dashboard.background.crew.worker import Task

__all__ = ["Flight", "Lane", "Order", "Place"]


class Lane(Enum):
    """Who goes first: a short task never waits for a long one to end."""

    SHORT = "short"
    LONG = "long"


@dataclass(frozen=True, eq=False)
class Order:
    """What somebody wants to be computed.

    Attributes:
        key: the question; None for one that nobody else can ask.
        task: answers it.
        kind: tasks of a kind take about as long as each other.
        lane: to stand in.
        keep: whether the answer may be found again by anybody who asks.
    """

    key: Hashable
    task: Task
    kind: str
    lane: Lane = Lane.SHORT
    keep: bool = True


@dataclass(frozen=True)
class Place:
    """Where somebody stands in the line.

    Attributes:
        ahead: computations before this one, those that run included; 0 is next.
        seconds: until it begins, as far as can be told; None where nothing like it has ended yet.
    """

    ahead: int
    seconds: float | None


class Flight:
    """One computation.

    Args:
        order: what is computed.

    Attributes:
        waiting: how many wait for it.
        attempts: how often it was begun.
        began: when, by `time.monotonic`; None before.
        weight: bytes of result and reports.
    """

    def __init__(self, order: Order) -> None:
        self.order = order
        self.waiting = 0
        self.attempts = 0
        self.began: float | None = None
        self.weight = 0
        self._news = threading.Condition()
        self._reports: list[Any] = []
        self._arrived = 0
        self._result: Any = None
        self._error: BaseException | None = None
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether there is a result, or never will be."""
        return self._ended

    @property
    def failed(self) -> bool:
        """Whether it ended without a result."""
        return self._error is not None

    def abandoned(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.waiting == 0

    def begin(self, now: float) -> None:
        """Another attempt: reports that came before are not taken twice."""
        self.began, self._arrived = now, 0
        self.attempts += 1

    def report(self, news: Any) -> None:
        """Tell everybody."""
        with self._news:
            self._arrived += 1
            if self._arrived > len(self._reports):
                self._reports.append(news)
                self._news.notify_all()

    def end(self, result: Any = None, error: BaseException | None = None, weight: int = 0) -> None:
        """Hand out the result, or what went wrong."""
        with self._news:
            self._result, self._error, self.weight, self._ended = result, error, weight, True
            self._news.notify_all()

    def next_reports(self, seen: int, seconds: float) -> tuple[list[Any], bool]:
        """Reports after the first ``seen``, and whether these were the last; waits so long for news."""
        with self._news:
            if len(self._reports) == seen and not self._ended:
                self._news.wait(seconds)
            return self._reports[seen:], self._ended

    def result(self) -> Any:
        """What was found.

        Raises:
            BaseException: what went wrong.
        """
        if self._error is not None:
            raise self._error
        return self._result
