"""Sidebar, third part: how the label is softened."""

import streamlit as st

from dashboard import cache
from dashboard.address import current_scenario, set_value, value_of, widget_key
from dashboard.shares import LONGEST_TEXT, random_shares
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
    "custom": "your own shares",
}


def choose_label(images: ImageDataset) -> None:
    """Draw the label's controls; only the sliders that the chosen softening reads."""
    kind = st.selectbox(
        "Softening",
        AUGMENTATION_CHOICES,
        key=widget_key("augmentation"),
        format_func=_TITLES.__getitem__,
        help="A soft label spreads its weight over several classes. Smoothing gives every class a little; mixup blends "
        "two pictures and their labels; CutMix pastes a piece of one picture into the other. Shares of your own may be "
        "anything.",
    )
    if kind == "custom":
        _choose_shares(cache.class_count(current_scenario(), images))
        return
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
    if not value_of("own_photo"):  # of a photo of one's own it is asked where the photo is
        _choose_class(images.class_names)


def _choose_shares(classes: int) -> None:
    """The label as text: Streamlit has no widget for ten sliders that sum to one, and nobody wants one."""
    st.text_input(
        "Shares",
        key=widget_key("shares"),
        max_chars=LONGEST_TEXT,
        help=f"They sum to 1. Class by class from class 0, as in 0.5, 0.3, 0.2; or with class numbers from 0 to "
        f"{classes - 1}, as in 3: 0.5, 7: 0.3, 1: 0.2.",
    )
    st.button(
        "Random label",
        on_click=_draw_shares,
        args=(classes,),
        help="Draws shares for all classes. The seed decides which; each click takes its next draw.",
    )


def _draw_shares(classes: int) -> None:
    set_value("shares", random_shares(classes, value_of("seed"), value_of("shares")))


def _choose_class(names: tuple[str, ...]) -> None:
    st.selectbox(
        "Class",
        (OWN_CLASS, *range(len(names))),
        key=widget_key("target"),
        format_func=lambda target: "the picture's own" if target == OWN_CLASS else names[target],
        help="The class the picture is trained as.",
    )
