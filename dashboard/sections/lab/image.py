"""Step 6, the theatre: the picture is rebuilt in the background while the class watches, exactly or by search."""

import time

import streamlit as st
from torch import nn

from dashboard.background.jobs import Job, JobState
from dashboard.background.tab import session_jobs
from dashboard.background.work import exact_work, patience
from dashboard.cache import PictureTask
from dashboard.claims.picture import barred
from dashboard.components import frame_player
from dashboard.layout.story import finding, formulas, mathematics, step
from dashboard.sections.lab import exact, search
from dashboard.sections.lab import layers as strip
from dashboard.sections.lab.film import layer_frames
from dashboard.sections.lab.view import LabView
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.public_network import PublicNetwork
from gradinv_core.experiments.server.attack import certain_answer
from gradinv_core.image_recovery import ImageRecovery, Step

__all__ = ["show"]

_SLOT = "exact"
_SENTENCE = "From the feature, the server tries to walk back through the layers to the pixels."
_EXPLANATION = "Each layer's gradient is a product, too: of what went into the layer, and of what it did to the loss."


def show(view: LabView, task: PictureTask) -> None:
    """Draw the step."""
    step(6, "The picture", _SENTENCE, _EXPLANATION)
    job = _exact_job(view, task)
    recovery: ImageRecovery | None = None
    if job.state is JobState.RUNNING:
        _watch(job, _weighted_layers(task.network), view.dark)
    elif job.state is JobState.FAILED:
        failure = job.failure
        why = barred(failure).text if isinstance(failure, GradientInversionError) else job.error
        st.info(why, icon=":material/block:")
        strip.show_budget(task.budget(), view.dark)
    else:
        recovery = job.result
    if recovery is not None:
        exact.show(view, task, job.number, recovery)
    search.show(view, task, recovery, impossible=job.state is JobState.FAILED)
    with mathematics():
        formulas(
            r"\frac{\partial L}{\partial W_\ell} = \delta_\ell\, h_{\ell-1}^{\top}",
            r"h_{\ell-1} = \frac{1}{\lVert \delta_\ell \rVert^2} "
            r"\left(\frac{\partial L}{\partial W_\ell}\right)^{\!\top} \delta_\ell",
        )
        if recovery is not None:
            exact.show_formulas(view, recovery)
        search.show_formulas()


def _exact_job(view: LabView, task: PictureTask) -> Job[Step, ImageRecovery]:
    """The job of this scenario, started if need be, and given a moment to finish."""
    jobs = session_jobs()
    job = jobs.get(_SLOT, task.key)
    if job is None or job.state is JobState.STOPPED:
        job = jobs.start(
            _SLOT,
            task.key,
            exact_work(
                task.network,
                view.attack.gradients,
                task.remember,
                certain_answer(view.attack.recovery, task.scene.announced),
            ),
        )
    job.wait(patience(task.network))
    return job


@st.fragment(run_every=0.5)
def _watch(job: Job[Step, ImageRecovery], layers: int, dark: bool) -> None:
    """What the attack has found so far, of so many layers; draws the whole page again when it is over."""
    if job.state is not JobState.RUNNING:
        st.rerun()
    reports, seconds = job.reports, time.monotonic() - job.began
    finding("The server is at work")
    st.progress(min(len(reports) / (layers + 1), 1.0), text=f"{_so_far(reports)}, {seconds:.0f} s")
    if reports:
        # Without the truth: this is what the server itself gets to see.
        frame_player(layer_frames(reports[-1:], [None], dark=dark), key="exact live", live=True)


def _weighted_layers(network: PublicNetwork) -> int:
    """How many layers the way back leads through."""
    return sum(isinstance(layer, nn.Linear | nn.Conv2d) for layer in network.model.modules())


def _so_far(reports: tuple[Step, ...]) -> str:
    if not reports:
        return "Solving for the first layer"
    return f"Found: {reports[-1].title[:1].lower()}{reports[-1].title[1:]}"
