"""The lesson: from what a gradient is to which defence one would choose, in twelve steps of predict and reveal."""

import streamlit as st

from dashboard.address import rest
from dashboard.layout.page import page_frame
from dashboard.pages import LESSON
from dashboard.sections.lesson import walk

with page_frame(
    "What one gradient gives away",
    "A lesson of twelve short steps. Each asks you to predict, and then computes the answer before your eyes.",
    "Every figure and every number is worked out now, by the same client and the same server as in the Lab.",
    ("Gradient", "Soft label", "Share", "Feature", "Head", "λ (lambda)", "PSNR"),
):
    rest(LESSON.name)
    walk.show(walk.asked_step(), dark=st.context.theme.type == "dark")
