"""All pictures of a batch, rebuilt in the background while the class watches."""

from collections.abc import Sequence

import streamlit as st
from torch import nn

from dashboard.background.jobs import JobState
from dashboard.background.work import batch_work, patience
from dashboard.cache import PictureTask
from dashboard.drawing.number_text import plain
from dashboard.drawing.pictures import picture_source
from dashboard.layout.picture_row import Picture, picture_row
from dashboard.sections.story.plan import title_in_words
from dashboard.sections.story.watched_job import WatchedJob
from gradinv_core.batch_recovery.pictures import BatchStep
from gradinv_core.experiments.server.batch import BatchAttack
from gradinv_core.likeness import visible

__all__ = ["rebuild"]

_NEARLY, _WALKED = 0.95, 0.3  # of the bar, as long as there is no answer; and when all layers are known
_PICTURES = 20  # news of a search for one picture, by which its part of the bar is half full


def rebuild(task: PictureTask, attack: BatchAttack, class_names: Sequence[str]) -> BatchAttack:
    """Draw the job as far as it is, unless it is done.

    Args:
        task: the scenario.
        attack: with labels and features.
        class_names: (C,) of the classes.

    Returns:
        The attack, with its pictures once the job is done.
    """
    watched = WatchedJob[BatchStep, BatchAttack](
        slot="batch",
        what="the pictures",
        begin="Rebuild the pictures",
        at_work="The server is at work on all pictures at once",
        so_far=lambda reports, _seconds: (_share(reports, task), _so_far(reports, task)),
        draw=lambda reports: _draw_newest(reports, attack, class_names),
    )
    job = watched.job(task, lambda: batch_work(task, attack), patience(task.network))
    if job.state is JobState.RUNNING:
        watched.show_running(job)
    elif job.state is JobState.STOPPED:
        watched.show_stopped(job)
    elif job.state is JobState.FAILED:
        st.info(job.error, icon=":material/block:")
    return attack if job.state is not JobState.DONE or job.result is None else job.result


def _share(reports: Sequence[BatchStep], task: PictureTask) -> float:
    """Of the work that is done, as far as anybody can tell."""
    layers = sum(isinstance(module, nn.Linear | nn.Conv2d) for module in task.network.model.modules())
    shown = sum(report.images is not None for report in reports)
    if not shown:
        return _WALKED * min(len(reports) / layers, 1.0)
    return _WALKED + (_NEARLY - _WALKED) * shown / (shown + _PICTURES * task.question.scenario.samples)


def _so_far(reports: Sequence[BatchStep], task: PictureTask) -> str:
    if not reports:
        return "Solving for the last layer's inputs"
    newest = reports[-1]
    if newest.images is None or newest.misfit is None:
        title = title_in_words(f"{newest.title} {newest.layer}", newest.layer.split(", "), task.parts())
        return f"Found for every picture: {title[:1].lower()}{title[1:]}"
    return f"Searching: {newest.title[:1].lower()}{newest.title[1:]} (what is known fits to {plain(newest.misfit, 2)})"


def _draw_newest(reports: Sequence[BatchStep], attack: BatchAttack, class_names: Sequence[str]) -> None:
    """The pictures as far as they are, in the server's own order: without the truth, nobody can pair them."""
    images = next((report.images for report in reversed(reports) if report.images is not None), None)
    if images is None:
        return
    row = []
    for image, answer in zip(images, attack.recovery, strict=True):
        begun = bool((image != image[:, :1, :1]).any())  # a search starts from a picture of one colour
        name = class_names[int(answer.label.argmax())]
        row.append(Picture(picture_source(visible(image)) if begun else "", f"“{name}”{'' if begun else ', to come'}"))
    st.html(picture_row(row, "the pictures so far", smallest="3.4rem", largest="8rem"))
    st.caption("Each under the class that its own label names most.")
