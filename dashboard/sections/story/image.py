"""The theatre: the picture is rebuilt in the background while the class watches, layer by layer."""

from collections.abc import Sequence
from typing import TypeAlias

import streamlit as st

from dashboard.background.jobs import Job, JobState
from dashboard.background.work import exact_work, patience
from dashboard.cache import PictureTask
from dashboard.claims.picture import barred
from dashboard.components import frame_player
from dashboard.drawing.number_text import plain
from dashboard.sections.story import exact
from dashboard.sections.story.film import layer_frames
from dashboard.sections.story.layers import show_budget
from dashboard.sections.story.plan import film_plan, on_plan, title_in_words
from dashboard.sections.story.progress import progress
from dashboard.sections.story.view import LabView
from dashboard.sections.story.watched_job import WatchedJob
from gradinv_core.errors import GradientInversionError
from gradinv_core.image_recovery import ImageRecovery, Step

__all__ = ["body"]

_Job: TypeAlias = Job[Step, ImageRecovery]


def body(view: LabView, task: PictureTask) -> _Job:
    """Draw the exact route, as far as its job is; the job itself is returned."""
    watched = WatchedJob[Step, ImageRecovery](
        slot="exact",
        what="the picture",
        begin="Rebuild the picture",
        at_work="The server is at work",
        so_far=lambda reports, seconds: (progress(reports, task.network, seconds), _so_far(reports, task)),
        draw=lambda reports: _draw_newest(reports, task, view.dark),
    )
    job = watched.job(task, lambda: exact_work(task, view.attack), patience(task.network))
    if job.state is JobState.RUNNING:
        watched.show_running(job)
    elif job.state is JobState.STOPPED:
        watched.show_stopped(job)
    elif job.state is JobState.FAILED:
        failure = job.failure
        why = barred(failure).text if isinstance(failure, GradientInversionError) else job.error
        st.info(why, icon=":material/block:")
        show_budget(task, view.dark)
    elif job.result is not None:
        exact.show(view, task, job.result)
    return job


def _draw_newest(reports: Sequence[Step], task: PictureTask, dark: bool) -> None:
    """The last layer that was found, without the truth: this is what the server itself gets to see."""
    if reports:
        parts = task.parts()
        frames = on_plan(layer_frames(reports[-1:], [None], dark=dark), reports[-1:], parts)
        frame_player(frames, key="exact live", plan=film_plan(parts), live=True)


def _so_far(reports: Sequence[Step], task: PictureTask) -> str:
    if not reports:
        return "Solving for the first layer"
    newest = reports[-1]
    title = title_in_words(newest.title, [newest.layer] if newest.layer else [], task.parts())
    found = f"{title[:1].lower()}{title[1:]}"
    if newest.iteration is None or newest.loss is None:
        return f"Found: {found}"
    return f"Searching: {found} (picture {newest.iteration}; what is known fits to {plain(newest.loss, 2)})"
