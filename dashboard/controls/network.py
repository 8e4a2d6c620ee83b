"""Sidebar, second part: the network both sides know."""

import streamlit as st

from dashboard import cache
from dashboard.address import set_value, value_of, widget_key
from dashboard.state import FEWEST_CLASSES, UNTRAINED
from gradinv_core.networks import INITIALISATIONS, NETWORKS

__all__ = ["choose_network"]

_INITIALISATION_TITLES = {"pytorch": "PyTorch's default", "uniform": "uniform from −0.5 to 0.5"}

_FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


def choose_network() -> None:
    """Draw the network's controls."""
    st.selectbox(
        "Architecture",
        tuple(NETWORKS),
        key=widget_key("network"),
        format_func=lambda name: NETWORKS[name].title,
        help="Fully connected networks give the picture away exactly; others hide it better.",
    )
    st.caption(NETWORKS[value_of("network")].description)
    stages = cache.network_stages(value_of("network"))
    if value_of("stage") not in stages:
        set_value("stage", UNTRAINED)
    titles = {stage: cache.stage_title(value_of("network"), stage) for stage in stages}
    st.selectbox(
        "Training so far",
        stages,
        key=widget_key("stage"),
        format_func=titles.__getitem__,
        disabled=len(stages) == 1,
        help="An untrained network is unsure, which makes the attack easy; a trained one may be so sure that little is "
        "left in its gradient. Trained networks know the ten digits.",
    )
    trained = value_of("stage") != UNTRAINED
    st.toggle(
        "Bias in the last layer",
        key=widget_key("head_bias"),
        disabled=trained,
        help="With a bias, its gradient is prediction minus label: the label can be read off without a search.",
    )
    with st.expander("More"):
        _choose_details(disabled=trained)


def _choose_factor(title: str, field: str, explanation: str) -> None:
    st.select_slider(
        title,
        sorted({*_FACTORS, value_of(field)}),
        key=widget_key(field),
        format_func=lambda factor: f"{factor:g}",
        help=explanation,
    )


def _count_title(count: int) -> str:
    if count == 0:
        return "as in the dataset"
    return f"{count}, merged" if count < FEWEST_CLASSES else f"at least {count:,}"


def _choose_details(disabled: bool) -> None:
    """What a trained network has already decided."""
    st.selectbox(
        "Classes",
        sorted({0, 2, 3, 4, 100, 1000, value_of("classes")}),
        key=widget_key("classes"),
        disabled=disabled,
        format_func=_count_title,
        help="Length of the soft label. Classes beyond the dataset's have numbers for names; with fewer than five, the "
        "dataset's are merged, and too few are left to find λ by their agreement.",
    )
    _choose_factor(
        "Sharpness",
        "sharpness",
        "Multiplies the last layer's weights. A sharp network is sure of every answer, as after long training.",
    )
    _choose_factor(
        "Gain",
        "gain",
        "Multiplies the weights of all other layers. A large gain pushes hidden units to where their activation is "
        "flat, and rounding drowns what their gradients say.",
    )
    st.selectbox(
        "Initial weights",
        INITIALISATIONS,
        key=widget_key("initialisation"),
        disabled=disabled,
        format_func=_INITIALISATION_TITLES.__getitem__,
        help="The paper draws LeNet's weights uniformly.",
    )
    st.number_input(
        "Seed",
        0,
        2**31 - 1,
        step=1,
        key=widget_key("seed"),
        disabled=disabled,
        help="Another seed, another set of random weights.",
    )
