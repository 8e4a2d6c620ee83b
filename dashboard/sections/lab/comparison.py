"""Four searches that differ in the label alone, side by side."""

from collections.abc import Mapping

import streamlit as st

from dashboard.address.search_settings import LABEL_CHOICES
from dashboard.background.jobs import Job, JobState
from dashboard.background.work import Search
from dashboard.drawing.number_text import plain
from dashboard.drawing.pictures import picture_source
from dashboard.layout.picture_row import Picture, picture_row
from dashboard.layout.story import finding
from dashboard.layout.waiting import in_line
from dashboard.sections.lab.search_film import best_of
from dashboard.sections.story.view import LabView
from gradinv_core.image_recovery import Step
from gradinv_core.metrics import psnr

__all__ = ["show", "watch"]

_CAPTIONS = {
    "recovered": "label recovered",
    "true": "label known",
    "hard": "one class (iDLG)",
    "learned": "learned (DLG)",
}
_EXPLANATIONS = {
    "recovered": "With the soft label that the server recovered above.",
    "true": "With the client's own label, which no server has: how good it can get.",
    "hard": "iDLG takes for granted that the label is a single class.",
    "learned": "DLG searches for the label along with the picture.",
}
_ALIKE = 0.5  # decibels that nobody sees


def watch(view: LabView, job: Job, search: Search) -> None:
    """Draw the four pictures as far as they are."""
    newest = {report.label: report.step for report in job.reports}
    label = list(newest)[-1] if newest else LABEL_CHOICES[0]
    part = LABEL_CHOICES.index(label)
    done = (newest[label].iteration or 0) if newest else 0
    share = (part + done / search.total) / len(LABEL_CHOICES)
    text = f"Search {part + 1} of {len(LABEL_CHOICES)}, {_CAPTIONS[label]}: iteration {done:,} of {search.total:,}"
    st.progress(min(share, 1.0), text=in_line(job) or text)
    _row(view, newest)


def show(view: LabView, job: Job) -> None:
    """Draw the result, of as many searches as there were."""
    steps: dict[str, tuple[Step, ...]] = {}
    for report in job.reports:
        steps[report.label] = (*steps.get(report.label, ()), report.step)
    if job.result is not None:
        steps |= {label: result.steps for label, result in job.result.items() if result.steps}
    best = {label: best_of(shown) for label, shown in steps.items()}
    finding(_finding({label: psnr(step.value, view.client.sample.image) for label, step in best.items()}))
    _row(view, best)
    if job.state is JobState.STOPPED:
        st.caption("Stopped: what each search had reached by then.")


def _row(view: LabView, steps: Mapping[str, Step]) -> None:
    image = view.client.sample.image
    pictures = [Picture(picture_source(image), "the client's", truth=True)]
    for label in LABEL_CHOICES:
        step = steps.get(label)
        caption = _CAPTIONS[label] if step is None else f"{_CAPTIONS[label]}: {plain(psnr(step.value, image), 3)} dB"
        source = "" if step is None else picture_source(step.value)
        pictures.append(Picture(source, caption, _EXPLANATIONS[label]))
    st.html(picture_row(pictures, "the same search with four labels"))


def _finding(decibels: Mapping[str, float]) -> str:
    if "recovered" not in decibels or "true" not in decibels:
        return "Four labels, one search"
    gap = decibels["true"] - decibels["recovered"]
    first = (
        "The recovered label is as good as the true one"
        if abs(gap) <= _ALIKE
        else f"The recovered label {'costs' if gap > 0 else 'gains'} {plain(abs(gap), 2)} dB against the true one"
    )
    if "hard" not in decibels:
        return first
    lost = decibels["recovered"] - decibels["hard"]
    if abs(lost) <= _ALIKE:
        return f"{first}; a single class does no worse here"
    return f"{first}; a single class {'loses' if lost > 0 else 'gains'} {plain(abs(lost), 2)} dB"
