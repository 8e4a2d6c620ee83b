"""Step 2: what leaves the device."""

import numpy as np
import streamlit as st

from dashboard.figures import gradient_heatmap
from dashboard.number_text import plain, tex
from dashboard.sections.view import LabView, chart, mathematics, number, numbers, step

__all__ = ["show"]


def show(view: LabView) -> None:
    """Draw the step."""
    gradients, sent = view.client.gradients, view.attack.weight_grad
    step(2, "What leaves the device", "Only the gradient is sent. Picture, label and prediction stay at home.")
    norm = float(np.linalg.norm(sent))
    with numbers():
        number("Numbers sent", f"{sum(gradient.numel() for gradient in gradients.values()):,}")
        number("Tensors", str(len(gradients)), "One for every weight or bias of the network.")
        number("Norm of the head's gradient", plain(norm), "The head is the last fully connected layer.")
    chart(gradient_heatmap(sent, view.client.class_names, dark=view.dark), "gradient")
    st.caption("Every row is the same pattern, only scaled. Blue is positive, brown is negative.")
    with mathematics():
        residual = float(view.attack.head.residual[0])
        st.latex(r"G = \frac{\partial L}{\partial W} = (p - y)\, x^{\top}")
        st.latex(rf"\lVert G \rVert = {tex(norm)}, \qquad \text{{outside rank one: }} {tex(residual, 3)}")
        st.markdown("One sample makes a matrix of rank one: class residual times feature. The rest is rounding.")
