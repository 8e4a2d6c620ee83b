"""Step 4: the soft label."""

import numpy as np
import streamlit as st

from dashboard.figures import label_bars
from dashboard.figures.base import name_classes
from dashboard.number_text import plain, tex
from dashboard.sections.view import LabView, chart, mathematics, number, numbers, step
from gradinv_core.label_recovery import LabelRecovery, Status
from gradinv_core.metrics import max_abs_error

__all__ = ["show"]

_FORMATS = {"any": "no known structure"}


def show(view: LabView) -> None:
    """Draw the step."""
    found, label = view.attack.recovery, view.client.sample.label
    names = name_classes(view.client.class_names, label.numel())
    step(4, "The label", "With λ known, the whole soft label follows, not just its largest class.")
    _verdict(found)
    error = max_abs_error(found.label, label)
    with numbers():
        number("Largest error", plain(error, 2), "Over all classes. A label's shares sum to 1.")
        number(
            "Format",
            _FORMATS.get(found.label_format, found.label_format),
            "Read off the recovered label; nobody told the server.",
        )
        number(
            "Leaked through",
            str(found.window),
            "λ can leak through the label's structure, through the rule that no share is negative, or through the "
            "gradient of a bias.",
        )
    classic = np.eye(label.numel())[view.attack.idlg]
    ambiguous = found.status is not Status.UNIQUE
    chart(label_bars(found.label, label, classic, names, ambiguous=ambiguous, dark=view.dark), "label")
    missed = max_abs_error(classic, label)
    verdict = "That is right." if missed < 1e-6 else f"That is off by {plain(missed, 2)}."
    st.caption(f"The classic attack, iDLG, can name one class only: “{names[view.attack.idlg]}”. {verdict}")
    with mathematics():
        st.latex(r"y = \operatorname{softmax}(\lambda\, W g_r + b) - \frac{c}{\lambda}")
        st.latex(
            rf"\max_i |\hat y_i - y_i| = {tex(error, 3)}, \qquad \sum_i \hat y_i = {tex(float(found.label.sum()), 7)}"
        )
        solver = found.solver.replace("_", " ")
        st.markdown(
            f"Found by the **{solver}** solver in {found.evaluations:,} evaluations and {found.seconds * 1000:.0f} ms."
        )


def _verdict(found: LabelRecovery) -> None:
    """How far the answer can be trusted, in the words of the core."""
    sentence = f"**{str(found.status).capitalize()}.** {found.message}"
    if found.status is Status.UNIQUE:
        st.info(sentence, icon=":material/check:")
    else:
        st.warning(sentence, icon=":material/help:")
