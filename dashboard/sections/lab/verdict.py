"""First of all, the verdict: what the client had beside what leaked, one sentence, and a defence to switch on."""

from __future__ import annotations

import streamlit as st
import torch

from dashboard.address import SCENARIO, classroom
from dashboard.claims import batch as batch_claims
from dashboard.claims import label as label_claims
from dashboard.claims import picture as picture_claims
from dashboard.claims.picture import Rebuilt
from dashboard.drawing.pictures import picture_source
from dashboard.layout.picture_row import Picture, picture_row
from dashboard.sections.shared.switches import SWITCHES, position_of
from dashboard.sections.story.view import ClientView, LabView
from gradinv_core.experiments.client.pairing import pair_up
from gradinv_core.experiments.server.batch import BatchAttack
from gradinv_core.image_recovery import ImageRecovery
from gradinv_core.likeness import visible

__all__ = ["show", "show_batch", "show_unread"]

_SWITCH = "defence switch"


def show(view: LabView, recovery: ImageRecovery | None, why_none: str) -> None:
    """Draw it.

    Args:
        view: the solved scenario.
        recovery: the picture that the exact route gave; None where there is none, or none yet.
        why_none: what stands in its place then.
    """
    label = label_claims.headline(view.server, view.truth, view.class_names).text
    if recovery is None:
        _draw(view, view.truth.image, Picture("", why_none), f"**{label}.**")
        return
    rebuilt = Rebuilt(view.server, recovery)
    found = picture_claims.finding(rebuilt, view.truth).text
    leaked = Picture(picture_source(rebuilt.shown), "What one gradient gave away.")
    _draw(view, view.truth.image, leaked, f"**{found}. {label}.**")


def show_unread(
    view: ClientView,
    nothing: str = "The server gets nowhere.",
    sentence: str = "Neither label nor picture is read off this gradient.",
) -> None:
    """Draw it where the server cannot even read the last layer, or has not yet.

    Args:
        view: the client's side.
        nothing: what stands in the place of what leaked.
        sentence: the verdict.
    """
    _draw(view, view.client.sample.image, Picture("", nothing), f"**{sentence}**")


def show_batch(view: ClientView, attack: BatchAttack) -> None:
    """Draw it where the server took several pictures apart."""
    tried = batch_claims.pictures(attack) is not None
    leaked = Picture("", "No exact way leads to the pictures." if tried else "The pictures are not rebuilt yet.")
    if attack.images is not None:
        first = pair_up(view.client, attack.recovery.labels, attack.images)[0]
        if first is not None:
            leaked = Picture(picture_source(visible(attack.images[first])), "What one gradient gave away.")
    pictures = 0 if attack.images is None else len(attack.images)
    _draw(view, view.client.sample.image, leaked, f"**{batch_claims.headline(attack.recovery, pictures)}.**")


def _draw(view: ClientView, kept: torch.Tensor, leaked: Picture, sentence: str) -> None:
    true = Picture(picture_source(kept.double()), "What the client keeps.", truth=True)
    left, right = st.columns([2, 3], gap="large", vertical_alignment="center")
    with left:
        st.html(picture_row([true, leaked], "what the client keeps and what leaked", largest="11rem"))
    with right:
        st.markdown(sentence)
        position = position_of(view.scenario.defences)
        st.session_state[_SWITCH] = position
        st.pills(
            "Let the client defend itself",
            tuple(SWITCHES),
            format_func=lambda name: SWITCHES[name].title,
            key=_SWITCH,
            on_change=_switch,
            wrap=True,
            disabled=classroom().locked,
            help="The sidebar has more of them, and in any order.",
        )


def _switch() -> None:
    SCENARIO.set("defences", SWITCHES[st.session_state[_SWITCH] or "off"].defences)
