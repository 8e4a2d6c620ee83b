"""The knobs of a sweep, drawn where it is watched."""

import streamlit as st

from dashboard.address import SWEEP
from gradinv_core.experiments.sweep.parameters import SWEEP_PARAMETERS
from gradinv_core.experiments.sweep.summary import SWEEP_METRICS, SweepMetric

__all__ = ["choose_metric", "choose_sweep"]

_METRIC = "sweep metric"
_REPEATS = (3, 5, 10, 20, 30)


def choose_sweep(*, disabled: bool) -> None:
    """Draw the controls.

    Args:
        disabled: a sweep is running: its settings stay as they are.
    """
    before = SWEEP.current()
    first, second, third = st.columns(3, vertical_alignment="bottom")
    first.selectbox(
        options=tuple(SWEEP_PARAMETERS),
        format_func=lambda name: SWEEP_PARAMETERS[name].title,
        **SWEEP.named("parameter", disabled=disabled),
    )
    second.select_slider(options=sorted({*_REPEATS, before.repeats}), **SWEEP.named("repeats", disabled=disabled))
    third.toggle(**SWEEP.named("picture", disabled=disabled))
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
