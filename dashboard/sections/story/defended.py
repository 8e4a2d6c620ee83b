"""What the client did to its gradient, and the privacy budget of that where there is one."""

import math

import streamlit as st

from dashboard.claims.plain_words import of_error
from dashboard.drawing.number_text import percent, plain
from dashboard.layout.story import number, numbers
from dashboard.sections.story.view import ClientView
from gradinv_core.defences import DEFENCES, Defence, accountable_multiplier, privacy_spent, read_defences
from gradinv_core.errors import OptionError

__all__ = ["describe", "show"]

_DELTA = 1e-5
_BUDGET = (
    "Differential privacy: the smaller ε, the less anybody can learn about one picture, whatever the attack. This is "
    "one step in which every picture takes part, by Opacus' accountant; δ is the chance that the promise fails. "
    "Training takes many steps, and each costs."
)
_NO_BUDGET = (
    "Only Gaussian noise on a clipped gradient has one. Other defences may spoil this attack, but promise nothing "
    "about the next."
)

_NOT_EACH = (
    "The client clips what it sends, which is the mean over all its pictures. A budget for one picture needs the "
    "gradient of each picture clipped before they are added up."
)


def show(view: ClientView) -> None:
    """Draw it; nothing where nothing was done."""
    chosen = read_defences(view.scenario.defences)
    if not chosen:
        return
    knows = "The server knows this" if view.scenario.aware else "The server does not know this"
    st.markdown(f"**Defended:** {', then '.join(map(describe, chosen))}. {knows}.")
    with numbers():
        number(
            "Changed by the defences",
            percent(view.client.change),
            "Length of the difference between what was computed and what was sent, over the length of the former.",
        )
        number(f"Privacy budget ε at δ = {plain(_DELTA)}", *_budget(chosen, view.scenario.samples))


def describe(defence: Defence) -> str:
    """One defence with its strength, in words."""
    spec = DEFENCES[defence.name]
    if defence.parameter is None:
        return f"“{spec.title}”"
    return f"“{spec.title}” ({spec.parameter} {plain(defence.parameter, 3)})"


def _budget(chosen: tuple[Defence, ...], samples: int) -> tuple[str, str]:
    """The budget in words, and what they mean."""
    multiplier = accountable_multiplier(chosen)
    if multiplier is None:
        return "none", _NO_BUDGET
    if samples > 1:
        return "none", _NOT_EACH
    try:
        epsilon = _epsilon(multiplier)
    except OptionError as error:
        return "not counted", of_error(error)
    return ("no bound", _BUDGET) if math.isinf(epsilon) else (plain(epsilon, 3), _BUDGET)


@st.cache_data(max_entries=64, show_spinner="Opacus counts …")
def _epsilon(multiplier: float) -> float:
    return privacy_spent(multiplier, 1.0, 1, _DELTA)
