"""The demonstration for whoever decides: one picture, one gradient, one leak, and a defence to switch on."""

import streamlit as st

from dashboard.address import rest
from dashboard.layout.page import page_frame
from dashboard.pages import DEMO
from dashboard.sections.demo import stage

_SENTENCE = "A device learns from one picture and sends what it learned. See what the receiver can make of that."
_WIDTH = 1500  # pixels: the pictures stand beside what they mean, and are large on a stage

with page_frame(
    "One message is enough",
    "" if stage.is_sent() else _SENTENCE,
    "What is sent is a gradient: for every weight of a network, which way to change it. The picture is not sent.",
    ("Gradient",),
    figures=False,
    width=_WIDTH,
):
    rest(DEMO.name)
    stage.show(dark=st.context.theme.type == "dark")
