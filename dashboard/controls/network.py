"""Sidebar, second part: the network both sides know."""

import streamlit as st

from dashboard import cache
from dashboard.address import SCENARIO
from gradinv_core.experiments.scenario import FEWEST_CLASSES, UNTRAINED
from gradinv_core.networks import INITIALISATIONS, NETWORKS

__all__ = ["choose_network"]

_INITIALISATION_TITLES = {"pytorch": "PyTorch's default", "uniform": "uniform from −0.5 to 0.5"}

_FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


def choose_network() -> None:
    """Draw the network's controls."""
    st.selectbox(options=tuple(NETWORKS), format_func=lambda name: NETWORKS[name].title, **SCENARIO.named("network"))
    st.caption(NETWORKS[SCENARIO.get("network")].description)
    stages = cache.network_stages(SCENARIO.get("network"))
    if SCENARIO.get("stage") not in stages:
        SCENARIO.set("stage", UNTRAINED)
    titles = {stage: cache.stage_title(SCENARIO.get("network"), stage) for stage in stages}
    st.selectbox(options=stages, format_func=titles.__getitem__, **SCENARIO.named("stage", disabled=len(stages) == 1))
    trained = SCENARIO.get("stage") != UNTRAINED
    own_bias = cache.stage_with_bias(SCENARIO.get("network"), SCENARIO.get("stage"))
    st.toggle(**SCENARIO.named("head_bias", disabled=trained and not own_bias))
    if own_bias:
        st.caption("This network was trained with one: its gradient is sent, or withheld with the switch off.")
    with st.expander("More"):
        _choose_details(disabled=trained)


def _choose_factor(field: str) -> None:
    factors = sorted({*_FACTORS, SCENARIO.get(field)})
    st.select_slider(options=factors, format_func=lambda factor: f"{factor:g}", **SCENARIO.named(field))


def _count_title(count: int) -> str:
    if count == 0:
        return "as in the dataset"
    return f"{count}, merged" if count < FEWEST_CLASSES else f"at least {count:,}"


def _choose_details(disabled: bool) -> None:
    """What a trained network has already decided."""
    st.selectbox(
        options=sorted({0, 2, 3, 4, 100, 1000, SCENARIO.get("classes")}),
        format_func=_count_title,
        **SCENARIO.named("classes", disabled=disabled),
    )
    _choose_factor("sharpness")
    _choose_factor("gain")
    st.selectbox(
        options=INITIALISATIONS,
        format_func=_INITIALISATION_TITLES.__getitem__,
        **SCENARIO.named("initialisation", disabled=disabled),
    )
    st.number_input(min_value=0, max_value=2**31 - 1, step=1, **SCENARIO.named("seed", disabled=disabled))
