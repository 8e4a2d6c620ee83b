"""The curves of all defences, measured once and stored; the page never passes them off as computed now."""

from dataclasses import replace

import streamlit as st

from dashboard.claims.plain_words import of_error
from dashboard.figures import defence_curves
from dashboard.figures.sweep_axis import ticks
from dashboard.layout.story import chart
from dashboard.sections.protection import stored_batches
from dashboard.sections.protection.stored_curve import choose_metric, server_curve
from gradinv_core.defences import DEFENCES
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.sweep.stored_study import StoredCurve, read_study
from gradinv_core.experiments.sweep.summary import SWEEP_METRICS
from gradinv_core.networks import NETWORKS

__all__ = ["EXPLANATION", "SENTENCE", "show", "weak_to_strong"]

SENTENCE = "Every defence at growing strength, against a server that does not know of it, and one that does."
EXPLANATION = (
    "A defence that only works while nobody knows of it is none: kinds and strengths have to be announced to everybody "
    "who takes part."
)
_BATCHES = "batches"


def show(*, dark: bool) -> None:
    """Draw the menu and the chosen curves."""
    try:
        study = read_study()
    except GradientInversionError as error:
        st.warning(of_error(error), icon=":material/block:")
        return
    networks = list(dict.fromkeys(network for network, _, _ in study.curves))
    menus = st.container(horizontal=True, gap="medium")
    with menus:
        defence = st.selectbox(
            "Defence",
            [*dict.fromkeys(name for _, name, _ in study.curves), _BATCHES],
            format_func=lambda name: stored_batches.TITLE if name == _BATCHES else DEFENCES[name].title,
            key="stored defence",
            help="What the client does to its gradient before it is sent; or on how many pictures it trains at once.",
        )
    if defence == _BATCHES:
        stored_batches.show(menus, dark=dark)
        return
    with menus:
        network = st.selectbox(
            "Network attacked",
            networks,
            format_func=lambda name: NETWORKS[name].title,
            key="stored network",
            help="Both are untrained; every attack has another set of weights.",
        )
        naive, aware = study.curves[network, defence, False], study.curves[network, defence, True]
        metric = choose_metric([naive.points, aware.points], f"stored metric {network} {defence}")
    st.markdown(DEFENCES[defence].explanation)
    if metric is None:
        st.info("No server recovers anything at any strength.", icon=":material/block:")
    else:
        chosen, spec = SWEEP_METRICS[metric], DEFENCES[defence]
        naive, aware = (weak_to_strong(curve) for curve in (naive, aware))
        figure = defence_curves(
            f"“{spec.title}”",
            ticks(["" if point.strength is None else point.strength for point in naive.points]),
            spec.axis or "it has no strength to choose",
            server_curve(naive.points, metric),
            server_curve(aware.points, metric),
            metric=chosen.axis,
            logarithmic=chosen.logarithmic,
            dark=dark,
        )
        chart(figure, "defence curves", chosen.explanation)
    attacks = naive.points[0].attacks
    st.caption(
        f"A stored measurement of {study.date}, not computed now: {attacks} attacks for every point, each on another "
        f"network and picture, labels mixed and smoothed. Whiskers hold the middle 80 %. The lines below: how many "
        f"labels are right, with no share off by more than one percent. Measure it again with `{study.command}`."
    )


def weak_to_strong(curve: StoredCurve) -> StoredCurve:
    """The same curve, its points in the order of what they do."""
    falling = DEFENCES[curve.defence].stronger_below
    return replace(curve, points=tuple(sorted(curve.points, key=lambda point: point.strength or 0.0, reverse=falling)))
