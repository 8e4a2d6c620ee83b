"""One gradient matching: watched while it runs, played back afterwards."""

import math

import streamlit as st

from dashboard import cache
from dashboard.background.jobs import Job, JobState
from dashboard.background.work import Search
from dashboard.claims.picture import words
from dashboard.components import frame_player
from dashboard.drawing.number_text import plain
from dashboard.layout.playback_button import offer_playback
from dashboard.layout.story import number, numbers
from dashboard.layout.waiting import in_line
from dashboard.sections.lab.search_controls import LABEL_TITLES, OPTIMIZER_TITLES
from dashboard.sections.story.film import Film, search_curves, search_frames
from dashboard.sections.story.view import LabView
from gradinv_core.image_recovery import Step
from gradinv_core.metrics import psnr, ssim

__all__ = ["best_of", "show", "steps_of", "watch"]

_FRAMES_PER_SECOND = 8.0
_MOST_FRAMES, _FEW_FRAMES = 80, 24
_LARGE = 3 * 64 * 64  # numbers of a picture from which a film of many takes long to reach the browser


def steps_of(job: Job) -> tuple[Step, ...]:
    """What a search has to show: its result's film, or what it had reported when it was stopped."""
    return job.reports if job.result is None else job.result.steps


def best_of(steps: tuple[Step, ...]) -> Step:
    """The step of lowest loss."""
    return min(steps, key=lambda step: math.inf if step.loss is None else step.loss)


def watch(view: LabView, job: Job, search: Search) -> None:
    """Draw the newest picture, the curves so far and the progress."""
    steps = job.reports
    if not steps:
        st.progress(0.0, text=in_line(job) or "The search begins")
        return
    newest, image = steps[-1], view.client.sample.image
    done = newest.iteration or 0
    loss = "" if newest.loss is None else f", loss {plain(newest.loss, 2)}"
    st.progress(min(done / search.total, 1.0), text=f"Iteration {done:,} of {search.total:,}{loss}")
    frame_player(
        search_frames([newest], image),
        key="search live",
        curves=search_curves(steps, image),
        positions=[step.iteration or 0 for step in steps],
        axis="iteration",
        live=True,
    )


def show(view: LabView, job: Job, search: Search) -> None:
    """Draw the result."""
    steps = steps_of(job)
    if not steps:
        st.caption("Stopped before the first picture.")
        return
    image = view.client.sample.image
    best = best_of(steps)
    decibels = psnr(best.value, image)
    done = max(step.iteration or 0 for step in steps)
    frames, curves = _film(view, job, steps)
    judged = words(best.value.double(), view.truth)
    stopped = job.state is JobState.STOPPED
    frame_player(
        frames,
        key="search film",
        title=f"{'Stopped' if stopped else 'Finished'} after {done:,} iterations: {judged.text}",
        curves=curves,
        axis="iteration",
        frames_per_second=_FRAMES_PER_SECOND,
    )
    offer_playback(frames, "search playback", round(1000 / _FRAMES_PER_SECOND))
    with numbers():
        number(
            "PSNR",
            f"{plain(decibels, 3)} dB",
            "Of the picture with the lowest loss; the server cannot see this number.",
        )
        number("SSIM", f"{ssim(best.value, image):.4f}", "Structural similarity: 1 for identical pictures.")
        if best.loss is not None:
            number(
                "Lowest loss", plain(best.loss, 2), "How badly the picture's own gradient fits the one that was sent."
            )
        if job.result is not None:
            number(
                "Time", f"{job.result.seconds:.1f} s", "From the first iteration to the last, on one processor core."
            )
    st.caption(_settings(search))


def _film(view: LabView, job: Job, steps: tuple[Step, ...]) -> Film:
    """Pictures and curves, drawn once; a thread that is still winding down may yet bring a better one."""
    image = view.client.sample.image
    chosen = _thinned(steps, _MOST_FRAMES if image.numel() <= _LARGE else _FEW_FRAMES)
    if job.result is None:
        return search_frames(chosen, image), search_curves(chosen, image)
    return cache.film(
        job.number,
        view.dark,
        lambda: (search_frames(chosen, image), search_curves(chosen, image)),
        private=view.scenario.own_photo,
    )


def _thinned(steps: tuple[Step, ...], most: int) -> tuple[Step, ...]:
    """At most so many steps at equal distances, the first and the last among them."""
    if len(steps) <= most:
        return steps
    return tuple(steps[round(place * (len(steps) - 1) / (most - 1))] for place in range(most))


def _settings(search: Search) -> str:
    settings = search.settings
    return (
        f"This search: {LABEL_TITLES[settings.label]} label, {OPTIMIZER_TITLES[settings.optimizer]}, "
        f"{settings.distance} distance, smoothness {settings.total_variation:g}."
    )
