"""The theatre: the picture is rebuilt in the background while the class watches, layer by layer."""

import time
from typing import TypeAlias

import streamlit as st

from dashboard.background.jobs import Job, JobState
from dashboard.background.tab import session_jobs
from dashboard.background.work import exact_work, patience
from dashboard.cache import PictureTask
from dashboard.claims.picture import barred
from dashboard.components import frame_player
from dashboard.drawing.number_text import plain
from dashboard.layout.story import finding
from dashboard.layout.waiting import in_line, pace
from dashboard.sections.story import exact
from dashboard.sections.story.film import layer_frames
from dashboard.sections.story.layers import show_budget
from dashboard.sections.story.plan import film_plan, on_plan
from dashboard.sections.story.progress import progress
from dashboard.sections.story.view import LabView
from gradinv_core.errors import GradientInversionError
from gradinv_core.image_recovery import ImageRecovery, Step

__all__ = ["body"]

_SLOT, _STOPPED = "exact", "exact route stopped"
_Job: TypeAlias = Job[Step, ImageRecovery]


def body(view: LabView, task: PictureTask) -> _Job:
    """Draw the exact route, as far as its job is; the job itself is returned."""
    job = _exact_job(view, task)
    if job.state is JobState.RUNNING:
        _at_work(job, task, view.dark)
    elif job.state is JobState.STOPPED:
        _stopped(job, task, view.dark)
    elif job.state is JobState.FAILED:
        failure = job.failure
        why = barred(failure).text if isinstance(failure, GradientInversionError) else job.error
        st.info(why, icon=":material/block:")
        show_budget(task, view.dark)
    elif job.result is not None:
        exact.show(view, task, job.result)
    return job


def _exact_job(view: LabView, task: PictureTask) -> _Job:
    """The job of this scenario, started if need be, and given a moment to finish.

    One that was stopped because its scenario was left begins anew; one that the visitor stopped stays as it is.
    """
    jobs = session_jobs()
    jobs.turn_to(task.key)
    job = jobs.get(_SLOT, task.key)
    if job is not None and job.number == st.session_state.get(_STOPPED):
        return job
    if job is None or job.state is JobState.STOPPED:
        job = jobs.start(
            _SLOT,
            task.key,
            exact_work(task, view.attack),
        )
    if job.state is JobState.RUNNING:
        job.wait(patience(task.network))
    return job


def _at_work(job: _Job, task: PictureTask, dark: bool) -> None:
    """The attack while it runs. Stop is not part of what is drawn again and again: no click on it gets lost."""
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    with left:
        finding("The server is at work")
    right.button("Stop", key="exact stop", icon=":material/stop:", on_click=_stop, args=(job,), width="stretch")
    st.fragment(_watch, run_every=pace())(job, task, dark)


def _watch(job: _Job, task: PictureTask, dark: bool) -> None:
    """What the attack has found so far; draws the whole page again when it is over."""
    if job.state is not JobState.RUNNING:
        st.rerun()
    reports, seconds = job.reports, time.monotonic() - job.began
    if waiting := in_line(job):
        st.progress(0.0, text=f"{waiting}: others' pictures come first")
        return
    st.progress(progress(reports, task.network, seconds), text=f"{_so_far(reports)}, {seconds:.0f} s")
    _draw_newest(reports, task, dark)


def _stopped(job: _Job, task: PictureTask, dark: bool) -> None:
    """What the server had found when the visitor stopped it."""
    finding("Stopped on the way to the picture")
    st.button("Rebuild the picture", key="exact again", icon=":material/play_arrow:", on_click=_forget_the_stop)
    _draw_newest(job.reports, task, dark)


def _draw_newest(reports: tuple[Step, ...], task: PictureTask, dark: bool) -> None:
    """The last layer that was found, without the truth: this is what the server itself gets to see."""
    if reports:
        parts = task.parts()
        frames = on_plan(layer_frames(reports[-1:], [None], dark=dark), reports[-1:], parts)
        frame_player(frames, key="exact live", plan=film_plan(parts), live=True)


def _stop(job: _Job) -> None:
    job.stop()
    st.session_state[_STOPPED] = job.number


def _forget_the_stop() -> None:
    st.session_state[_STOPPED] = None


def _so_far(reports: tuple[Step, ...]) -> str:
    if not reports:
        return "Solving for the first layer"
    newest = reports[-1]
    found = f"{newest.title[:1].lower()}{newest.title[1:]}"
    if newest.iteration is None or newest.loss is None:
        return f"Found: {found}"
    return f"Searching: {found} (picture {newest.iteration}, misfit {plain(newest.loss, 2)})"
