"""Step 3: the one unknown number, and the curve it hides in."""

import streamlit as st

from dashboard.components import ScrubberData, lambda_scrubber
from dashboard.number_text import plain, tex
from dashboard.sections.view import LabView, formulas, mathematics, step
from gradinv_core.label_recovery import LabelRecovery, Status, Window

__all__ = ["show"]

_AMBIGUOUS_CAPTION = (
    "The gradient cannot tell the hatched λ apart. Move the slider through them: each means another valid label."
)
_CAPTIONS = {
    Window.LABEL_STRUCTURE: "Low is good. Move the slider: only where the curve dips do the bars fill the outlines of "
    "the true label.",
    Window.BIAS: "The gradient of the bias tells λ outright; the curve need not dip there.",
    Window.SIMPLEX: "Nearly every λ means a share below 0. What is left is one narrow range; the curve need not dip.",
}
_OTHER_CAPTION = "Other parts of the gradient tell λ; the curve need not dip there."
_MOST_RANGES = 2


def show(view: LabView) -> None:
    """Draw the step."""
    step(
        3,
        "One unknown number",
        "The gradient fixes label and feature up to one number, λ. Try every candidate yourself.",
        "The gradient is a product of two lists, and so tells neither one's size: twice the one and half the other "
        "look the same. λ is that missing factor. A loss measures how badly a candidate fits.",
    )
    found, head, curve = view.attack.recovery, view.attack.head, view.attack.curve
    if found.status is Status.VANISHED:
        st.warning(found.message, icon=":material/block:")
        return
    truth, ambiguous = view.client.truth, found.status is Status.AMBIGUOUS
    true_scale = view.client.scale_of(head.row_gradient[0])
    data = ScrubberData(
        title=finding(found),
        caption=_AMBIGUOUS_CAPTION if ambiguous else _CAPTIONS.get(found.window, _OTHER_CAPTION),
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
        true_label=truth.label.numpy(),
        candidates=[candidate.scale for candidate in found.candidates[1:]],
        intervals=found.intervals,
        ambiguous=ambiguous,
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


def finding(found: LabelRecovery) -> str:
    """What the curve shows, in one line."""
    if found.status is Status.UNIQUE:
        return f"One λ fits: {plain(found.scale, 4)}"
    ranges = [_range(low, high) for low, high in found.intervals]
    if "from −∞ to ∞" in ranges:
        return "Every λ fits: nothing singles one out"
    if len(ranges) > _MOST_RANGES:
        return f"Many λ fit, in {len(ranges)} ranges"
    return f"Many λ fit: {', and '.join(ranges)}"


def _range(low: float, high: float) -> str:
    """The ends of an interval, with as many digits as it takes to tell them apart."""
    texts = [(plain(low, digits), plain(high, digits)) for digits in (3, 5, 8)]
    first, last = next((pair for pair in texts if pair[0] != pair[1]), texts[-1])
    return f"from {first} to {last}"
