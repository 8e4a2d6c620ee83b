"""What a visitor sees for whom there is no seat."""

import streamlit as st

from dashboard.background.visitors import seated, the_room

__all__ = ["wait_for_a_seat"]


@st.fragment(run_every=4.0)
def wait_for_a_seat() -> None:
    """Say so, and open the page as soon as somebody leaves."""
    if seated():
        st.rerun()
    st.title("This server is full")
    st.info(
        f"{the_room().seats} people are on it already. More would make it slow for everybody. "
        "Keep this tab open: the page comes by itself as soon as one of them closes theirs.",
        icon=":material/groups:",
    )
