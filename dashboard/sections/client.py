"""Step 1: the client's picture, the label it is trained towards, and what the network predicts."""

import streamlit as st

from dashboard.figures import probability_bars
from dashboard.number_text import percent, tex
from dashboard.pictures import enlarge
from dashboard.sections.view import LabView, chart, mathematics, step

__all__ = ["show"]

_SENTENCES = {
    "none": "A device trains the network on one picture and tells it exactly one class.",
    "smoothing": "A device trains the network on one picture, and gives every class a small share of the label.",
    "mixup": "A device blends two pictures, and blends their labels in the same proportion.",
    "cutmix": "A device pastes a piece of one picture into another, and shares the label by area.",
    "mixup+smoothing": "A device blends two pictures and their labels, then gives every class a small share.",
}


def show(view: LabView) -> None:
    """Draw the step."""
    client = view.client
    step(1, "The client", _SENTENCES[view.scenario.augmentation])
    left, right = st.columns([1, 2], gap="large")
    with left:
        st.image(enlarge(client.sample.image), caption=_caption(view), width="stretch")
    with right:
        chart(
            probability_bars(client.truth.probabilities, client.sample.label, client.class_names, dark=view.dark),
            "prediction",
        )
    with mathematics():
        loss = float(-(client.sample.label * client.truth.logits.log_softmax(0)).sum())
        st.latex(r"z = W x + b, \qquad p = \operatorname{softmax}(z), \qquad L = -\sum_i y_i \log p_i")
        classes, features = client.truth.label.numel(), client.truth.feature.numel()
        st.latex(
            rf"C = {classes:,}\ \text{{classes}}, \qquad d = {features:,}\ \text{{features}}, \qquad L = {tex(loss)}"
        )


def _caption(view: LabView) -> str:
    """Size of the picture, and the classes that stand out of its label."""
    label, side = view.client.sample.label, view.client.sample.image.shape[-1]
    base = float(label.median())
    shares = zip(label.tolist(), view.client.class_names, strict=False)
    named = ", ".join(f"{name} {percent(share)}" for share, name in sorted(shares, reverse=True) if share > base + 1e-9)
    return f"The picture as the network sees it, {side} × {side}. Label: {named or 'all classes alike'}."
