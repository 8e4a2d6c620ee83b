"""Where the server cannot even begin: what its mathematics says, and the reason it can tell."""

import streamlit as st

from dashboard.claims.reason import of_label
from dashboard.layout.story import step
from dashboard.sections.shared import reason
from gradinv_core.diagnosis import Cause, Diagnosis
from gradinv_core.errors import GradientInversionError

__all__ = ["say", "show"]


def show(error: GradientInversionError, found: Diagnosis) -> None:
    """Draw the step.

    Args:
        error: what the attack on the last layer said.
        found: why, by `gradinv_core.diagnosis.diagnose`.
    """
    step(3, "The attack ends here", reason.SENTENCE, reason.EXPLANATION)
    if found.cause is Cause.NONE:  # then only what the server believes of the defences is wrong
        st.warning(error.sentence.replace("lambda", "λ"), icon=":material/help:")
        return
    claim = of_label(found)
    reason.show([claim], reason.remedy_of(claim))
    st.caption(_in_its_words(error))


def say(lead: str, error: GradientInversionError) -> None:
    """One box: what does not happen, and the error that keeps it from happening."""
    st.info(f"{lead} {_in_its_words(error)}", icon=":material/block:")


def _in_its_words(error: GradientInversionError) -> str:
    return f"In the words of the attack: {error}".replace("lambda", "λ")
