"""Things as a student first meets them, before there is a formula: so many numbers, a row for each class, a mixture."""

from __future__ import annotations

import streamlit as st

from dashboard.figures import gradient_heatmap
from dashboard.layout.story import chart, number, numbers
from dashboard.sections.shared.material import Material
from dashboard.sections.story.mixture import mixture_row

__all__ = ["show_mixture", "show_numbers", "show_rows"]

_MOST = 40  # numbers that one looks at


def show_numbers(material: Material) -> None:
    """How many numbers travel, and what a few of them look like."""
    client = material.client.client
    with numbers():
        number("Numbers sent", f"{sum(gradient.numel() for gradient in client.gradients.values()):,}")
        number("Pixels sent", "0")
    head = client.head_gradient
    if head is not None:
        some = [value for value in head.flatten().tolist() if value][:_MOST]
        st.code(", ".join(f"{value:.4f}" for value in some) + ", …", language=None, wrap_lines=True)
        st.caption("A few of them, from the last layer. Does any of this look like a picture?")


def show_rows(material: Material) -> None:
    """The last layer's gradient alone, without the product it will turn out to be."""
    head, names = material.client.client.head_gradient, material.client.class_names
    if head is not None:
        chart(gradient_heatmap(head, names, title="A row for each class", dark=material.dark), "rows")
        st.caption("Blue is positive, brown negative; colours exaggerate small numbers.")


def show_mixture(material: Material) -> None:
    """The two pictures and what they are mixed to."""
    st.html(mixture_row(material.client.client, material.client.class_names))
    st.caption("The network is trained on the mixture alone.")
