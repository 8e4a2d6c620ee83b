"""The lesson: from what a gradient is to which defence one would choose, in twelve steps of predict and reveal."""

import streamlit as st

from dashboard.address import rest
from dashboard.layout.page import page_frame
from dashboard.pages import LESSON
from dashboard.sections.lesson import walk

_SENTENCE = "A lesson of twelve short steps. Each asks you to predict, and then computes the answer before your eyes."
_WIDTH = 1240  # pixels: the text stands beside the figures

place = walk.asked_step()
with page_frame(
    "What one gradient gives away",
    "" if place else _SENTENCE,
    "Every figure and every number is worked out now, by the same client and the same server as in the Lab.",
    (
        "Gradient",
        "Soft label",
        "Share",
        "Feature",
        "Head",
        "Tensor",
        "Outer product",
        "λ (lambda)",
        "Pseudo-label",
        "PSNR",
    ),
    figures=False,  # with the answer, not before
    width=_WIDTH,
):
    rest(LESSON.name)
    walk.show(place, dark=st.context.theme.type == "dark")
