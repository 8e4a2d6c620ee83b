"""The curve over lambda of every picture of a batch, once the server has taken them apart."""

from collections.abc import Sequence

from dashboard.figures.batch_curves import SampleCurve, batch_curves
from dashboard.layout.story import chart
from dashboard.sections.story.view import ClientView
from gradinv_core.batch_recovery import BatchRecovery
from gradinv_core.experiments.server import batch_curves as server
from gradinv_core.experiments.server.lambda_curve import LambdaCurve

__all__ = ["show"]

_EXPLANATION = (
    "Low is good. Taken apart, every picture has one unknown number left, its own λ, as a picture sent alone has; "
    "where its curve dips, the shares of the classes agree."
)


def show(view: ClientView, answers: BatchRecovery, pairs: Sequence[int | None]) -> None:
    """Draw them.

    Args:
        view: the client's side.
        answers: what the server made of the batch.
        pairs: which answer stands under which of the client's pictures.
    """
    curves = server.batch_curves(view.scene.network, answers)
    shown = [None if answer is None else _sample(curves[answer], answers, answer) for answer in pairs]
    settled = sum(curve is not None for curve in shown)
    if settled:
        title = f"{settled} of {len(pairs)} pictures have one λ that fits" if len(pairs) > 1 else "One λ fits"
        chart(batch_curves(shown, title=title, dark=view.dark), "curves of the batch", _EXPLANATION)


def _sample(curve: LambdaCurve | None, answers: BatchRecovery, answer: int) -> SampleCurve | None:
    return None if curve is None else SampleCurve(curve.scales, curve.scale_free_loss, answers[answer].scale)
