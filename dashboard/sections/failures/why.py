"""Step 1 of the failures: what went wrong, at every level at which something can."""

import streamlit as st

from dashboard import cache
from dashboard.background.jobs import Job, JobState
from dashboard.background.tab import session_jobs
from dashboard.background.work import exact_work, patience
from dashboard.claims import Claim, Kind, Server, Truth
from dashboard.claims.reason import Level, of_label, of_picture, of_search, reasons
from dashboard.claims.server import TAMPERED
from dashboard.layout.waiting import pace
from dashboard.sections.shared import reason
from dashboard.sections.shared.cards import card_of
from gradinv_core.diagnosis import Cause, Diagnosis, diagnose_image
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.server.attack import LabelAttack
from gradinv_core.image_recovery import ImageRecovery, Step
from gradinv_core.label_recovery.race import Racer

__all__ = ["show"]

_SLOT = "exact"  # the Lab's: whoever comes from there has the picture already
_WORKING = "The picture is not looked at yet: the server is walking back through the layers …"


def show(
    scenario: Scenario,
    task: cache.PictureTask,
    client: Truth,
    diagnosis: Diagnosis,
    attack: LabelAttack | None,
    racers: tuple[Racer, ...],
) -> None:
    """Draw it, again as soon as the picture is there.

    Args:
        scenario: what is played, the race's switch included.
        task: it plays on.
        client: the client's side, to hold a certain answer against.
        diagnosis: the server's own, of the last layer.
        attack: its results there; None where it could not begin.
        racers: four solvers; none where nobody starts.
    """
    card = card_of(scenario)
    own = None if card is None else card.level
    announced = None if card is None else Claim(Kind.CARD, f"**{card.title}.** {card.sentence}", note=card.name)
    server = None if attack is None else Server(attack, diagnosis, bool(task.scene.announced))
    found: dict[Level, Claim | None] = {Level.LABEL: of_label(diagnosis, server, client)}
    found[Level.SEARCH] = None if attack is None else of_search(racers, attack.recovery)
    if attack is None or (diagnosis.cause in TAMPERED and own is not Level.PICTURE):
        _draw(found, own, announced)
        return
    job = _job(task, attack)
    if job.state is JobState.RUNNING:
        job.wait(patience(task.network))
    if job.state is JobState.RUNNING:
        _draw(found, own, announced)
        st.fragment(_wait, run_every=pace())(job)
        return
    if job.state is not JobState.STOPPED:
        found[Level.PICTURE] = _of_picture(task, attack, job.result)
    _draw(found, own, announced)


def _draw(found: dict[Level, Claim | None], own: Level | None, announced: Claim | None) -> None:
    claims = reasons(found, own, announced)
    reason.show(claims, reason.remedy_of(claims[0]))


def _wait(job: Job[Step, ImageRecovery]) -> None:
    if job.state is not JobState.RUNNING:
        st.rerun()
    st.caption(_WORKING)


def _job(task: cache.PictureTask, attack: LabelAttack) -> Job[Step, ImageRecovery]:
    jobs = session_jobs()
    job = jobs.get(_SLOT, task.key)
    if job is None or job.state is JobState.STOPPED:
        job = jobs.start(_SLOT, task.key, exact_work(task, attack))
    return job


def _of_picture(task: cache.PictureTask, attack: LabelAttack, recovery: ImageRecovery | None) -> Claim | None:
    """The picture's own failure; None where the label's is all there is to say."""
    found = diagnose_image(task.network.model, attack.gradients, recovery, task.network.image_shape)
    of_the_label = recovery is None and found.cause not in (Cause.TRAINING_BATCH_NORM, Cause.NO_CHAIN)
    return None if of_the_label else of_picture(found)
