"""The theatre: the picture is rebuilt in the background while the class watches, layer by layer."""

import time

import streamlit as st
from torch import nn

from dashboard.background.jobs import Job, JobState
from dashboard.background.tab import session_jobs
from dashboard.background.work import exact_work, patience
from dashboard.cache import PictureTask
from dashboard.claims.picture import barred
from dashboard.components import frame_player
from dashboard.layout.story import finding
from dashboard.layout.waiting import in_line, pace
from dashboard.sections.story import exact
from dashboard.sections.story.film import layer_frames
from dashboard.sections.story.layers import show_budget
from dashboard.sections.story.view import LabView
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.public_network import PublicNetwork
from gradinv_core.image_recovery import ImageRecovery, Step

__all__ = ["body"]

_SLOT, _STOPPED = "exact", "exact route stopped"
_NEARLY = 0.95  # of the bar, as long as there is no answer
_TYPICAL = 4.0  # seconds for one layer, by which its part of the bar is half full


def body(view: LabView, task: PictureTask) -> Job[Step, ImageRecovery]:
    """Draw the exact route, as far as its job is; the job itself is returned."""
    job = _exact_job(view, task)
    if job.state is JobState.RUNNING:
        _at_work(job, _weighted_layers(task.network), view.dark)
    elif job.state is JobState.STOPPED:
        _stopped(job, view.dark)
    elif job.state is JobState.FAILED:
        failure = job.failure
        why = barred(failure).text if isinstance(failure, GradientInversionError) else job.error
        st.info(why, icon=":material/block:")
        show_budget(task.budget(), view.dark)
    elif job.result is not None:
        exact.show(view, task, job.result)
    return job


def _exact_job(view: LabView, task: PictureTask) -> Job[Step, ImageRecovery]:
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


def _at_work(job: Job[Step, ImageRecovery], layers: int, dark: bool) -> None:
    """The attack while it runs. Stop is not part of what is drawn again and again: no click on it gets lost."""
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    with left:
        finding("The server is at work")
    right.button("Stop", key="exact stop", icon=":material/stop:", on_click=_stop, args=(job,), width="stretch")
    st.fragment(_watch, run_every=pace())(job, layers, dark)


def _watch(job: Job[Step, ImageRecovery], layers: int, dark: bool) -> None:
    """What the attack has found so far, of so many layers; draws the whole page again when it is over."""
    if job.state is not JobState.RUNNING:
        st.rerun()
    reports, seconds = job.reports, time.monotonic() - job.began
    if waiting := in_line(job):
        st.progress(0.0, text=f"{waiting}: others' pictures come first")
        return
    share = _share(len(reports), layers + 1, seconds)
    st.progress(share, text=f"{_so_far(reports)}, {seconds:.0f} s")
    _draw_newest(reports, dark)


def _stopped(job: Job[Step, ImageRecovery], dark: bool) -> None:
    """What the server had found when the visitor stopped it."""
    finding("Stopped on the way to the picture")
    st.button("Rebuild the picture", key="exact again", icon=":material/play_arrow:", on_click=_forget_the_stop)
    _draw_newest(job.reports, dark)


def _draw_newest(reports: tuple[Step, ...], dark: bool) -> None:
    """The last layer that was found, without the truth: this is what the server itself gets to see."""
    if reports:
        frame_player(layer_frames(reports[-1:], [None], dark=dark), key="exact live", live=True)


def _stop(job: Job[Step, ImageRecovery]) -> None:
    job.stop()
    st.session_state[_STOPPED] = job.number


def _forget_the_stop() -> None:
    st.session_state[_STOPPED] = None


def _share(found: int, steps: int, seconds: float) -> float:
    """How far the bar is: by what was found, and within a step by the time so far.

    Nobody knows how long a layer takes. The bar goes on all the same, ever more slowly and never to the next step, so
    that a class sees that the server is alive.
    """
    pace = seconds / max(found, 1)
    within = pace / (pace + _TYPICAL)
    return min((found + within) / (steps + 1), _NEARLY)  # behind the last layer there may be a search


def _weighted_layers(network: PublicNetwork) -> int:
    """How many layers the way back leads through."""
    return sum(isinstance(layer, nn.Linear | nn.Conv2d) for layer in network.model.modules())


def _so_far(reports: tuple[Step, ...]) -> str:
    if not reports:
        return "Solving for the first layer"
    return f"Found: {reports[-1].title[:1].lower()}{reports[-1].title[1:]}"
