"""Step 2: what leaves the device."""

import numpy as np
import streamlit as st

from dashboard.figures import gradient_heatmap
from dashboard.number_text import plain, tex
from dashboard.sections.view import LabView, chart, formulas, mathematics, number, numbers, step

__all__ = ["show"]

_SENTENCE = "Only the gradient is sent. Picture, label and prediction stay at home."
_EXPLANATION = (
    "The gradient says, for every weight, which way to change it. The server adds up many of them to improve the "
    "network for everybody."
)
_CAPTION = "Every row is the same pattern, only scaled. Blue is positive, brown negative; small ones are exaggerated."
_OUTER_PRODUCT = (
    "An outer product multiplies every entry of one list with every entry of another: here one number for each class, "
    "and one for each feature. The number in the title is what it misses, relative to the whole."
)


def show(view: LabView) -> None:
    """Draw the step."""
    gradients, sent = view.client.gradients, view.attack.weight_grad
    step(2, "What leaves the device", _SENTENCE, _EXPLANATION)
    norm = float(np.linalg.norm(sent))
    with numbers():
        number("Numbers sent", f"{sum(gradient.numel() for gradient in gradients.values()):,}", "One for every weight.")
        number(
            "Tensors",
            str(len(gradients)),
            "Tables of numbers: one for every layer's weights, and one for its biases if it has them.",
        )
        number(
            "Norm of the head's gradient",
            plain(norm),
            "Its size: the square root of the sum of squares. The head is the last layer.",
        )
    chart(gradient_heatmap(sent, view.client.class_names, dark=view.dark), "gradient", _OUTER_PRODUCT)
    st.caption(
        "Every row is the same pattern, only scaled. Blue is positive, brown negative; colours exaggerate small ones."
    )
    with mathematics():
        residual = float(view.attack.head.residual[0])
        formulas(r"G = \frac{\partial L}{\partial W} = (p - y)\, x^{\top}")
        formulas(rf"\lVert G \rVert = {tex(norm)}", rf"\text{{outside rank one: }} {tex(residual, 3)}")
        st.markdown("One sample makes a matrix of rank one: class residual times feature. The rest is rounding.")
