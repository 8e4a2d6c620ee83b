"""Keep the server's housekeeping out of the visitor's way."""

import gc

import streamlit as st

__all__ = ["freeze_imports"]


@st.cache_resource(show_spinner=False)
def freeze_imports() -> None:
    """Take what is loaded by now out of garbage collection; once per process, whoever asks.

    Streamlit collects garbage after every run of the script and answers no click until that is done. PyTorch alone
    holds some 400,000 objects that never become garbage; looking at them each time takes 0.2 to 0.4 seconds.
    """
    gc.collect()
    gc.freeze()
