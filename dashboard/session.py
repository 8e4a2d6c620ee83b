"""The background jobs of this browser tab, which end when it is closed."""

import streamlit as st

from dashboard.jobs import Jobs

__all__ = ["session_jobs"]

_KEY = "background jobs"
_GRACE = 20.0  # seconds: a laptop that lost its network for a moment finds its run again


def _same_object(jobs: Jobs) -> int:
    return id(jobs)


@st.cache_resource(
    scope="session", show_spinner=False, hash_funcs={Jobs: _same_object}, on_release=lambda jobs: jobs.leave(_GRACE)
)
def _attached(jobs: Jobs) -> Jobs:
    """Streamlit releases this when the tab's connection ends; the session's own state outlives a short break."""
    jobs.stay()
    return jobs


def session_jobs() -> Jobs:
    """Those of the visitor the script runs for."""
    return _attached(st.session_state.setdefault(_KEY, Jobs()))
