"""Tasks for the crew's tests: they travel to another process, so they have a file of their own."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradinv_core.errors import OptionError


@dataclass(frozen=True)
class Count:
    """Reports 0, 1, ... and returns how far it came."""

    last: int
    pause: float = 0.0

    def __call__(self, report: Any, stopping: Any) -> int:
        for number in range(self.last):
            if stopping():
                return number
            report(number)
            time.sleep(self.pause)
        return self.last


@dataclass(frozen=True)
class Die:
    """Kills its own process, so often; afterwards counts to three. The file remembers how often it was tried."""

    times: int
    file: str

    def __call__(self, report: Any, stopping: Any) -> int:
        report(0)
        tried = Path(self.file)
        tried.write_text(tried.read_text() + "x" if tried.exists() else "x")
        if len(tried.read_text()) <= self.times:
            os.kill(os.getpid(), signal.SIGKILL)
        return Count(3)(report, stopping)


def nothing() -> None:
    """What a process has to load for these tasks."""


def refuse(_report: Any, _stopping: Any) -> None:
    """Raise what the core raises."""
    raise OptionError("there is no such thing; try another.")


def own_pid(_report: Any, _stopping: Any) -> int:
    """Which process this is."""
    return os.getpid()


def hoard(_report: Any, _stopping: Any) -> int:
    """More memory than anybody may have."""
    return len(bytearray(2**36))
