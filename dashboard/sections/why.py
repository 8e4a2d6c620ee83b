"""Step 1 of the failures: what went wrong, at every level at which something can."""

import streamlit as st

from dashboard import cache
from dashboard.attacks import exact_work
from dashboard.cards import card_of
from dashboard.claims import Claim, Kind, Server, Truth
from dashboard.claims.reason import Level, of_label, of_picture, of_search, reasons
from dashboard.claims.server import TAMPERED
from dashboard.jobs import Job, JobState
from dashboard.sections import reason
from dashboard.server_side import LabelAttack, announced_defences, certain_answer
from dashboard.session import session_jobs
from dashboard.state import Scenario
from gradinv_core.diagnosis import Cause, Diagnosis, diagnose_image
from gradinv_core.image_recovery import ImageRecovery, Step
from gradinv_core.label_recovery.race import Racer

__all__ = ["show"]

_SLOT = "exact"  # the Lab's: whoever comes from there has the picture already
_PATIENCE = 0.4
_WORKING = "The picture is not looked at yet: the server is walking back through the layers …"


def show(
    scenario: Scenario,
    stage: cache.Stage,
    client: Truth,
    diagnosis: Diagnosis,
    attack: LabelAttack | None,
    racers: tuple[Racer, ...],
) -> None:
    """Draw it, again as soon as the picture is there.

    Args:
        scenario: what is played, the race's switch included.
        stage: it plays on.
        client: the client's side, to hold a certain answer against.
        diagnosis: the server's own, of the last layer.
        attack: its results there; None where it could not begin.
        racers: four solvers; none where nobody starts.
    """
    card = card_of(scenario)
    own = None if card is None else card.level
    announced = None if card is None else Claim(Kind.CARD, f"**{card.title}.** {card.sentence}", note=card.name)
    server = None if attack is None else Server(attack, diagnosis, bool(announced_defences(scenario)))
    found: dict[Level, Claim | None] = {Level.LABEL: of_label(diagnosis, server, client)}
    found[Level.SEARCH] = None if attack is None else of_search(racers, attack.recovery)
    if attack is None or (diagnosis.cause in TAMPERED and own is not Level.PICTURE):
        _draw(found, own, announced)
        return
    job = _job(scenario, stage, attack)
    job.wait(_PATIENCE)
    if job.state is JobState.RUNNING:
        _draw(found, own, announced)
        _wait(job)
        return
    if job.state is not JobState.STOPPED:
        found[Level.PICTURE] = _of_picture(stage, attack, job.result)
    _draw(found, own, announced)


def _draw(found: dict[Level, Claim | None], own: Level | None, announced: Claim | None) -> None:
    claims = reasons(found, own, announced)
    reason.show(claims, reason.remedy_of(claims[0]))


@st.fragment(run_every=0.5)
def _wait(job: Job[Step, ImageRecovery]) -> None:
    if job.state is not JobState.RUNNING:
        st.rerun()
    st.caption(_WORKING)


def _job(scenario: Scenario, stage: cache.Stage, attack: LabelAttack) -> Job[Step, ImageRecovery]:
    jobs = session_jobs()
    job = jobs.get(_SLOT, stage.key)
    if job is None or job.state is JobState.STOPPED:
        known = certain_answer(scenario, attack.recovery)
        job = jobs.start(_SLOT, stage.key, exact_work(stage.network, attack.gradients, stage.remember, known))
    return job


def _of_picture(stage: cache.Stage, attack: LabelAttack, recovery: ImageRecovery | None) -> Claim | None:
    """The picture's own failure; None where the label's is all there is to say."""
    shape = (3, stage.network.image_size, stage.network.image_size)
    found = diagnose_image(stage.network.model, attack.gradients, recovery, shape)
    of_the_label = recovery is None and found.cause not in (Cause.TRAINING_BATCH_NORM, Cause.NO_CHAIN)
    return None if of_the_label else of_picture(found)
