"""Work in the background: a thread, what it has reported so far, and a way to stop it. Nothing here knows the page.

A `Job` belongs to whoever started it; `Jobs` keeps those of one visitor, one running job in each slot at most.
"""

import atexit
import itertools
import logging
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from enum import StrEnum
from typing import Any, Generic, TypeVar

from gradinv_core.errors import GradientInversionError

__all__ = ["Job", "JobState", "JobStoppedError", "Jobs"]

Report = TypeVar("Report")
Result = TypeVar("Result")

_KEPT = 4  # finished jobs per slot: going back in the browser finds them again
_LAST_WORDS = 5.0  # seconds that running jobs get when the server ends
_numbers = itertools.count()
_running: "weakref.WeakSet[Job[Any, Any]]" = weakref.WeakSet()
_log = logging.getLogger(__name__)


class JobState(StrEnum):
    """What a job is up to."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


class JobStoppedError(Exception):
    """Raised inside work that has nothing to hand back when it is stopped."""


class Job(Generic[Report, Result]):
    """One piece of work in a thread of its own.

    Args:
        work: does it. It gets the job itself: it calls `report` as it goes and asks `stopping` whether to end; what it
            returns is the result, even after a stop ("the best so far").
        about: what the job is about, for whoever finds it later.

    Attributes:
        number: no two jobs share one.
        about: as above.
        began: when it started, by `time.monotonic`.
        place: tells where it stands in a line, if its work has to wait in one; None otherwise.
    """

    def __init__(self, work: Callable[["Job[Report, Result]"], Result], about: Any = None) -> None:
        self.number, self.about = next(_numbers), about
        self.began = time.monotonic()
        self.place: Callable[[], Any] = lambda: None
        self._reports: list[Report] = []
        self._result: Result | None = None
        self._error: Exception | None = None
        _running.add(self)
        self._lock, self._stop, self._ended = threading.Lock(), threading.Event(), threading.Event()
        threading.Thread(target=self._run, args=(work,), name="gradinv job", daemon=True).start()

    def _run(self, work: Callable[["Job[Report, Result]"], Result]) -> None:
        try:
            result = work(self)
        except JobStoppedError:
            pass
        except Exception as error:
            if not isinstance(error, GradientInversionError):
                _log.warning("a background job failed: %r", error)
            with self._lock:
                self._error = error
        else:
            with self._lock:
                self._result = result
        finally:
            self._ended.set()
            _running.discard(self)

    def report(self, news: Report) -> None:
        """Add a report; called by the work. After a stop nothing is added: what is on the page stays as it is."""
        with self._lock:
            if not self._stop.is_set():
                self._reports.append(news)

    def stopping(self) -> bool:
        """Whether the work should end now; asked by the work."""
        return self._stop.is_set()

    def check(self) -> None:
        """Leave the work if it should end, for work that has no half-way result.

        Raises:
            JobStoppedError: it was stopped.
        """
        if self._stop.is_set():
            raise JobStoppedError

    def stop(self) -> None:
        """Ask the work to end. The state says "stopped" at once, however long its last iteration takes."""
        if not self._ended.is_set():
            self._stop.set()

    def wait(self, seconds: float) -> bool:
        """Wait for the thread to end, at most so long; True once it has."""
        return self._ended.wait(seconds)

    @property
    def state(self) -> JobState:
        """What it is up to, seen from outside."""
        if self._stop.is_set():
            return JobState.STOPPED
        if not self._ended.is_set():
            return JobState.RUNNING
        return JobState.DONE if self._error is None else JobState.FAILED

    @property
    def reports(self) -> tuple[Report, ...]:
        """Everything reported so far, in order."""
        with self._lock:
            return tuple(self._reports)

    @property
    def result(self) -> Result | None:
        """What the work returned; None before its end, and where it failed."""
        with self._lock:
            return self._result

    @property
    def failure(self) -> Exception | None:
        """What went wrong."""
        with self._lock:
            return self._error

    @property
    def error(self) -> str:
        """What went wrong, as a sentence; empty when nothing did."""
        failure = self.failure
        if failure is None:
            return ""
        if isinstance(failure, GradientInversionError):
            return failure.sentence
        reason = " ".join(str(failure).split())[:200] or "no reason given"
        return f"The run ended with an unexpected {type(failure).__name__} ({reason}); try other settings."


@atexit.register
def _stop_everything() -> None:
    """A thread that computes while the interpreter is taken apart would crash it."""
    jobs = list(_running)
    for job in jobs:
        job.stop()
    deadline = time.monotonic() + _LAST_WORDS
    for job in jobs:
        job.wait(max(deadline - time.monotonic(), 0.0))


class Jobs:
    """The jobs of one visitor, who looks at one thing at a time: in every slot the last few are kept."""

    def __init__(self) -> None:
        self._slots: dict[str, OrderedDict[Hashable, Job[Any, Any]]] = {}
        self._lock = threading.Lock()
        self._leaving: threading.Timer | None = None

    def start(self, slot: str, key: Hashable, work: Callable[[Job[Any, Any]], Any], about: Any = None) -> Job[Any, Any]:
        """Start a job; whatever runs in this slot, or is about something else, is stopped first.

        Args:
            slot: jobs of the same slot take each other's place.
            key: what the job is about; an earlier one about the same is forgotten.
            work: as for `Job`.
            about: as for `Job`.
        """
        self.turn_to(key)
        with self._lock:
            jobs = self._slots.setdefault(slot, OrderedDict())
            for running in jobs.values():
                running.stop()
            jobs.pop(key, None)
            job: Job[Any, Any] = Job(work, about)
            jobs[key] = job
            while len(jobs) > _KEPT:
                jobs.popitem(last=False)
            return job

    def turn_to(self, key: Hashable) -> None:
        """The visitor looks at this now: work about anything else ends, and leaves the line to others."""
        with self._lock:
            for jobs in self._slots.values():
                for about, job in jobs.items():
                    if about != key:
                        job.stop()

    def get(self, slot: str, key: Hashable) -> Job[Any, Any] | None:
        """The job about this, if it is still known."""
        with self._lock:
            return self._slots.get(slot, OrderedDict()).get(key)

    def forget(self, slot: str, key: Hashable) -> None:
        """Stop the job about this, and lose it."""
        with self._lock:
            job = self._slots.get(slot, OrderedDict()).pop(key, None)
        if job is not None:
            job.stop()

    def stop_all(self) -> None:
        """Ask everything to end."""
        with self._lock:
            for jobs in self._slots.values():
                for job in jobs.values():
                    job.stop()

    def leave(self, grace: float) -> None:
        """The visitor is gone: everything ends after so many seconds, unless `stay` is called before."""
        self.stay()
        with self._lock:
            self._leaving = threading.Timer(grace, self.stop_all)
            self._leaving.daemon = True
            self._leaving.start()

    def stay(self) -> None:
        """The visitor is back, or never left."""
        with self._lock:
            if self._leaving is not None:
                self._leaving.cancel()
                self._leaving = None
