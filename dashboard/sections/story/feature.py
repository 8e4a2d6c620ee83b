"""Step 5: the input of the last layer."""

import numpy as np

from dashboard.claims.feature import feature_finding, feature_lead
from dashboard.drawing.number_text import plain, tex
from dashboard.figures import feature_plot
from dashboard.layout.story import chart, formulas, mathematics, number, numbers, step
from dashboard.sections.story.view import LabView
from gradinv_core.metrics import relative_error

__all__ = ["body", "show"]

_EXPLANATION = "The feature is what the last layer gets to see: the picture, boiled down to a short list of numbers."


def show(view: LabView) -> None:
    """Draw the step."""
    step(5, "The feature", feature_lead(view.server, view.truth).text, _EXPLANATION)
    body(view)


def body(view: LabView) -> None:
    """What the step shows, without its heading."""
    found, true, server = view.attack.recovery.feature, view.truth.feature, view.server
    error = relative_error(found, true)
    with numbers():
        number("Relative error", plain(error, 2), "Length of the difference over the length of the truth.")
        cosine = view.truth.pattern(found)
        number("Cosine similarity", plain(cosine, 6), "1 when both point the same way, whatever λ is.")
        number("Length", plain(float(np.linalg.norm(found.numpy())), 4), "Square root of the sum of squares.")
    title = feature_finding(server, view.truth).text
    chart(feature_plot(found, true, title=title, ambiguous=not server.feature_settled, dark=view.dark), "feature")
    with mathematics():
        formulas(r"x = \lambda\, g_r", rf"\frac{{\lVert \hat x - x \rVert}}{{\lVert x \rVert}} = {tex(error, 3)}")
