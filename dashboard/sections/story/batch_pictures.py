"""All pictures of a batch, rebuilt in the background while the class watches."""

import time
from collections.abc import Sequence
from typing import TypeAlias

import streamlit as st
from torch import nn

from dashboard.background.jobs import Job, JobState
from dashboard.background.tab import session_jobs
from dashboard.background.work import batch_work, patience
from dashboard.cache import PictureTask
from dashboard.drawing.number_text import plain
from dashboard.drawing.pictures import picture_source
from dashboard.layout.picture_row import Picture, picture_row
from dashboard.layout.story import finding
from dashboard.layout.waiting import in_line, pace
from gradinv_core.batch_recovery.pictures import BatchStep
from gradinv_core.experiments.server.batch import BatchAttack
from gradinv_core.likeness import visible

__all__ = ["rebuild"]

_SLOT, _STOPPED = "batch", "batch pictures stopped"
_NEARLY, _WALKED = 0.95, 0.3  # of the bar, as long as there is no answer; and when all layers are known
_PICTURES = 20  # news of a search for one picture, by which its part of the bar is half full
_Job: TypeAlias = Job[BatchStep, BatchAttack]


def rebuild(task: PictureTask, attack: BatchAttack) -> BatchAttack:
    """Draw the job as far as it is, unless it is done.

    Args:
        task: the scenario.
        attack: with labels and features.

    Returns:
        The attack, with its pictures once the job is done.
    """
    job = _job(task, attack)
    if job.state is JobState.RUNNING:
        _at_work(job, task)
    elif job.state is JobState.STOPPED:
        finding("Stopped on the way to the pictures")
        st.button("Rebuild the pictures", key="batch again", icon=":material/play_arrow:", on_click=_forget_the_stop)
        _draw_newest(job.reports)
    elif job.state is JobState.FAILED:
        st.info(job.error, icon=":material/block:")
    return attack if job.state is not JobState.DONE or job.result is None else job.result


def _job(task: PictureTask, attack: BatchAttack) -> _Job:
    """The job of this scenario, started if need be, and given a moment to finish.

    One that was stopped because its scenario was left begins anew; one that the visitor stopped stays as it is.
    """
    jobs = session_jobs()
    jobs.turn_to(task.key)
    job = jobs.get(_SLOT, task.key)
    if job is not None and job.number == st.session_state.get(_STOPPED):
        return job
    if job is None or job.state is JobState.STOPPED:
        job = jobs.start(_SLOT, task.key, batch_work(task, attack))
    if job.state is JobState.RUNNING:
        job.wait(patience(task.network))
    return job


def _at_work(job: _Job, task: PictureTask) -> None:
    """The attack while it runs. Stop is not part of what is drawn again and again: no click on it gets lost."""
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    with left:
        finding("The server is at work on all pictures at once")
    right.button("Stop", key="batch stop", icon=":material/stop:", on_click=_stop, args=(job,), width="stretch")
    st.fragment(_watch, run_every=pace())(job, task)


def _watch(job: _Job, task: PictureTask) -> None:
    """What the attack has found so far; draws the whole page again when it is over."""
    if job.state is not JobState.RUNNING:
        st.rerun()
    reports, seconds = job.reports, time.monotonic() - job.began
    if waiting := in_line(job):
        st.progress(0.0, text=f"{waiting}: others' pictures come first")
        return
    st.progress(_share(reports, task), text=f"{_so_far(reports)}, {seconds:.0f} s")
    _draw_newest(reports)


def _share(reports: Sequence[BatchStep], task: PictureTask) -> float:
    """Of the work that is done, as far as anybody can tell."""
    layers = sum(isinstance(module, nn.Linear | nn.Conv2d) for module in task.network.model.modules())
    shown = sum(report.images is not None for report in reports)
    if not shown:
        return _WALKED * min(len(reports) / layers, 1.0)
    return _WALKED + (_NEARLY - _WALKED) * shown / (shown + _PICTURES * task.question.scenario.samples)


def _so_far(reports: Sequence[BatchStep]) -> str:
    if not reports:
        return "Solving for the last layer's inputs"
    newest = reports[-1]
    if newest.images is None or newest.misfit is None:
        return f"Found for every picture: {newest.title[:1].lower()}{newest.title[1:]} {newest.layer}"
    return f"Searching: {newest.title[:1].lower()}{newest.title[1:]} (misfit {plain(newest.misfit, 2)})"


def _draw_newest(reports: Sequence[BatchStep]) -> None:
    """The pictures as far as they are, in the server's own order: without the truth, nobody can pair them."""
    images = next((report.images for report in reversed(reports) if report.images is not None), None)
    if images is not None:
        row = [Picture(picture_source(visible(image)), f"answer {number}") for number, image in enumerate(images, 1)]
        st.html(picture_row(row, "the pictures so far", smallest="3.4rem", largest="8rem"))


def _stop(job: _Job) -> None:
    job.stop()
    st.session_state[_STOPPED] = job.number


def _forget_the_stop() -> None:
    st.session_state[_STOPPED] = None
