"""Step 4: the soft label."""

import math

import numpy as np
import streamlit as st

from dashboard.figures import label_bars
from dashboard.number_text import plain, tex
from dashboard.sections.view import LabView, chart, formulas, mathematics, number, numbers, step
from gradinv_core.label_recovery import LabelRecovery, Window
from gradinv_core.metrics import max_abs_error

__all__ = ["show"]

_FORMATS = {"any": "no known structure"}
_WINDOWS = {"simplex": "no share below 0", "none": "nothing"}
_SETTLED = "With λ known, the whole soft label follows, not just its largest class."
_OPEN = "Every λ that fits means another label. The bars show the best guess, the whiskers all that fits."
_EXPLANATION = (
    "A soft label spreads a weight of 1 over the classes. Smoothing, mixup and teachers' answers are soft labels."
)
_CHART_EXPLANATION = "iDLG is an earlier attack. It takes for granted that the label is a single class."


def show(view: LabView) -> None:
    """Draw the step."""
    found, label = view.attack.recovery, view.client.sample.label
    step(4, "The label", _SETTLED if view.settled else _OPEN, _EXPLANATION)
    _verdict(view)
    error = max_abs_error(found.label, label)
    with numbers():
        number("Largest error", plain(error, 2), "Of the best answer, over all classes. The shares sum to 1.")
        number(
            "Format",
            _FORMATS.get(found.label_format, found.label_format) if view.settled else "not settled",
            "Read off the recovered label; nobody told the server.",
        )
        number(
            "Leaked through",
            _WINDOWS.get(str(found.window), str(found.window)),
            "λ can leak because most classes share one value, because no share is negative, or through the gradient "
            "of a bias.",
        )
    classic = np.eye(label.numel())[view.attack.idlg]
    allowed = None if view.settled else (view.attack.allowed.low, view.attack.allowed.high)
    figure = label_bars(found.label, label, classic, view.class_names, allowed=allowed, dark=view.dark)
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
            f"Its verdict: {_plain_words(found)}"
        )


def _verdict(view: LabView) -> None:
    """How far the answer can be trusted."""
    found = view.attack.recovery
    if view.settled:
        st.info(f"**Unique.** {_plain_words(found)}", icon=":material/check:")
    else:
        st.warning(f"**Ambiguous.** {_why_open(view)}", icon=":material/help:")


def _why_open(view: LabView) -> str:
    """The reason in everyday words."""
    found, reason = view.attack.recovery, view.diagnosis
    if view.tampered:
        return f"{reason.title}. {reason.message}".replace("lambda", "λ")
    if found.window is Window.SIMPLEX:
        return "This label follows no pattern that the server knows. It knows only that no share is below 0."
    if any(math.isinf(end) for interval in found.intervals for end in interval):
        return "The network is so sure of its answer that its gradient no longer tells λ apart."
    return _plain_words(found)


def _plain_words(found: LabelRecovery) -> str:
    return found.message.replace("lambda", "λ")
