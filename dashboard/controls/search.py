"""The six knobs of gradient matching, drawn where the search is watched."""

import streamlit as st

from dashboard.address import current_search, search_key, set_search
from dashboard.search_state import (
    DISTANCE_CHOICES,
    ITERATION_CHOICES,
    LABEL_CHOICES,
    OPTIMIZER_CHOICES,
    START_CHOICES,
    SearchSettings,
)

__all__ = ["LABEL_TITLES", "OPTIMIZER_TITLES", "choose_search"]

LABEL_TITLES = {
    "recovered": "recovered",
    "true": "the true one",
    "hard": "hard (iDLG)",
    "learned": "learned (DLG)",
}
OPTIMIZER_TITLES = {"signed adam": "Adam on signs", "adam": "Adam", "lbfgs": "L-BFGS"}
_DISTANCE_TITLES = {"cosine": "angle (cosine)", "l2": "length (L2)"}
_START_TITLES = {"noise": "noise", "exact": "the picture above"}
_SMOOTHNESS_CHOICES = (0.0, 1e-4, 1e-3, 1e-2, 0.1, 1.0)


def choose_search(*, disabled: bool, rebuilt: bool) -> SearchSettings:
    """Draw the controls.

    Args:
        disabled: a search is running: its settings stay as they are.
        rebuilt: whether there is, or soon may be, a picture of the exact route to start from.

    Returns:
        The settings as they stand.
    """
    before = current_search()
    if not rebuilt and before.start == "exact" and not disabled:
        set_search("start", "noise")
    first, second, third = st.columns(3)
    first.selectbox(
        "Label",
        LABEL_CHOICES,
        key=search_key("label"),
        format_func=LABEL_TITLES.__getitem__,
        disabled=disabled,
        help="The search compares gradients, and a gradient needs a label. The server recovered one above. Earlier "
        "attacks guess a single class (iDLG), or search for the label along with the picture (DLG). A real server does "
        "not know the true one; it shows how much a perfect label would help.",
    )
    second.select_slider(
        "Iterations",
        sorted({*ITERATION_CHOICES, before.iterations}),
        key=search_key("iterations"),
        disabled=disabled,
        help="Small steps of the search. Each costs about two training steps of the network; the paper takes 4,800.",
    )
    third.selectbox(
        "Start from",
        START_CHOICES if rebuilt or disabled else START_CHOICES[:1],
        key=search_key("start"),
        format_func=_START_TITLES.__getitem__,
        disabled=disabled,
        help="Random pixels, or the picture that the exact route rebuilt, to polish it.",
    )
    first.selectbox(
        "Optimizer",
        OPTIMIZER_CHOICES,
        key=search_key("optimizer"),
        format_func=OPTIMIZER_TITLES.__getitem__,
        disabled=disabled,
        help="The rule by which the pixels take a step. Adam adapts each pixel's step; on signs, it looks at "
        "directions only, as the paper does. L-BFGS learns the curvature.",
    )
    second.select_slider(
        "Smoothness",
        sorted({*_SMOOTHNESS_CHOICES, before.total_variation}),
        key=search_key("total_variation"),
        disabled=disabled,
        help="Weight of a prior belief: neighbouring pixels are alike (total variation). None says nothing, too much "
        "paints everything flat.",
        format_func=lambda weight: f"{weight:g}" if weight else "none",
    )
    third.selectbox(
        "Distance",
        DISTANCE_CHOICES,
        key=search_key("distance"),
        format_func=_DISTANCE_TITLES.__getitem__,
        disabled=disabled,
        help="How two gradients are compared: by the angle between them, or by the length of their difference.",
    )
    return current_search()
