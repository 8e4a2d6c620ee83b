"""The sweep: one thing varies, many networks and pictures each, and every attack can be opened in the Lab."""

import time
from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial

import streamlit as st

from dashboard import cache
from dashboard.address import SWEEP, republish
from dashboard.address.sweep_settings import SweepSettings
from dashboard.background.jobs import Job, JobState
from dashboard.background.tab import session_jobs
from dashboard.background.work import sweep_work
from dashboard.claims.plain_words import of_error
from dashboard.controls import Choice
from dashboard.layout.waiting import in_line, pace
from dashboard.sections.protection import sweep_result
from dashboard.sections.protection.sweep_controls import choose_metric, choose_sweep
from dashboard.sections.shared.refusal import what_went_wrong
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.sweep.parameters import SweepPosition, sweep_positions
from gradinv_core.experiments.sweep.run import Sweep, SweepPoint

__all__ = ["EXPLANATION", "SENTENCE", "show"]

SENTENCE = "One thing changes, everything else stays. What does the server still recover?"
EXPLANATION = (
    "Each point is one whole attack: a client trains for one step, and the server reads the gradient. Afterwards its "
    "answer is compared with the truth, which the server never sees."
)
_WITH_PHOTO = "The first repeat plays your photo; each one after it takes the next picture of the dataset."
_SLOT = "sweep"
_STOPPED = "sweep was stopped"
_PATIENCE = 0.35  # seconds that a stopped sweep gets to finish the point it is at


@dataclass(frozen=True)
class _About:
    """What a job sweeps.

    Attributes:
        settings: of the sweep.
        positions: the places on its axis.
        total: points when it is complete.
    """

    settings: SweepSettings
    positions: tuple[SweepPosition, ...]
    total: int


SweepJob = Job[SweepPoint, int]


@st.fragment
def show(choice: Choice) -> None:
    """Controls, buttons and what came of them; a click here leaves the rest of the page alone.

    Args:
        choice: the scenario to start from. A photo of the visitor's own is the first repeat's picture; every later one
            takes another of the dataset.
    """
    if st.session_state.pop(_STOPPED, False):
        st.rerun()  # of the whole page: the part that drew itself again and again has to end
    republish()
    settings = SWEEP.current()
    place = st.container()
    try:
        job = _wanted_job(choice, settings)
    except GradientInversionError as error:  # no room for one more defence
        with place:
            choose_sweep(disabled=False)
        st.info(of_error(error), icon=":material/block:")
        return
    running = job is not None and job.state is JobState.RUNNING
    with place:
        choose_sweep(disabled=running)
        _buttons(choice, settings, job)
    if choice.own_photo is not None:
        st.caption(_WITH_PHOTO)
    if job is None:
        return
    if running:
        st.fragment(_watch, run_every=pace())(job)
        return
    if job.state is JobState.STOPPED:
        job.wait(_PATIENCE)
    if job.error:
        st.warning(what_went_wrong(job), icon=":material/block:")
    _show_points(job, job.reports, over=True)


def _watch(job: SweepJob) -> None:
    """The points so far, twice a second; draws the whole panel again when the sweep is over."""
    if job.state is not JobState.RUNNING:
        st.rerun()
    done, seconds = len(job.reports), time.monotonic() - job.began
    text = in_line(job) or f"{done:,} of {job.about.total:,} attacks, {seconds:.0f} s"
    st.progress(done / max(job.about.total, 1), text=text)
    _show_points(job, _calm(job.reports, len(job.about.positions)), over=False)


def _calm(points: tuple[SweepPoint, ...], places: int) -> tuple[SweepPoint, ...]:
    """The first repeat point by point, then whole repeats: a figure that changed is made anew, and it blinks."""
    return points if len(points) < places else points[: len(points) // places * places]


def _show_points(job: SweepJob, points: tuple[SweepPoint, ...], *, over: bool) -> None:
    if not points:
        return
    settings, positions = job.about.settings, job.about.positions
    metric = choose_metric(picture=settings.picture)
    sweep_result.show(points, positions, settings, metric, clickable=over)
    if over and job.state is JobState.STOPPED:
        st.caption(f"Stopped after {len(points):,} of {job.about.total:,} attacks.")


def _wanted_job(choice: Choice, settings: SweepSettings) -> SweepJob | None:
    """The sweep of this scenario; the address may ask for one that has not begun.

    Raises:
        OptionError: the scenario has no room for the defence that is to vary.
    """
    scenario, jobs, key = choice.scenario, session_jobs(), _key(choice, settings)
    job = jobs.get(_SLOT, key)
    if job is not None or settings.run == "no":
        return job
    positions = sweep_positions(settings.parameter, scenario, cache.dataset)
    sweep = Sweep(
        scenarios=tuple(position.scenario for position in positions),
        repeats=settings.repeats,
        picture=settings.picture,
        photo=choice.own_photo,
    )
    return jobs.start(_SLOT, key, sweep_work(sweep), _About(settings.resting, positions, sweep.total))


def _key(choice: Choice, settings: SweepSettings) -> Hashable:
    """What a sweep is about, a photo of the visitor's own included."""
    return choice.scenario, settings.resting, choice.own_photo


def _buttons(choice: Choice, settings: SweepSettings, job: SweepJob | None) -> None:
    if job is not None and job.state is JobState.RUNNING:
        st.button("Stop", key="sweep stop", type="primary", icon=":material/stop:", on_click=_stop, args=(job,))
        return
    begin = partial(_begin, choice, settings)
    title = "Start" if job is None else "Start again"
    st.button(title, key="sweep start", type="primary", icon=":material/play_arrow:", on_click=begin)


def _stop(job: SweepJob) -> None:
    job.stop()
    st.session_state[_STOPPED] = True


def _begin(choice: Choice, settings: SweepSettings) -> None:
    """Ask for a run; the address asks for it, too."""
    session_jobs().forget(_SLOT, _key(choice, settings))
    SWEEP.set("run", "yes")
