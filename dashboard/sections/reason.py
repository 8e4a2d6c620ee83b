"""Why the label did not come out of the head, as the server itself can tell."""

import streamlit as st

from gradinv_core.diagnosis import Cause, Diagnosis

__all__ = ["EXPLANATION", "SENTENCE", "show"]

SENTENCE = "The server looks at what it got, and says what stands in its way."
EXPLANATION = (
    "Nothing here comes from the client's secret: clipping, pruning, rounding, noise and a second sample leave marks "
    "in the numbers that were sent."
)


def show(found: Diagnosis) -> None:
    """Draw the verdict.

    Args:
        found: by `gradinv_core.diagnosis.diagnose`, from weights and gradients alone.
    """
    words = f"**{found.title}.** {found.message}".replace("lambda", "λ")
    if found.cause is Cause.NONE:
        st.info(words, icon=":material/check:")
        return
    st.warning(words, icon=":material/help:")
    st.markdown(f"What would help the attacker: {found.remedy[:1].lower()}{found.remedy[1:]}".replace("lambda", "λ"))
