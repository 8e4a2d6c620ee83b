"""The gallery of failures: fourteen ways in which the attack breaks, each played live."""

import streamlit as st

from dashboard import cache
from dashboard.address import adopt, publish
from dashboard.frame import complain, page_frame
from dashboard.sections import gallery

with page_frame(
    "A gallery of failures",
    "Fourteen ways in which the attack breaks. Every picture is computed in this session, and every cause is named by "
    "the computation.",
    "The server plays each scenario with nothing but network and gradient, and says what stands in its way.",
):
    # The scenario of the other pages rests here: it is neither shown nor lost.
    complain(adopt(cache.network_stages, "gallery"))
    publish()
    gallery.show(dark=st.context.theme.type == "dark")
