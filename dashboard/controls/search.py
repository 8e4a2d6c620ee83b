"""The six knobs of gradient matching, drawn where the search is watched."""

from collections.abc import Mapping

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.address import current_search, search_key, set_search
from dashboard.search_state import ITERATION_CHOICES, SearchSettings

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

    def menu(column: DeltaGenerator, title: str, field: str, titles: Mapping[str, str], explanation: str) -> None:
        key, words = search_key(field), titles.__getitem__
        column.selectbox(title, list(titles), key=key, format_func=words, disabled=disabled, help=explanation)

    first, second, third = st.columns(3)
    menu(
        first,
        "Label",
        "label",
        LABEL_TITLES,
        "The search compares gradients, and a gradient needs a label. The server recovered one above. Earlier "
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
    menu(
        third,
        "Start from",
        "start",
        _START_TITLES if rebuilt or disabled else {"noise": _START_TITLES["noise"]},
        "Random pixels, or the picture that the exact route rebuilt, to polish it.",
    )
    menu(
        first,
        "Optimizer",
        "optimizer",
        OPTIMIZER_TITLES,
        "The rule by which the pixels take a step. Adam adapts each pixel's step; on signs, it looks at "
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
    menu(
        third,
        "Distance",
        "distance",
        _DISTANCE_TITLES,
        "How two gradients are compared: by the angle between them, or by the length of their difference.",
    )
    return current_search()
