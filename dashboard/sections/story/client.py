"""Step 1: the client's picture, the label it is trained towards, and what the network predicts."""

import streamlit as st

from dashboard.claims.gradient import whose
from dashboard.drawing.number_text import percent, tex
from dashboard.drawing.pictures import picture_source
from dashboard.figures import probability_bars
from dashboard.layout.picture_row import Picture, picture_row
from dashboard.layout.story import chart, formulas, mathematics, step
from dashboard.sections.story.mixture import mixture_row
from dashboard.sections.story.view import ClientView
from gradinv_core.augmentation import AUGMENTATIONS

__all__ = ["body", "show"]

_EXPLANATION = (
    "The label says what the picture shows; a soft label spreads its weight over several classes. "
    "The network answers with a share for each class, too: its prediction."
)
_MOST_NAMED = 3


def show(view: ClientView) -> None:
    """Draw the step."""
    sentence = AUGMENTATIONS[view.scenario.augmentation].sentence
    if view.client.others:
        times = {2: "twice"}.get(pictures := len(view.client.others) + 1, f"with {pictures} pictures")
        sentence += f" It does so {times}, and sends the average of the gradients."
    step(1, "The client", sentence, _EXPLANATION)
    body(view)


def body(view: ClientView) -> None:
    """What the step shows, without its heading."""
    if view.client.partner is None:
        left, right = st.columns([1, 2], gap="large")
        with left:
            st.html(picture_row([_seen(view)], "the client's picture", largest="15rem"))
        with right:
            _draw_prediction(view)
    else:
        st.html(mixture_row(view.client, view.class_names))
        st.caption(_caption(view))
        _draw_prediction(view)
    if view.client.others:
        _draw_others(view)
    with mathematics():
        client = view.client
        loss = float(-(client.sample.label * client.truth.logits.log_softmax(0)).sum())
        formulas(r"z = W x + b", r"p = \operatorname{softmax}(z)", r"L = -\sum_i y_i \log p_i")
        classes, features = client.truth.label.numel(), client.truth.feature.numel()
        formulas(rf"C = {classes:,}\ \text{{classes}}", rf"d = {features:,}\ \text{{features}}", rf"L = {tex(loss)}")


def _draw_others(view: ClientView) -> None:
    """The rest of a batch."""
    st.caption(whose(view.truth.pictures))
    pictures = [Picture(picture_source(other.image), "", truth=True) for other in view.client.others]
    st.html(picture_row(pictures, "the rest of the batch", smallest="4rem", largest="7rem"))


def _seen(view: ClientView) -> Picture:
    """The picture, under words that a screen reader has for it, too."""
    return Picture(picture_source(view.client.sample.image), _caption(view), truth=True)


def _draw_prediction(view: ClientView) -> None:
    label, truth = view.client.sample.label, view.client.truth
    chart(probability_bars(truth.probabilities, label, view.class_names, dark=view.dark), "prediction")


def _caption(view: ClientView) -> str:
    """Size of the picture, and the classes that stand out of its label."""
    label, side = view.client.sample.label, view.client.sample.image.shape[-1]
    base = float(label.median())
    shares = sorted(zip(label.tolist(), view.class_names, strict=True), reverse=True)
    standing_out = [
        f"“{name}” {percent(share)}".replace(" %", "\N{NO-BREAK SPACE}%")
        for share, name in shares
        if share > base + 1e-9
    ]
    named = ", ".join(standing_out[:_MOST_NAMED]) + (" and more" if len(standing_out) > _MOST_NAMED else "")
    seen = "The picture as the network sees it" if view.client.partner is None else "The network sees the mixture"
    return f"{seen}, {side} × {side}. Label: {named or 'all classes alike'}."
