"""The workers, the line in front of them, and the answers that are kept."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from functools import cache
from typing import Any

from dashboard.background.crew.flight import Flight, Lane, Order, Place
from dashboard.background.crew.machine import machine_cores, machine_memory
from dashboard.background.crew.worker import Here, Process, Report, Worker, WorkerLostError
from dashboard.background.jobs import Job, JobStoppedError

__all__ = ["MEMORY", "Crew", "the_crew"]

MEMORY = 256 * 2**20
"""Bytes of answers that all visitors together may find again."""

_ATTEMPTS = 2
_PATIENCE = 0.25  # seconds between two looks at whether the visitor still waits
_THREADS = 8  # where no process of their own works for the page
_LEAST_MEMORY = 2**30  # bytes
_LAST_WORDS = 3.0  # seconds that a stopped computation gets to hand over the best it has
_MEMORY_OF_TIMES = 0.3  # weight of the newest duration
_LOST = (
    "The process that worked on this was ended from outside, twice: the server may be short of memory. "
    "Try it again, or with a smaller network."
)


class Crew:
    """Workers and the flights they have yet to do; of equal questions it answers one.

    Args:
        workers: each with the lanes it serves, the one it prefers first.
        memory: bytes of answers to keep, the least recently asked for go first.
    """

    def __init__(self, workers: Sequence[tuple[Worker, tuple[Lane, ...]]], memory: int = MEMORY) -> None:
        self._workers, self._memory = workers, memory
        self._waiting: list[Flight] = []
        self._flying: dict[Hashable, Flight] = {}
        self._running: list[Flight] = []
        self._kept: OrderedDict[Hashable, Flight] = OrderedDict()
        self._seconds: dict[str, float] = {}
        self._change = threading.Condition()
        self._closed = False
        self._threads: list[threading.Thread] = []

    def carry(self, job: Job[Any, Any], order: Order, relay: Report | None = None) -> Any:
        """Do a job's work: join the computation of this question, relay its reports, return its result.

        Args:
            job: on whose behalf; it is told its place in the line, and may stop waiting.
            order: what it takes.
            relay: gets the reports; the job itself if None.

        Raises:
            JobStoppedError: the job was stopped before there was anything to return.
        """
        flight = self._join(order)
        job.place = lambda: self.place(flight)
        seen, ended, tell = 0, False, job.report if relay is None else relay
        try:
            while not ended and not job.stopping():
                news, ended = flight.next_reports(seen, _PATIENCE)
                seen += len(news)
                for report in news:
                    tell(report)
        finally:
            self._leave(flight)
        if not ended:  # stopped: the best so far, if nobody else goes on with it
            deadline = time.monotonic() + _LAST_WORDS
            while flight.abandoned() and flight.began is not None and not ended and time.monotonic() < deadline:
                _, ended = flight.next_reports(seen, _PATIENCE)
        if not ended:
            raise JobStoppedError
        return flight.result()

    def place(self, flight: Flight) -> Place | None:
        """Where a flight stands in the line; None once it has begun."""
        with self._change:
            if flight.began is not None or flight not in self._waiting:
                return None
            serving = sum(flight.order.lane in lanes for _, lanes in self._workers)
            before = [other for other in self._waiting if other.order.lane is flight.order.lane]
            before = before[: before.index(flight)]
            running = [other for other in self._running if other.order.lane is flight.order.lane]
            now, total = time.monotonic(), 0.0
            for other in (*running, *before):
                expected = self._seconds.get(other.order.kind)
                if expected is None:
                    return Place(len(before) + len(running), None)
                total += max(expected - (0.0 if other.began is None else now - other.began), 0.2)
            return Place(len(before) + len(running), total / max(serving, 1))

    def ask(self, order: Order) -> Any:
        """Wait for an answer, for whoever has nothing to show before.

        Raises:
            Exception: whatever the task raised.
        """
        flight, seen, ended = self._join(order), 0, False
        try:
            while not ended:
                news, ended = flight.next_reports(seen, _PATIENCE)
                seen += len(news)
        finally:
            self._leave(flight)
        return flight.result()

    def forget(self) -> None:
        """Lose the answers that were kept."""
        with self._change:
            self._kept.clear()

    def prepare(self) -> None:
        """Start the processes, so that the first question need not wait for them."""
        for worker, _ in self._workers:
            if isinstance(worker, Process):
                worker.start()

    def close(self) -> None:
        """Stop everything, and end the processes."""
        with self._change:
            self._closed = True
            for flight in (*self._waiting, *self._running):
                flight.waiting = 0
            self._change.notify_all()
        for worker, _ in self._workers:
            worker.close()

    def _join(self, order: Order) -> Flight:
        key = order.key
        with self._change:
            flight = self._kept.get(key) or self._flying.get(key)
            if flight is None or (flight.abandoned() and not flight.ended):  # that one is about to be given up
                flight = Flight(order)
                self._waiting.append(flight)
                if key is not None:
                    self._flying[key] = flight
                self._hire()
                self._change.notify_all()
            elif key in self._kept:
                self._kept.move_to_end(key)
            flight.waiting += 1
            return flight

    def _leave(self, flight: Flight) -> None:
        order = flight.order
        with self._change:
            flight.waiting = max(flight.waiting - 1, 0)
            if flight.abandoned() and flight in self._waiting:
                self._waiting.remove(flight)
                self._forget(flight)
            if order.keep and order.key is not None and flight.ended and not flight.failed:
                self._keep(flight)

    def _keep(self, flight: Flight) -> None:
        self._kept[flight.order.key] = flight
        while sum(kept.weight for kept in self._kept.values()) > self._memory:
            self._kept.popitem(last=False)

    def _forget(self, flight: Flight) -> None:
        if self._flying.get(flight.order.key) is flight:
            del self._flying[flight.order.key]

    def _hire(self) -> None:
        """A thread for every worker, once."""
        if not self._threads:
            self._threads = [
                threading.Thread(target=self._serve, args=(worker, lanes), daemon=True)
                for worker, lanes in self._workers
            ]
            for thread in self._threads:
                thread.start()

    def _serve(self, worker: Worker, lanes: tuple[Lane, ...]) -> None:
        while (flight := self._next(lanes)) is not None:
            began = time.monotonic()
            flight.begin(began)
            try:
                result, weight = worker.run(flight.order.task, flight.report, flight.abandoned)
            except WorkerLostError:
                if flight.attempts < _ATTEMPTS and not flight.abandoned() and not self._closed:
                    with self._change:
                        flight.began = None
                        self._running.remove(flight)
                        self._waiting.insert(0, flight)
                    continue
                flight.end(error=JobStoppedError() if self._closed else RuntimeError(_LOST))
            except BaseException as error:
                flight.end(error=error)
            else:
                known, seconds = self._seconds.get(flight.order.kind), time.monotonic() - began
                share = 1.0 if known is None else _MEMORY_OF_TIMES
                self._seconds[flight.order.kind] = share * seconds + (1 - share) * (known or 0.0)
                flight.end(result, weight=weight)
            with self._change:
                self._running.remove(flight)
                self._forget(flight)

    def _next(self, lanes: tuple[Lane, ...]) -> Flight | None:
        """The next flight for a worker that serves these lanes; None when all is over."""
        with self._change:
            while not self._closed:
                for lane in lanes:
                    for flight in self._waiting:
                        if flight.order.lane is lane:
                            self._waiting.remove(flight)
                            self._running.append(flight)
                            return flight
                self._change.wait()
        return None


@cache
def the_crew() -> Crew:
    """The crew of this server.

    One worker keeps to short tasks; the others do whatever waits, long ones first, so that neither kind ever waits
    behind the other alone. The page has a core of its own where there are more than three. ``GRADINV_WORKERS`` says
    another number of workers; with 0 threads of the page's own process do the work.
    """
    number = int(os.environ.get("GRADINV_WORKERS") or -1)
    number = max(2, machine_cores() - 1) if number < 0 else number
    both = (Lane.LONG, Lane.SHORT)
    if number == 0:
        crew = Crew([(Here(), both) for _ in range(_THREADS)])
    else:
        lanes = [both] if number == 1 else [(Lane.SHORT,), *[both] * (number - 1)]
        memory = _share_of_memory(number)
        crew = Crew([(Process(memory), each) for each in lanes])
    atexit.register(crew.close)
    return crew


def _share_of_memory(workers: int) -> int:
    """Bytes of data that each worker may hold: together half of the machine's memory."""
    whole = machine_memory()
    return 2 * _LEAST_MEMORY if whole is None else max(_LEAST_MEMORY, whole // (2 * workers))
