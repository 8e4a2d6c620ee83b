"""Sidebar, fourth part: how the client trains, and what it does to its gradient before sending it."""

import math
from collections.abc import Sequence

import numpy as np
import streamlit as st

from dashboard.address import SCENARIO, classroom
from dashboard.drawing.number_text import plain
from gradinv_core.client import BATCH_NORM_MODES
from gradinv_core.defences import DEFENCES, Defence, DefenceSpec, read_defences, write_defences
from gradinv_core.experiments.scenario import MOST_SAMPLES

__all__ = ["choose_defences", "choose_step"]

_KINDS = "defence kinds"
_BATCH_NORM_TITLES = {"evaluation": "its running statistics", "training": "the pictures' own statistics"}
_PER_DECADE = 3
_SHARE_STEP = 0.05


def choose_step(*, batch_norm: bool) -> None:
    """Draw the controls of the training step.

    Args:
        batch_norm: whether the network has such layers.
    """
    st.number_input(min_value=1, max_value=MOST_SAMPLES, step=1, **SCENARIO.named("samples"))
    st.selectbox(
        options=BATCH_NORM_MODES,
        format_func=_BATCH_NORM_TITLES.__getitem__,
        **SCENARIO.named("batch_norm", disabled=not batch_norm),
    )


def choose_defences() -> None:
    """Draw the pipeline of defences; the text in the scenario is the truth, and the widgets follow it."""
    chosen = read_defences(SCENARIO.get("defences"))
    st.session_state[_KINDS] = [defence.name for defence in chosen]
    st.multiselect(
        options=tuple(DEFENCES),
        format_func=lambda name: DEFENCES[name].title,
        max_selections=6,
        on_change=_take_kinds,
        placeholder="none",
        **SCENARIO.named("defences") | {"key": _KINDS},
    )
    for place, defence in enumerate(chosen):
        _choose_strength(place, defence, last=place == len(chosen) - 1)
    st.toggle(**SCENARIO.named("aware", disabled=not chosen))


def _choose_strength(place: int, defence: Defence, *, last: bool) -> None:
    """One defence: its name, its strength, and a way to move it down the pipeline."""
    spec = DEFENCES[defence.name]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if spec.parameter is None:
            st.markdown(f"{place + 1}. {spec.title}", help=spec.explanation)
        else:
            key = _strength_key(spec.name)
            st.session_state[key] = defence.parameter
            st.select_slider(
                f"{place + 1}. {spec.title}: {spec.parameter}",
                _strengths(spec, defence.parameter),
                key=key,
                format_func=lambda value: plain(value, 3),
                on_change=_take_strength,
                args=(place, spec.name),
                help=spec.explanation,
                disabled=classroom().locked,
            )
        if not last and not classroom().locked:
            st.button(
                "",
                key=f"defence later {spec.name}",
                icon=":material/arrow_downward:",
                help=f"Apply “{spec.title}” later.",
                on_click=_swap,
                args=(place,),
            )


def _strengths(spec: DefenceSpec, current: float | None) -> list[float]:
    """Positions of the slider; an address may ask for one between them."""
    if spec.whole:
        values = [float(value) for value in range(int(spec.lowest), int(spec.highest) + 1)]
    elif spec.logarithmic:
        count = round(math.log10(spec.highest / spec.lowest) * _PER_DECADE) + 1
        values = [float(f"{value:.1g}") for value in np.geomspace(spec.lowest, spec.highest, count)]
    else:
        steps = np.arange(_SHARE_STEP, spec.highest, _SHARE_STEP).round(2)
        values = [spec.lowest, *steps[steps > spec.lowest].tolist(), spec.highest]
    return sorted({*values, *([] if current is None else [current])})


def _strength_key(name: str) -> str:
    return f"defence strength {name}"


def _take_kinds() -> None:
    """The menu changed: defences that stay keep their strength, new ones start with the usual one."""
    before = {defence.name: defence for defence in read_defences(SCENARIO.get("defences"))}
    _write([before.get(name) or DEFENCES[name].build() for name in st.session_state[_KINDS]])


def _take_strength(place: int, name: str) -> None:
    chosen = list(read_defences(SCENARIO.get("defences")))
    chosen[place] = DEFENCES[name].build(st.session_state[_strength_key(name)])
    _write(chosen)


def _swap(place: int) -> None:
    chosen = list(read_defences(SCENARIO.get("defences")))
    chosen[place], chosen[place + 1] = chosen[place + 1], chosen[place]
    _write(chosen)


def _write(defences: Sequence[Defence]) -> None:
    SCENARIO.set("defences", write_defences(defences))
