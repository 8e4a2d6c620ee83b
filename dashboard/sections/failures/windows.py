"""The four windows on lambda: what each admits, what they leave together, and the sentence that says so."""

import streamlit as st

from dashboard.claims.plain_words import in_words
from dashboard.claims.windows import windows_verdict
from dashboard.figures.window_bands import Band, window_bands
from dashboard.layout.story import chart, formulas, mathematics, say
from gradinv_core.label_recovery import Window
from gradinv_core.windows import FourWindows, WindowsStatus

__all__ = ["bands", "show"]

_EXPLANATION = (
    "λ is the one number that the head's gradient leaves open. Four parts of what the server holds may tell it. Each "
    "is a window: some λ are seen through it, and all others are excluded."
)
_CAPTION = (
    "Each row is one window, and λ runs from left to right in powers of ten. Blue is settled, hatched is a range that "
    "is left, an outline says nothing, grey fits nowhere. {gap} The last row is what all open windows leave together."
)
_GAP = "The shaded gap is for |λ| below 1, which no training step gives."
_OPEN_GAP = "In the shaded gap |λ| is smaller than any that is drawn."
_FORMULAS = {
    Window.LABEL_STRUCTURE: (
        r"\hat y_i(\lambda) = \hat y_j(\lambda)\ \text{ for all } i, j \text{ that share a value}",
    ),
    Window.SIMPLEX: (
        r"0 \le \hat y_i(\lambda) \le 1",
        r"\hat y(\lambda) = \operatorname{softmax}(\lambda u + b) - \frac{c}{\lambda}",
    ),
    Window.BIAS: (r"\frac{\partial L}{\partial b} = a = \frac{c}{\lambda}", r"\lambda = \frac{1}{a_r}"),
    Window.LAYER_BELOW: (
        r"\delta(\lambda) = \frac{W^{\mathsf T} c}{\lambda} \odot f'(\lambda g_r)",
        r"\frac{\partial L}{\partial b_{\text{below}}} = \sum \delta(\lambda)",
    ),
}


def show(found: FourWindows, *, true_scale: float | None, condition: str = "", dark: bool) -> None:
    """Draw the windows of one gradient.

    Args:
        found: by `gradinv_core.windows.four_windows`, from what the server holds.
        true_scale: the client's lambda of row ``found.row`` of the gradient as it was sent, the factor in the feature
            ``x = lambda g_r``; None to leave it out.
        condition: what the label's own answer rests on, as the end of a sentence that begins with "if".
        dark: whether the page is dark.
    """
    say(windows_verdict(found, true_scale, condition))
    figure = window_bands(bands(found), least=1.0 if found.known_scale else 0.0, true_scale=true_scale, dark=dark)
    chart(figure, "windows", _EXPLANATION)
    st.caption(_CAPTION.format(gap=_GAP if found.known_scale else _OPEN_GAP))
    st.markdown(
        "\n".join(
            f"- **{view.window.value.capitalize()}**, {view.state.value}: {in_words(view.sentence)}"
            for view in found.windows
        )
    )
    with mathematics():
        for view in found.windows:
            st.markdown(f"**{view.window.value.capitalize()}**")
            formulas(*_FORMULAS[view.window])
        st.markdown("Each window is asked at a confidence of 95 %, as in the Lab.")


def bands(found: FourWindows) -> list[Band]:
    """The rows of the figure: the windows, then what they leave together."""
    rows = [Band(view.window.value, view.intervals, view.state.value) for view in found.windows]
    state = "shut" if found.status is WindowsStatus.NOTHING else "open"
    return [*rows, Band("all together", found.intersection, state, together=True)]
