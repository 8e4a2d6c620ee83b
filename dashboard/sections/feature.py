"""Step 5: the input of the last layer."""

import numpy as np

from dashboard.figures import feature_plot
from dashboard.number_text import plain, tex
from dashboard.sections.view import LabView, chart, formulas, mathematics, number, numbers, step
from gradinv_core.metrics import cosine_similarity, relative_error

__all__ = ["show"]

_SETTLED = "The same λ scales one row of the gradient to the exact input of the last layer."
_OPEN = "One row of the gradient is the input of the last layer, but for the factor λ."
_EXPLANATION = "The feature is what the last layer gets to see: the picture, boiled down to a short list of numbers."


def show(view: LabView) -> None:
    """Draw the step."""
    found, true = view.attack.recovery.feature, view.client.truth.feature
    error = relative_error(found, true)
    step(5, "The feature", _SETTLED if view.settled else _OPEN, _EXPLANATION)
    with numbers():
        number("Relative error", plain(error, 2), "Length of the difference over the length of the truth.")
        cosine = cosine_similarity(found, true)
        number("Cosine similarity", plain(cosine, 6), "1 when both point the same way, whatever λ is.")
        number("Length", plain(float(np.linalg.norm(found.numpy())), 4), "Square root of the sum of squares.")
    chart(feature_plot(found, true, ambiguous=not view.settled, dark=view.dark), "feature")
    with mathematics():
        formulas(r"x = \lambda\, g_r", rf"\frac{{\lVert \hat x - x \rVert}}{{\lVert x \rVert}} = {tex(error, 3)}")
