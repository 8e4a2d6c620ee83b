"""Step 4: the soft label."""

import numpy as np
import streamlit as st

from dashboard.claims import label as claims
from dashboard.claims.plain_words import in_words
from dashboard.drawing.number_text import plain, tex
from dashboard.figures import label_bars
from dashboard.layout.story import chart, formulas, mathematics, number, numbers, say, step
from dashboard.sections.story.view import LabView
from gradinv_core.metrics import max_abs_error

__all__ = ["body", "show"]

_LEAD = (
    "Every λ means one whole soft label, not just its largest class. Where several fit, the bars show the best guess "
    "and the whiskers what fits."
)
_EXPLANATION = (
    "A soft label spreads a weight of 1 over the classes. Smoothing, mixup and teachers' answers are soft labels."
)
_CHART_EXPLANATION = "iDLG is an earlier attack. It takes for granted that the label is a single class."


def show(view: LabView) -> None:
    """Draw the step."""
    step(4, "The label", _LEAD, _EXPLANATION)
    body(view)


def body(view: LabView) -> None:
    """What the step shows, without its heading."""
    found, server, truth = view.attack.recovery, view.server, view.truth
    label = truth.label
    say(claims.verdict(server, truth))
    error = truth.label_error(found.label)
    with numbers():
        number("Largest error", plain(error, 2), "Of the best answer, over all classes. The shares sum to 1.")
        number(
            "Format",
            claims.format_of(server, truth).text,
            "Read off the recovered label; nobody told the server.",
        )
        number(
            "Leaked through",
            claims.leaked_through(server, truth).text,
            "λ can leak because most classes share one value, because no share is negative, or through the gradient "
            "of a bias.",
        )
    classic = np.eye(label.numel())[view.attack.idlg]
    settled = server.label_settled
    allowed = None if settled or server.tampered else (view.attack.allowed.low, view.attack.allowed.high)
    figure = label_bars(
        found.label,
        label,
        classic,
        view.class_names,
        title=claims.headline(server, truth, view.class_names).text,
        settled=settled,
        allowed=allowed,
        dark=view.dark,
    )
    chart(figure, "label", _CHART_EXPLANATION)
    missed = max_abs_error(classic, label)
    verdict = "That is right." if missed < 1e-6 else f"That is off by {plain(missed, 2)}."
    named = view.class_names[view.attack.idlg]
    st.caption(f"The classic attack, iDLG, can name one class only: “{named}”. {verdict}")
    with mathematics():
        formulas(r"y = \operatorname{softmax}(\lambda\, W g_r + b) - \frac{c}{\lambda}")
        total = float(found.label.sum())
        formulas(rf"\max_i |\hat y_i - y_i| = {tex(error, 3)}", rf"\sum_i \hat y_i = {tex(total, 7)}")
        solver = found.solver.replace("_", " ")
        st.markdown(
            f"Found by the **{solver}** solver in {found.evaluations:,} evaluations and {found.seconds * 1000:.0f} ms. "
            f"Its verdict: {in_words(found.message)}"
        )
