"""Step 3: the one unknown number, and the curve it hides in."""

import streamlit as st

from dashboard.claims.cause import VANISHED
from dashboard.claims.feature import curve_finding
from dashboard.components import ScrubberData, lambda_scrubber
from dashboard.drawing.number_text import tex
from dashboard.layout.story import formulas, mathematics, step
from dashboard.sections.story.view import LabView
from gradinv_core.label_recovery import Status, Window

__all__ = ["body", "show"]

_AMBIGUOUS_CAPTION = (
    "The server cannot tell the hatched λ apart. Move the slider through them: each means another label."
)
_CHANGED_CAPTION = (
    "The curve is drawn as if the gradient were untouched. It was changed: move the slider, and no λ need fill the "
    "outlines of the true label."
)
_CAPTIONS = {
    Window.LABEL_STRUCTURE: "Low is good. Move the slider: where the curve dips, the classes agree.",
    Window.BIAS: "The gradient of the bias tells λ outright; the curve need not dip there.",
    Window.SIMPLEX: "Nearly every λ means a share below 0. What is left is one narrow range; the curve need not dip.",
}
_OTHER_CAPTION = "Other parts of the gradient tell λ; the curve need not dip there."


def show(view: LabView, picture: str = "") -> None:
    """Draw the step; the picture, if there is one, moves with lambda (see `moving_picture`)."""
    step(
        3,
        "One unknown number",
        "The gradient of one picture fixes label and feature up to one number, λ. Try every candidate yourself.",
        "It is a product of two lists, and so tells neither one's size: twice the one and half the other "
        "look the same. λ is that missing factor. A loss measures how badly a candidate fits.",
    )
    body(view, picture)


def body(view: LabView, picture: str = "") -> None:
    """What the step shows, without its heading."""
    found, head, curve, server = view.attack.recovery, view.attack.head, view.attack.curve, view.server
    if found.status is Status.VANISHED:
        st.warning(VANISHED, icon=":material/block:")
        return
    ambiguous = found.status is Status.AMBIGUOUS
    true_scale = view.client.scale_of(head.row_gradient[0])
    data = ScrubberData(
        title=curve_finding(server, view.truth).text,
        caption=_caption(view, ambiguous),
        scales=curve.scales,
        paper_loss=curve.paper_loss,
        scale_free_loss=curve.scale_free_loss,
        feasible=curve.feasible,
        u=head.products[0],
        b=head.bias,
        c=head.ratios[0],
        class_names=view.class_names,
        excluded=curve.excluded,
        found_scale=found.scale,
        found_label=found.label.numpy(),
        true_scale=true_scale,
        true_label=view.truth.label.numpy(),
        candidates=[candidate.scale for candidate in found.candidates[1:]],
        intervals=found.intervals,
        ambiguous=ambiguous,
        picture=picture,
    )
    lambda_scrubber(data, key="scrubber")
    with mathematics():
        formulas(r"x = \lambda\, g_r", r"\lambda = \frac{1}{p_r - y_r}", r"|\lambda| \ge 1")
        formulas(
            r"\hat y(\lambda) = \operatorname{softmax}(\lambda\, W g_r + b) - \frac{c}{\lambda}",
            r"c_i = \frac{\langle G_i, g_r \rangle}{\lVert g_r \rVert^2}",
        )
        formulas(
            r"\ell(\lambda) = \operatorname{Var} \hat y",
            r"\ell_{\text{free}}(\lambda) = "
            r"\frac{\ell(\lambda)}{\max\left(\operatorname{Var}\frac{c}{\lambda},\ \operatorname{Var} p\right)}",
        )
        formulas(
            rf"r = {found.row}",
            rf"\lambda = {tex(found.scale, 7)}",
            rf"\lambda_{{\text{{true}}}} = {tex(true_scale, 7)}",
        )
        st.markdown(
            f"The variances leave out the {curve.excluded} largest shares. The paper's loss $\\ell$ also falls towards "
            "infinity, where nothing is; the scale-free loss does not."
        )


def _caption(view: LabView, ambiguous: bool) -> str:
    """How to read the curve, by what the server knows of it."""
    if view.server.tampered:
        return _CHANGED_CAPTION
    return _AMBIGUOUS_CAPTION if ambiguous else _CAPTIONS.get(view.attack.recovery.window, _OTHER_CAPTION)
