"""What every stored curve has: what can be looked at in it, and its numbers as a figure wants them."""

from collections.abc import Sequence

import streamlit as st

from dashboard.figures import ServerCurve
from gradinv_core.experiments.sweep.stored_study import StoredPoint
from gradinv_core.experiments.sweep.summary import SWEEP_METRICS, Kind

__all__ = ["choose_metric", "server_curve"]

_NAMES = {"label_error": "Label", "feature_cosine": "Feature", "psnr": "Picture"}


def choose_metric(curves: Sequence[Sequence[StoredPoint]], key: str) -> str | None:
    """Let the visitor choose among what any of the curves has; None where none has anything.

    Args:
        curves: points of each.
        key: of the buttons.
    """
    known = [name for name in SWEEP_METRICS if any(_is_known(point, name) for points in curves for point in points)]
    return st.segmented_control(
        "Look at",
        known,
        default=known[0] if known else None,
        required=True,
        format_func=_NAMES.__getitem__,
        key=key,
        help="What the server wants: the soft label, the last layer's input, or the picture.",
    )


def server_curve(points: Sequence[StoredPoint], metric: str) -> ServerCurve:
    """What a server recovers, point by point."""
    return ServerCurve(
        bands=[point.bands[metric] for point in points],
        right=[point.right for point in points],
        right_class=[point.right_class for point in points],
        misled=[point.shares[str(Kind.WRONG)] for point in points],
    )


def _is_known(point: StoredPoint, metric: str) -> bool:
    return point.bands[metric][1] == point.bands[metric][1]  # NaN equals nothing
