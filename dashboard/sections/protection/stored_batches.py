"""The curves over the size of a batch, measured once and stored: chosen from the same menu as the defences."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import cache
from dashboard.claims.plain_words import of_error
from dashboard.figures import batch_size_curves
from dashboard.layout.story import chart
from dashboard.sections.protection.stored_curve import choose_metric, server_curve
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.scenario import UNTRAINED
from gradinv_core.experiments.sweep.stored_study import read_batches
from gradinv_core.experiments.sweep.summary import SWEEP_METRICS
from gradinv_core.networks import NETWORKS

__all__ = ["TITLE", "show"]

TITLE = "Larger batches"
_EXPLANATION = (
    "The client trains on several pictures at once and sends the mean of their gradients. The server counts the "
    "pictures, and takes them apart where their features have zeros of their own, as behind ReLUs."
)


def show(menus: DeltaGenerator, *, dark: bool) -> None:
    """Draw the chosen curve.

    Args:
        menus: where the menus stand.
        dark: colours for a dark page.
    """
    try:
        study = read_batches()
    except GradientInversionError as error:
        st.warning(of_error(error), icon=":material/block:")
        return
    with menus:
        chosen = st.selectbox(
            "Network attacked",
            list(study.curves),
            format_func=lambda of: _title(*of),
            key="stored batch network",
            help="An untrained network has other weights in every step; a trained one has always the same.",
        )
        curve = study.curves[chosen]
        metric = choose_metric([curve.points], f"stored metric {chosen}")
    st.markdown(_EXPLANATION)
    if metric is None:
        st.info("The server recovers nothing.", icon=":material/block:")
    else:
        spec = SWEEP_METRICS[metric]
        sizes = [int(point.strength or 0) for point in curve.points]
        server = server_curve(curve.points, metric)
        figure = batch_size_curves(sizes, server, metric=spec.axis, logarithmic=spec.logarithmic, dark=dark)
        chart(figure, "batch curves", spec.explanation)
    fewest = min(point.attacks for point in curve.points)
    st.caption(
        f"A stored measurement of {study.date}, not computed now: at least {fewest} training steps on digits for every "
        f"point, each with other pictures, labels mixed and smoothed; every label counts by itself. Whiskers hold the "
        f"middle 80 %. The lines below: how many labels are right, with no share off by more than one percent. Measure "
        f"it again with `{study.command}`."
    )


def _title(network: str, stage: str) -> str:
    trained = "" if stage == UNTRAINED else f", {cache.stage_title(network, stage)}"
    return f"{NETWORKS[network].title}{trained}"
