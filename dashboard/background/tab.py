"""What belongs to this browser tab alone: its background jobs, the visitor's own photo, what was found in it."""

import streamlit as st

from dashboard.background.jobs import Jobs
from dashboard.background.kept import Kept
from gradinv_core.experiments.client.own_photo import OwnPhoto

__all__ = ["keep_photo", "session_jobs", "session_kept", "session_photo"]

_JOBS, _PHOTO, _KEPT = "background jobs", "own photo", "found in own photo"
_PRIVATE = 64 * 2**20  # bytes that a tab keeps of results with the visitor's own picture
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
    return _attached(st.session_state.setdefault(_JOBS, Jobs()))


def session_kept() -> Kept:
    """Answers with the visitor's own picture in them."""
    kept: Kept = st.session_state.setdefault(_KEPT, Kept(_PRIVATE))
    return kept


def session_photo() -> OwnPhoto | None:
    """The visitor's own photo, on whichever page it was chosen."""
    photo: OwnPhoto | None = st.session_state.get(_PHOTO)
    return photo


def keep_photo(photo: OwnPhoto | None) -> None:
    """Keep this photo in place of the one before; None forgets that."""
    st.session_state[_PHOTO] = photo
