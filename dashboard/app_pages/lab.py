"""The Lab: one training step, and what its gradient gives away, from top to bottom."""

import streamlit as st

from dashboard import cache
from dashboard.background.jobs import JobState
from dashboard.controls import Choice, choose_scenario
from dashboard.layout.glossary import GLOSSARY
from dashboard.layout.page import complain, page_frame
from dashboard.pages import LAB
from dashboard.sections.lab import picture, runs, verdict
from dashboard.sections.shared import refusal
from dashboard.sections.story import batch, batch_reading, client, curve, feature, gradient, label
from dashboard.sections.story.moving_picture import moving_picture
from dashboard.sections.story.view import ClientView, LabView
from gradinv_core.diagnosis import Cause
from gradinv_core.errors import GradientInversionError
from gradinv_core.label_recovery import Status

_WITHOUT_PICTURE = {
    JobState.RUNNING: "The server is at work.",
    JobState.STOPPED: "Stopped on the way to the picture.",
    JobState.FAILED: "No exact way leads to the picture.",
    JobState.DONE: "",
}
_WITHOUT_LABELS = {JobState.RUNNING: "The server is at work.", JobState.STOPPED: "Stopped on the way to the labels."}
_NOT_YET = "Neither label nor picture is read off this gradient yet."


def show_story(choice: Choice) -> bool:
    """Draw every step of one scenario, as far as the server gets; whether that is one picture and what goes with it."""
    scenario, own_image = choice.scenario.played, choice.own_image
    scene = cache.scene(scenario, own_image)
    before = ClientView(scenario, scene, dark=st.context.theme.type == "dark")
    first = st.container()  # filled last, when all is known
    for section in (client, gradient):
        section.show(before)
    task = cache.picture_task(scenario, own_image)
    read = None
    if cache.diagnosis(scenario, own_image).cause is Cause.BATCH:
        reading = batch_reading.body(task)
        if reading.state in _WITHOUT_LABELS:
            with first:
                verdict.show_unread(before, _WITHOUT_LABELS[reading.state], _NOT_YET)
            return False
        read = reading.result
        if read is not None and read.recovery.unique:
            found = batch.show(before, task, read)
            with first:
                verdict.show_batch(before, found)
            return False
    try:
        attack = cache.label_attack(scenario, own_image)
    except GradientInversionError as error:
        with first:
            verdict.show_unread(before)
        refusal.show(error, cache.diagnosis(scenario, own_image))
        if read is not None:
            batch.show(before, task, read)
        return False
    view = LabView(scenario, scene, before.dark, attack, cache.diagnosis(scenario, own_image))
    curve.show(view, moving_picture(view, task))
    if attack.recovery.status is Status.VANISHED:
        with first:
            verdict.show_unread(before)
        return False  # said by the last section: there is nothing to go on with
    for section in (label, feature):
        section.show(view)
    job = picture.show(view, task)
    with first:
        verdict.show(view, job.result if job.state is JobState.DONE else None, _WITHOUT_PICTURE[job.state])
    return True


with page_frame(
    "One gradient, one picture",
    "In federated learning the pictures stay on the device and only gradients travel. "
    "Here a curious server opens one of them, step by step.",
    "Federated learning: many devices train one network together, and none shows its data. "
    "A gradient tells, for every weight of the network, which way to change it.",
    tuple(GLOSSARY),
):
    chosen = choose_scenario(LAB)
    complain(chosen.sentences)
    if not show_story(chosen):
        runs.show_earlier()
