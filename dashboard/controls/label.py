"""Sidebar, third part: how the label is softened."""

import streamlit as st

from dashboard.address import widget_key
from dashboard.state import AUGMENTATION_CHOICES, OWN_CLASS
from gradinv_core.augmentation import Augmentation
from gradinv_core.datasets import ImageDataset

__all__ = ["choose_label"]

_TITLES = {
    "none": "none: a hard label",
    "smoothing": "label smoothing",
    "mixup": "mixup",
    "cutmix": "CutMix",
    "mixup+smoothing": "mixup + smoothing",
}


def choose_label(images: ImageDataset) -> None:
    """Draw the label's controls; only the sliders that the chosen softening reads."""
    kind = st.selectbox(
        "Softening",
        AUGMENTATION_CHOICES,
        key=widget_key("augmentation"),
        format_func=_TITLES.__getitem__,
        help="A soft label spreads its weight over several classes. Smoothing gives every class a little; mixup blends "
        "two pictures and their labels; CutMix pastes a piece of one picture into the other.",
    )
    if "smoothing" in kind:
        st.slider(
            "Smoothing ε",
            0.0,
            1.0,
            step=0.01,
            key=widget_key("epsilon"),
            help="Share of the label that is spread evenly over all classes.",
        )
    if Augmentation(kind).needs_partner:
        st.slider(
            "Weight of the first picture",
            0.0,
            1.0,
            step=0.01,
            key=widget_key("ratio"),
            help="The second picture gets the rest.",
        )
        last = len(images) - 1
        st.number_input(
            "Second picture's number",
            0,
            last,
            step=1,
            key=widget_key("partner"),
            help=f"0 to {last:,}, from the same dataset.",
        )
    names = images.class_names
    st.selectbox(
        "Class",
        (OWN_CLASS, *range(len(names))),
        key=widget_key("target"),
        format_func=lambda target: "the picture's own" if target == OWN_CLASS else names[target],
        help="The class the picture is trained as. A picture of your own has none: choose one, or keep that of the "
        "dataset's picture.",
    )
