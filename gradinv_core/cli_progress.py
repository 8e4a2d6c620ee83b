"""How far a long command is: one line, overwritten on a terminal, now and then in a log."""

from __future__ import annotations

import sys
import time

__all__ = ["STOPPED", "ProgressLine", "duration", "say"]

STOPPED = 130
"""What a shell expects of a command that was interrupted."""

_EVERY_SECONDS = 10.0  # between lines where no terminal overwrites them
_TERMINAL_SECONDS = 0.2


class ProgressLine:
    """The line; it is written no more often than somebody can read it."""

    def __init__(self) -> None:
        self._said = time.monotonic()
        self._terminal = sys.stdout.isatty()

    @property
    def is_due(self) -> bool:
        """Whether it is time for another."""
        return time.monotonic() - self._said >= (_TERMINAL_SECONDS if self._terminal else _EVERY_SECONDS)

    def show(self, line: str) -> None:
        """Write it."""
        self._said = time.monotonic()
        sys.stdout.write(f"\r\x1b[K{line}" if self._terminal else f"{line}\n")
        sys.stdout.flush()

    def end(self) -> None:
        """Make room for whatever is said next."""
        if self._terminal:
            sys.stdout.write("\r\x1b[K")


def duration(seconds: float) -> str:
    """A time in one unit."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def say(sentence: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()
