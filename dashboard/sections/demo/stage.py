"""The whole demonstration on one screen: the device, the server, a defence to switch on, and what it all means.

Three clicks: a picture, the gradient, a defence. The address holds how far one has come.
"""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from dashboard.address import query_of
from dashboard.background.tab import session_photo
from dashboard.claims.picture import LIKENESS
from dashboard.claims.plain_words import of_error
from dashboard.drawing.number_text import percent
from dashboard.drawing.pictures import picture_source
from dashboard.layout.picture_row import Picture, picture_row
from dashboard.layout.story import say_plainly
from dashboard.pages import LAB, PROTECTION
from dashboard.sections.demo.photo import OWN, choose
from dashboard.sections.shared.material import Material
from dashboard.sections.shared.switches import SWITCHES
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.client.own_photo import own_image
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.likeness import Likeness, visible

__all__ = ["is_sent", "show"]

_SENT, _DEFENCE = "sent", "defence"
_TO_DO = (
    "What to do: treat a gradient as you would treat the picture itself. Add up many devices' gradients before anyone "
    "can read one, add noise whose protection was worked out, and try this attack on your own network first."
)
_LINE = 1100  # pixels of a line of text at most
_NO_PROOF = "That is no proof that another server gets no further."


def is_sent() -> bool:
    """Whether the gradient is on its way already."""
    return st.query_params.get(_SENT) == "yes"


def show(*, dark: bool) -> None:
    """Draw it as far as the visitor has come."""
    sent = is_sent()
    number, own = choose(locked=sent)
    scenario = Scenario(image=number, own_photo=own, augmentation="smoothing")
    photo = own_image(scenario, session_photo())
    plainly = Material(scenario, dark, photo)
    left, right = st.columns([5, 4], gap="large")
    if not sent:
        with left:
            st.html(picture_row([_on_the_device(plainly), _nothing_yet()], "the device and the server"))
        with right:
            _offer()
        return
    defended = Material(replace(scenario, defences=SWITCHES[_switched()].defences), dark, photo)
    rebuilt, refusal = _rebuilt(defended)
    with left:
        st.html(picture_row([_on_the_device(plainly), rebuilt], "the device and the server"))
    with right:
        st.pills(
            "Defence on the device, before it sends",
            tuple(SWITCHES),
            default=_switched(),
            format_func=lambda name: SWITCHES[name].title,
            key="demo defence",
            required=True,
            wrap=True,
            on_change=_switch,
        )
        _say(defended, defended.kept_of(plainly))
    st.markdown(_TO_DO, width=_LINE, help=f"The picture: {LIKENESS[defended.likeness()][1]}. {_NO_PROOF} {refusal}")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Start again", key="demo again", icon=":material/replay:", on_click=_go, args=("",))
        LAB.link("See how, step by step", None if own else query_of(defended.scenario))
        PROTECTION.link("Which defences hold on many pictures")


def _offer() -> None:
    st.markdown("The device trains the network on its picture for one step. The picture stays; the gradient is sent.")
    st.button(
        "Send one gradient",
        key="demo send",
        type="primary",
        icon=":material/send:",
        on_click=_go,
        args=("yes",),
    )


def _on_the_device(material: Material) -> Picture:
    return Picture(picture_source(material.client.truth.image.double()), "Stays on the device.", truth=True)


def _nothing_yet() -> Picture:
    return Picture("", "Nothing received yet.")


def _rebuilt(material: Material) -> tuple[Picture, str]:
    """What the server got, and why it is nothing where it is nothing."""
    try:
        image = material.recovery().image
    except GradientInversionError as error:
        return Picture("", "Nothing could be rebuilt."), of_error(error)
    return Picture(picture_source(visible(image)), "Rebuilt by the server."), ""


def _say(defended: Material, kept: float) -> None:
    """What it means."""
    seen = defended.likeness()
    share = percent(kept).replace(" ", "\N{NO-BREAK SPACE}")
    price = f"Its price: the gradient keeps {share} of its direction." if defended.scenario.defences else ""
    if seen.recognised:
        lead = "**Spoiled, but it leaks.**" if seen is Likeness.RECOGNISABLE else "**The picture leaks.**"
        meaning = "Whoever reads this one message sees it: who trains on customers' data this way ships that data."
        text = f"{lead} {meaning} {price}"
    else:
        text = f"**The defence holds here.** Nobody would recognise the picture in what this server rebuilt. {price}"
    say_plainly(text, good=not seen.recognised)


def _switched() -> str:
    name = st.query_params.get(_DEFENCE, "off")
    return name if name in SWITCHES else "off"


def _switch() -> None:
    st.query_params[_DEFENCE] = st.session_state["demo defence"]


def _go(sent: str) -> None:
    """Send the gradient, or begin anew with the same picture."""
    for name in (_SENT, _DEFENCE):
        if name in st.query_params:
            del st.query_params[name]
    if sent:
        st.query_params[_SENT] = sent
    if OWN in st.query_params and session_photo() is None:
        del st.query_params[OWN]
