"""What stands in the way of label and picture, as the server itself can tell."""

from collections.abc import Sequence

import streamlit as st

from dashboard.claims import Claim, Kind
from dashboard.claims.plain_words import in_words
from dashboard.layout.story import say
from gradinv_core.diagnosis import Cause
from gradinv_core.diagnosis.cause import REMEDIES

__all__ = ["EXPLANATION", "SENTENCE", "remedy_of", "show"]

SENTENCE = "The server looks at what it got, and says what stands in its way."
EXPLANATION = (
    "Nothing here comes from the client's secret: clipping, pruning, rounding, noise and a second sample leave marks "
    "in the numbers that were sent."
)


def show(claims: Sequence[Claim], remedy: str = "") -> None:
    """Draw what was found out, the most important first.

    Args:
        claims: by `dashboard.claims.reason.reasons`.
        remedy: what would help the attacker against the first of them; empty where nothing has to.
    """
    for claim in claims[:1]:
        say(claim)
    if remedy:
        st.markdown(in_words(f"What would help the attacker: {remedy[:1].lower()}{remedy[1:]}"))
    for claim in claims[1:]:
        st.markdown(claim.text)


def remedy_of(claim: Claim) -> str:
    """What would help the attacker against a named cause."""
    return REMEDIES[Cause(claim.note)] if claim.kind is Kind.CAUSE else ""
