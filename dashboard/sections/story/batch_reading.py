"""Labels and features of a batch, read off the last layer in the background: a moment for most, a minute for some."""

from collections.abc import Sequence

import streamlit as st

from dashboard.background.jobs import Job, JobState
from dashboard.background.tasks import FeaturesFound
from dashboard.background.work import a_moment, reading_work
from dashboard.cache import PictureTask
from dashboard.sections.story.batch import heading
from dashboard.sections.story.watched_job import WatchedJob
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.server.batch import BatchAttack

__all__ = ["body"]

_NEARLY = 0.95  # of the bar, as long as there is no answer


def body(task: PictureTask) -> Job[FeaturesFound, BatchAttack]:
    """Draw the job as far as it is, nothing once it is done; the job itself is returned.

    Args:
        task: the scenario.
    """
    watched = WatchedJob[FeaturesFound, BatchAttack](
        slot="reading",
        what="the labels",
        begin="Take the pictures apart",
        at_work="The server takes the pictures apart",
        so_far=lambda reports, _seconds: (_share(reports), _so_far(reports)),
        draw=lambda _reports: None,
    )
    job = watched.job(task, lambda: reading_work(task), a_moment())
    if job.state is JobState.RUNNING:
        heading()
        watched.show_running(job)
    elif job.state is JobState.STOPPED:
        heading()
        watched.show_stopped(job)
    elif job.state is JobState.FAILED and not isinstance(job.failure, GradientInversionError):
        st.warning(job.error, icon=":material/block:")  # a refusal is told with all that the last layer says
    return job


def _share(reports: Sequence[FeaturesFound]) -> float:
    return _NEARLY * reports[-1].found / reports[-1].of if reports else 0.0


def _so_far(reports: Sequence[FeaturesFound]) -> str:
    if not reports:
        return "Looking for the features of every picture"
    return f"{reports[-1].found} of {reports[-1].of} pictures’ features found"
