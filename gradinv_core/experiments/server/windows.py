"""One knowledge for every page: the windows on lambda, asked as the last layer was, and the answer that goes with them.

The Lab speaks of ranges of lambda, and so does the page of failures. Both take them from here.
"""

from collections.abc import Sequence
from dataclasses import replace

from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.public_network import Gradients, PublicNetwork
from gradinv_core.experiments.server.head_options import HeadOptions
from gradinv_core.label_recovery import LabelRecovery, Status, Window
from gradinv_core.windows import FourWindows, WindowsStatus, WindowState, WindowView, four_windows
from gradinv_core.windows.intervals import Interval, intersect_all

__all__ = ["CONFIDENCE", "look", "with_windows"]

CONFIDENCE = 0.95
"""Of every single window, as of `recover_label`."""

_TOGETHER = 1 - 4 * (1 - CONFIDENCE)  # `four_windows` divides what is left of it between four windows
_OF_THE_HEAD = (Window.LABEL_STRUCTURE, Window.SIMPLEX, Window.BIAS)


def look(network: PublicNetwork, gradients: Gradients, options: HeadOptions) -> FourWindows | None:
    """Look through the windows; None where the gradient is not that of one sample."""
    try:
        return four_windows(
            network.model,
            gradients,
            gradient_scale=options.gradient_scale,
            noise_std=options.noise_std,
            confidence=_TOGETHER,
        )
    except GradientInversionError:
        return None


def with_windows(answer: LabelRecovery, found: FourWindows | None) -> LabelRecovery:
    """The same answer, with the ranges that the head's own windows leave, and no surer than all of them allow.

    Args:
        answer: of the last layer.
        found: through the windows, asked with the same options; None where they cannot be asked.
    """
    if found is None or answer.status is Status.VANISHED:
        return answer
    if found.status is WindowsStatus.CONTRADICTION:
        if answer.status is not Status.UNIQUE:
            return answer
        _, _, reason = found.sentence.partition(": ")
        return replace(answer, status=Status.AMBIGUOUS, message=f"{reason[:1].upper()}{reason[1:]}")
    if answer.status is Status.UNIQUE:
        return answer
    views = [view for view in found.windows if view.window in _OF_THE_HEAD and view.state is WindowState.OPEN]
    left = intersect_all([view.intervals for view in views])
    if not views or not left:
        return answer
    inside = [candidate for candidate in answer.candidates if _holds(left, candidate.scale)]
    return replace(answer, intervals=left, candidates=inside or answer.candidates[:1], window=_window(views))


def _window(views: Sequence[WindowView]) -> Window:
    """The one that says most, the bias before the labels' agreement before the simplex."""
    order = (Window.BIAS, Window.LABEL_STRUCTURE, Window.SIMPLEX)
    return min((view.window for view in views), key=order.index)


def _holds(intervals: Sequence[Interval], scale: float) -> bool:
    return any(low <= scale <= high for low, high in intervals)
