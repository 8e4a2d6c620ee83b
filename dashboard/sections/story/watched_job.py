"""A job at work while the class watches: begun, shown as far as it is, stopped, begun again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import streamlit as st

from dashboard.background.jobs import Job, JobState
from dashboard.background.tab import session_jobs
from dashboard.cache import PictureTask
from dashboard.layout.story import finding
from dashboard.layout.waiting import in_line, pace

__all__ = ["WatchedJob"]

Report = TypeVar("Report")
Result = TypeVar("Result")


@dataclass(frozen=True)
class WatchedJob(Generic[Report, Result]):
    """What is watched, and how it is told.

    Attributes:
        slot: of the tab's jobs; the buttons' keys begin with it.
        what: is looked for, such as "the picture".
        begin: what begins it again, such as "Rebuild the picture".
        at_work: said while it runs.
        so_far: the share of the work that is done, 0 to 1, and a word on it, from reports and seconds.
        draw: draws what the reports tell.
    """

    slot: str
    what: str
    begin: str
    at_work: str
    so_far: Callable[[Sequence[Report], float], tuple[float, str]]
    draw: Callable[[Sequence[Report]], None]

    def job(
        self, task: PictureTask, work: Callable[[], Callable[[Job[Report, Result]], Any]], patience: float
    ) -> Job[Report, Result]:
        """The job of a scenario, started if need be, and given a moment to finish.

        One that was stopped because its scenario was left begins anew; one that the visitor stopped stays as it is.

        Args:
            task: the scenario.
            work: makes what a job does; asked only if one starts.
            patience: seconds of that moment: what is there by then was never shown at work.
        """
        jobs = session_jobs()
        jobs.turn_to(task.key)
        job = jobs.get(self.slot, task.key)
        if job is not None and job.number == st.session_state.get(self._stopped):
            return job
        if job is None or job.state is JobState.STOPPED:
            job = jobs.start(self.slot, task.key, work())
        if job.state is JobState.RUNNING:
            job.wait(patience)
        return job

    def show_running(self, job: Job[Report, Result]) -> None:
        """The job while it runs. Stop is not part of what is drawn again and again: no click on it gets lost."""
        left, right = st.columns([5, 1], vertical_alignment="bottom")
        with left:
            finding(self.at_work)
        right.button(
            "Stop",
            key=f"{self.slot} stop",
            icon=":material/stop:",
            on_click=self._stop,
            args=(job,),
            width="stretch",
        )
        st.fragment(self._watch, run_every=pace())(job)

    def show_stopped(self, job: Job[Report, Result]) -> None:
        """What was found when the visitor stopped it."""
        finding(f"Stopped on the way to {self.what}")
        st.button(
            self.begin,
            key=f"{self.slot} again",
            icon=":material/play_arrow:",
            on_click=self._forget_the_stop,
        )
        self.draw(job.reports)

    def _watch(self, job: Job[Report, Result]) -> None:
        """What was found so far; draws the whole page again when it is over."""
        if job.state is not JobState.RUNNING:
            st.rerun()
        reports, seconds = job.reports, time.monotonic() - job.began
        if waiting := in_line(job):
            st.progress(0.0, text=f"{waiting}: others' pictures come first")
            return
        share, words = self.so_far(reports, seconds)
        st.progress(share, text=f"{words}, {seconds:.0f} s")
        self.draw(reports)

    @property
    def _stopped(self) -> str:
        """Where the tab remembers which job its visitor stopped."""
        return f"{self.slot} stopped"

    def _stop(self, job: Job[Report, Result]) -> None:
        job.stop()
        st.session_state[self._stopped] = job.number

    def _forget_the_stop(self) -> None:
        st.session_state[self._stopped] = None
