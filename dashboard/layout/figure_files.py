"""Behind a page's figures: each of them as a file for a slide or a paper."""

import streamlit as st

from dashboard.components import figure_saver

__all__ = ["offer_figures"]


def offer_figures() -> None:
    """Draw the fold that lists them, whatever the page shows when it is opened."""
    with st.expander("Figures of this page as SVG or PNG", icon=":material/image:"):
        figure_saver()
