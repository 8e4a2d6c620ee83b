"""A process that computes for the page, one task at a time: started once, watched, and replaced if it dies.

The page is one process with one lock; whatever takes longer than a moment is computed outside of it. loky (as joblib
carries it) starts the processes, because they must not begin by running the page's script, as Python's own would.
"""

from __future__ import annotations

import gc
import logging
import os
import pickle
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

from joblib.externals.loky.backend.context import get_context

from dashboard.background.crew.machine import give_memory_back

__all__ = ["Here", "Process", "Report", "Stopping", "Task", "Worker", "WorkerLostError"]

Report: TypeAlias = Callable[[Any], None]
Stopping: TypeAlias = Callable[[], bool]
Task: TypeAlias = Callable[[Report, Stopping], Any]
"""What a worker does: it reports as it goes, asks now and then whether to stop, and returns a result.

A worker in a process of its own gets it, and hands everything back, as a pickle.
"""

_NICENESS = 10  # the page itself goes first
_LAST_SECONDS = 2.0  # that a process gets to be gone
_LISTEN = 0.05  # seconds between two looks at whether anybody still waits
_STOP = b"stop"
_log = logging.getLogger(__name__)


class WorkerLostError(RuntimeError):
    """The process ended in the middle of a task."""


class Worker:
    """Whatever runs tasks, one at a time."""

    def run(self, task: Task, report: Report, stopping: Stopping) -> tuple[Any, int]:
        """Run a task to its end.

        Returns:
            Its result, and how many bytes that and the reports weigh.

        Raises:
            WorkerLostError: the worker is gone; it starts again with the next task.
            Exception: whatever the task raised.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End, whatever it is doing."""


class Here(Worker):
    """The thread that asks, in the page's own process."""

    def run(self, task: Task, report: Report, stopping: Stopping) -> tuple[Any, int]:
        """Run a task in this thread."""
        weight = 0

        def weigh(news: Any) -> None:
            nonlocal weight
            weight += len(pickle.dumps(news))
            report(news)

        result = task(weigh, stopping)
        return result, weight + len(pickle.dumps(result))


def load_attacks() -> None:
    """What every task of the page needs; loading it takes longer than many a task."""
    import torch

    torch.set_num_threads(1)
    import gradinv_core.experiments.scene
    import gradinv_core.experiments.server.attack  # noqa: F401


class Process(Worker):
    """A process of its own, started with the first task.

    Args:
        memory: bytes of data it may hold: a task that wants more fails, and the server lives on.
        load: called in the process before the first task comes.
    """

    def __init__(self, memory: int = 2 * 2**30, load: Callable[[], None] = load_attacks) -> None:
        self._memory, self._load = memory, load
        self._process: Any = None
        self._line: Connection | None = None
        self._starting = threading.Lock()

    @property
    def pid(self) -> int | None:
        """Number of the process, None while there is none."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process, unless it runs already; it gets ready by itself."""
        with self._starting:
            if self._process is not None:
                return
            context = get_context("loky")
            self._line, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs, self._memory, self._load), daemon=True)
            self._process.start()
            theirs.close()

    def run(self, task: Task, report: Report, stopping: Stopping) -> tuple[Any, int]:
        """Run a task in the process, and listen until it has ended."""
        self.start()
        line = self._line
        if line is None:
            raise WorkerLostError
        told, weight = False, 0
        try:
            line.send_bytes(pickle.dumps(task))
            while True:
                if not told and stopping():
                    line.send_bytes(_STOP)
                    told = True
                if not line.poll(_LISTEN):
                    continue
                parcel = line.recv_bytes()
                weight += len(parcel)
                kind, value = pickle.loads(parcel)  # noqa: S301 - from our own process
                if kind == "report":
                    report(value)
                elif kind == "result":
                    return value, weight
                else:
                    raise value
        except (EOFError, OSError) as error:
            self.close()
            raise WorkerLostError from error

    def close(self) -> None:
        """End the process at once."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.join(_LAST_SECONDS)
        if self._line is not None:
            self._line.close()
            self._line = None


def _serve(line: Connection, memory: int, load: Callable[[], None]) -> None:
    """The process: one task after the other, until the page hangs up."""
    _settle_in()
    gc.disable()  # what is loaded stays, and need not be looked through for garbage
    load()
    gc.freeze()
    gc.enable()
    _bound(memory)
    while True:
        try:
            parcel = line.recv_bytes()
            if parcel != _STOP:  # else it was meant for a task that had ended already
                line.send_bytes(_perform(pickle.loads(parcel), line))  # noqa: S301 - from our own page
                give_memory_back()
        except (EOFError, OSError):
            return


def _perform(task: Task, line: Connection) -> bytes:
    stopped = False

    def report(news: Any) -> None:
        line.send_bytes(pickle.dumps(("report", news)))

    def stopping() -> bool:
        nonlocal stopped
        if not stopped and line.poll():
            stopped = True  # nothing else is said in the middle of a task, and a page that is gone hangs up
            line.recv_bytes()
        return stopped

    try:
        return pickle.dumps(("result", task(report, stopping)))
    except (EOFError, OSError):
        raise
    except Exception as error:
        try:
            return pickle.dumps(("error", error))
        except Exception:
            return pickle.dumps(("error", RuntimeError(f"{type(error).__name__}: {error}")))


def _settle_in() -> None:
    """Second in line for the processor, and deaf to Ctrl-C: the page says when to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(_NICENESS)


def _bound(memory: int) -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    except (ImportError, ValueError, OSError) as error:
        _log.info("memory of the process has no bound: %s", error)
