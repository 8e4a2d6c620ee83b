"""Classes that predict together: who chose what, in memory only, so many at most, and forgotten after a school day.

A class has a code, which everybody may know, and a key, which makes a page the teacher's. A student is a number that
the page drew; nothing else is known of anybody, and nothing is written down.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from dashboard.address.classroom_settings import CODE_LENGTH, CODE_LETTERS

__all__ = ["Classes", "Tally", "new_seat", "the_classes"]

_CLASSES, _STUDENTS = 200, 500
_QUESTIONS, _CHOICES = 64, 1000
_FORGOTTEN = 8 * 3600.0  # seconds without a vote, or a look of the teacher's


@dataclass
class _Class:
    key: str
    used: float
    seats: set[str] = field(default_factory=set)
    votes: dict[int, dict[str, int]] = field(default_factory=dict)
    revealed: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Tally:
    """What a class predicted of one question.

    Attributes:
        votes: choice -> how many took it.
        students: how many are in the class.
    """

    votes: Counter[int]
    students: int


class Classes:
    """The classes of one server; every method may be called from any thread, and none waits.

    Args:
        classes: how many at most: the one that rested longest makes room.
        students: how many in each at most.
        now: seconds of a clock.
    """

    def __init__(
        self, classes: int = _CLASSES, students: int = _STUDENTS, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._students, self._now = classes, students, now
        self._classes: OrderedDict[str, _Class] = OrderedDict()  # the one that rested longest first
        self._lock = threading.Lock()

    def open(self) -> tuple[str, str]:
        """A new class: its code and its key."""
        with self._lock:
            self._forget_the_old()
            while len(self._classes) >= self._most:
                self._classes.popitem(last=False)
            code = _new_code()
            while code in self._classes:
                code = _new_code()
            key = secrets.token_hex(8)
            self._classes[code] = _Class(key, self._now())
            return code, key

    def close(self, code: str, key: str) -> None:
        """Forget a class, for whoever has its key."""
        with self._lock:
            if self._led(code, key) is not None:
                del self._classes[code]

    def is_open(self, code: str) -> bool:
        """Whether there is such a class."""
        with self._lock:
            return self._of(code) is not None

    def is_led(self, code: str, key: str) -> bool:
        """Whether the key is that of the class."""
        with self._lock:
            return self._led(code, key) is not None

    def enter(self, code: str, seat: str) -> bool:
        """Take a seat, or keep it; False where there is no such class, or it is full."""
        with self._lock:
            found = self._of(code)
            if found is None or (seat not in found.seats and len(found.seats) >= self._students):
                return False
            found.seats.add(seat)
            return True

    def vote(self, code: str, seat: str, question: int, choice: int) -> None:
        """Count a prediction in place of the student's one before; one from nobody in the class counts nothing.

        Raises:
            ValueError: there can be no such question, or no such choice.
        """
        if not 0 <= question < _QUESTIONS or not 0 <= choice < _CHOICES:
            raise ValueError(
                f"expected a question below {_QUESTIONS} and a choice below {_CHOICES}, got {question} and {choice}"
            )
        with self._lock:
            found = self._of(code)
            if found is not None and seat in found.seats:
                found.votes.setdefault(question, {})[seat] = choice

    def tally(self, code: str, question: int) -> Tally:
        """How a class predicted; nobody did where there is none."""
        with self._lock:
            found = self._of(code)
            if found is None:
                return Tally(Counter(), 0)
            return Tally(Counter(found.votes.get(question, {}).values()), len(found.seats))

    def reveal(self, code: str, key: str, question: int) -> None:
        """Show the answer to everybody, for whoever has the key."""
        with self._lock:
            found = self._led(code, key)
            if found is not None and 0 <= question < _QUESTIONS:
                found.revealed.add(question)

    def is_revealed(self, code: str, question: int) -> bool:
        """Whether the answer is shown; a class that is gone keeps nothing from anybody."""
        with self._lock:
            found = self._of(code)
            return found is None or question in found.revealed

    def _of(self, code: str) -> _Class | None:
        self._forget_the_old()
        found = self._classes.get(code)
        if found is not None:
            found.used = self._now()
            self._classes.move_to_end(code)
        return found

    def _led(self, code: str, key: str) -> _Class | None:
        found = self._of(code)
        return found if found is not None and secrets.compare_digest(found.key, key) else None

    def _forget_the_old(self) -> None:
        while self._classes:
            code, oldest = next(iter(self._classes.items()))
            if self._now() - oldest.used <= _FORGOTTEN:
                return
            del self._classes[code]


def new_seat() -> str:
    """A number for a student that says nothing of the person."""
    return secrets.token_hex(6)


def _new_code() -> str:
    return "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))


@cache
def the_classes() -> Classes:
    """Those of this server."""
    return Classes()
