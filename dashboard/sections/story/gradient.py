"""Step 2: what leaves the device."""

import numpy as np
import streamlit as st

from dashboard.claims import gradient as claims
from dashboard.drawing.number_text import plain, tex
from dashboard.figures import gradient_heatmap, outside_rank_one
from dashboard.layout.story import chart, formulas, mathematics, number, numbers, step
from dashboard.sections.story import defended
from dashboard.sections.story.view import ClientView

__all__ = ["body", "show"]

_SENTENCE = "Only the gradient is sent. Picture, label and prediction stay at home."
_EXPLANATION = (
    "The gradient says, for every weight, which way to change it. The server adds up many of them to improve the "
    "network for everybody."
)
_OUTER_PRODUCT = (
    "An outer product multiplies every entry of one list with every entry of another: here one number for each class, "
    "and one for each feature. The number in the title is what it misses, relative to the whole."
)


def show(view: ClientView) -> None:
    """Draw the step."""
    step(2, "What leaves the device", _SENTENCE, _EXPLANATION)
    body(view)


def body(view: ClientView) -> None:
    """What the step shows, without its heading."""
    gradients, sent = view.client.gradients, view.client.head_gradient
    defended.show(view)
    norm = 0.0 if sent is None else float(np.linalg.norm(sent))
    with numbers():
        number("Numbers sent", f"{sum(gradient.numel() for gradient in gradients.values()):,}", "One for every weight.")
        number(
            "Tensors",
            str(len(gradients)),
            "Tables of numbers: one for every layer's weights, and one for its biases if it has them.",
        )
        number(
            "Norm of the head's gradient",
            "withheld" if sent is None else plain(norm),
            "Its size: the square root of the sum of squares. The head is the last layer.",
        )
    if sent is None:
        return
    chart(gradient_heatmap(sent, view.class_names, dark=view.dark), "gradient", _OUTER_PRODUCT)
    st.caption(claims.pattern(outside_rank_one(sent)).text)
    with mathematics():
        formulas(r"G = \frac{\partial L}{\partial W} = (p - y)\, x^{\top}")
        outside = tex(outside_rank_one(sent), 3)
        formulas(rf"\lVert G \rVert = {tex(norm)}", rf"\text{{outside rank one: }} {outside}")
        st.markdown(claims.RANK_ONE)
