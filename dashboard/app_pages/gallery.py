"""The gallery of failures: the ways in which the attack breaks, each played live."""

import streamlit as st

from dashboard import cache
from dashboard.address import adopt, publish
from dashboard.background.tab import session_photo
from dashboard.layout.page import complain, page_frame
from dashboard.pages import GALLERY
from dashboard.sections.gallery import card_grid
from dashboard.sections.shared.cards import CARDS

with page_frame(
    "A gallery of failures",
    f"{len(CARDS)} ways in which the attack breaks. Every picture is computed by this server, once for all who ask, "
    "and every cause is named by the computation.",
    "The server plays each scenario with nothing but network and gradient, and says what stands in its way.",
    (
        "Gradient",
        "Soft label",
        "Share",
        "Feature",
        "Head",
        "Outer product",
        "λ (lambda)",
        "The paper",
        "The paper's loss",
    ),
):
    # The scenario of the other pages rests here: it is neither shown nor lost.
    complain(adopt(cache.network_stages, GALLERY.name, photo_here=session_photo() is not None))
    publish()
    card_grid.show(dark=st.context.theme.type == "dark")
