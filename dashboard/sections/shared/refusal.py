"""Where the server cannot even begin: what its mathematics says, and the reason it can tell."""

from typing import Any

import streamlit as st

from dashboard.background.jobs import Job
from dashboard.claims.plain_words import of_error
from dashboard.claims.reason import of_label
from dashboard.layout.story import step
from dashboard.sections.shared import reason
from gradinv_core.diagnosis import Cause, Diagnosis
from gradinv_core.errors import GradientInversionError

__all__ = ["say", "show", "what_went_wrong"]


def show(error: GradientInversionError, found: Diagnosis) -> None:
    """Draw the step.

    Args:
        error: what the attack on the last layer said.
        found: why, by `gradinv_core.diagnosis.diagnose`.
    """
    step(3, "The attack ends here", reason.SENTENCE, reason.EXPLANATION)
    if found.cause is Cause.NONE:  # then only what the server believes of the defences is wrong
        st.warning(of_error(error), icon=":material/help:")
        return
    claim = of_label(found)
    reason.show([claim], reason.remedy_of(claim))


def say(lead: str, error: GradientInversionError) -> None:
    """One box: what does not happen, and what keeps it from happening."""
    st.info(f"{lead} {of_error(error)}", icon=":material/block:")


def what_went_wrong(job: Job[Any, Any]) -> str:
    """The sentence of a job that failed: a refusal of the core in plain words, a mistake of the program as it is."""
    return of_error(job.failure) if isinstance(job.failure, GradientInversionError) else job.error
