"""Sidebar, third part: how the label is softened."""

import streamlit as st

from dashboard import cache
from dashboard.address import SCENARIO, classroom
from gradinv_core.augmentation import AUGMENTATIONS
from gradinv_core.datasets import ImageDataset
from gradinv_core.experiments.scenario import OWN_CLASS
from gradinv_core.experiments.typed_label import LONGEST_TEXT, random_shares

__all__ = ["choose_label"]


def choose_label(images: ImageDataset) -> None:
    """Draw the label's controls; only the sliders that the chosen softening reads."""
    kind = st.selectbox(
        options=tuple(AUGMENTATIONS),
        format_func=lambda name: AUGMENTATIONS[name].title,
        **SCENARIO.named("augmentation"),
    )
    if kind == "custom":
        _choose_shares(cache.class_count(SCENARIO.current()))
        return
    if AUGMENTATIONS[kind].smooths:
        st.slider(min_value=0.0, max_value=1.0, step=0.01, **SCENARIO.named("epsilon"))
    if AUGMENTATIONS[kind].mixes:
        st.slider(min_value=0.0, max_value=1.0, step=0.01, **SCENARIO.named("ratio"))
        last = len(images) - 1
        st.number_input(
            min_value=0,
            max_value=last,
            step=1,
            **SCENARIO.named("partner", f"0 to {last:,}, from the same dataset."),
        )
    if not SCENARIO.get("own_photo"):  # of a photo of one's own it is asked where the photo is
        _choose_class(images.class_names)


def _choose_shares(classes: int) -> None:
    """The label as text: Streamlit has no widget for ten sliders that sum to one, and nobody wants one."""
    explanation = (
        f"They sum to 1. Class by class from class 0, as in 0.5, 0.3, 0.2; or with class numbers from 0 to "
        f"{classes - 1}, as in 3: 0.5, 7: 0.3, 1: 0.2."
    )
    st.text_input(max_chars=LONGEST_TEXT, **SCENARIO.named("shares", explanation))
    st.button(
        "Random label",
        on_click=_draw_shares,
        args=(classes,),
        disabled=classroom().locked,
        help="Draws shares for all classes. The seed decides which; each click takes its next draw.",
    )


def _draw_shares(classes: int) -> None:
    SCENARIO.set("shares", random_shares(classes, SCENARIO.get("seed"), SCENARIO.get("shares")))


def _choose_class(names: tuple[str, ...]) -> None:
    st.selectbox(
        options=(OWN_CLASS, *range(len(names))),
        format_func=lambda target: "the picture's own" if target == OWN_CLASS else names[target],
        **SCENARIO.named("target"),
    )
