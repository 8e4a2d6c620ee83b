"""The knobs of a sweep, drawn where it is watched."""

import streamlit as st

from dashboard.address import current_sweep, sweep_key
from dashboard.sweep_parameters import SWEEP_PARAMETERS
from dashboard.sweep_state import REPEAT_CHOICES
from dashboard.sweep_summary import SWEEP_METRICS, SweepMetric

__all__ = ["choose_metric", "choose_sweep"]

_METRIC = "sweep metric"


def choose_sweep(*, disabled: bool) -> None:
    """Draw the controls.

    Args:
        disabled: a sweep is running: its settings stay as they are.
    """
    before = current_sweep()
    first, second, third = st.columns(3, vertical_alignment="bottom")
    first.selectbox(
        "What varies",
        tuple(SWEEP_PARAMETERS),
        key=sweep_key("parameter"),
        format_func=lambda name: SWEEP_PARAMETERS[name].title,
        disabled=disabled,
        help="One thing changes; everything else stays as the sidebar says.",
    )
    second.select_slider(
        "Repeats at each value",
        sorted({*REPEAT_CHOICES, before.repeats}),
        key=sweep_key("repeats"),
        disabled=disabled,
        help="Every repeat is another network (the next seed) and another picture (the next one). One attack alone may "
        "be lucky. Trained networks are the same in every repeat; only the picture changes.",
    )
    third.toggle(
        "Rebuild the picture, too",
        key=sweep_key("picture"),
        disabled=disabled,
        help="Slower: besides label and feature, the server works its way back to the pixels every time.",
    )
    st.caption(SWEEP_PARAMETERS[before.parameter].explanation)


def choose_metric(*, picture: bool) -> SweepMetric:
    """Let the visitor choose how success is measured; call it only where there is something to measure.

    Args:
        picture: whether pictures were rebuilt.
    """
    names = [name for name in SWEEP_METRICS if picture or name != "psnr"]
    if st.session_state.get(_METRIC) not in names:
        st.session_state[_METRIC] = names[0]
    words = [f"**{SWEEP_METRICS[name].title.capitalize()}**: {SWEEP_METRICS[name].explanation}" for name in names]
    chosen = st.segmented_control(
        "Measured by",
        names,
        key=_METRIC,
        format_func=lambda name: SWEEP_METRICS[name].title,
        required=True,
        help=" ".join(words),
    )
    return SWEEP_METRICS[chosen or names[0]]
