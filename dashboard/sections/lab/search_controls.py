"""The six knobs of gradient matching, drawn where the search is watched."""

from collections.abc import Mapping

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.address import SEARCH
from dashboard.address.search_settings import SearchSettings

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
_ITERATIONS = (100, 300, 600, 1200, 2400, 4800)
_SMOOTHNESSES = (0.0, 1e-4, 1e-3, 1e-2, 0.1, 1.0)


def choose_search(*, disabled: bool, rebuilt: bool) -> SearchSettings:
    """Draw the controls.

    Args:
        disabled: a search is running: its settings stay as they are.
        rebuilt: whether there is, or soon may be, a picture of the exact route to start from.

    Returns:
        The settings as they stand.
    """
    before = SEARCH.current()
    if not rebuilt and before.start == "exact" and not disabled:
        SEARCH.set("start", "noise")

    def menu(column: DeltaGenerator, field: str, titles: Mapping[str, str]) -> None:
        column.selectbox(options=list(titles), format_func=titles.__getitem__, **SEARCH.named(field, disabled=disabled))

    first, second, third = st.columns(3)
    menu(first, "label", LABEL_TITLES)
    second.select_slider(
        options=sorted({*_ITERATIONS, before.iterations}), **SEARCH.named("iterations", disabled=disabled)
    )
    menu(third, "start", _START_TITLES if rebuilt or disabled else {"noise": _START_TITLES["noise"]})
    menu(first, "optimizer", OPTIMIZER_TITLES)
    second.select_slider(
        options=sorted({*_SMOOTHNESSES, before.total_variation}),
        format_func=lambda weight: f"{weight:g}" if weight else "none",
        **SEARCH.named("total_variation", disabled=disabled),
    )
    menu(third, "distance", _DISTANCE_TITLES)
    return SEARCH.current()
