"""The honest sentence that goes with an answer: what is known, what it rests on, what would settle the rest."""

from __future__ import annotations

import numpy as np

from gradinv_core.head.structures import LabelStructure
from gradinv_core.label_recovery.known_lambda import LabelVerdict
from gradinv_core.label_recovery.modes import Search
from gradinv_core.label_recovery.result import Doubt, Status, Window

__all__ = [
    "NOT_RESCALED",
    "NO_CLASS_WEIGHTS",
    "PLAIN_STEP",
    "WITHOUT_FEATURE",
    "of_an_honest_one",
    "of_known_lambda",
    "of_row_sums",
    "of_search",
]

WITHOUT_FEATURE = "The last layer's input is zero, so only the bias gradient is left."
NOT_RESCALED = "the gradient was not rescaled"
NO_CLASS_WEIGHTS = "the loss was cross-entropy without class weights"
PLAIN_STEP = "the gradient is that of one step on one sample, not rescaled, and the loss plain cross-entropy"
_SUSPECTS = (
    "class weights, another loss than softmax cross-entropy, a temperature, several local steps, two heads, entries "
    "that are missing, or a change of the weights in place of its negative"
)
_SAME_FACTOR = 1e-4  # relative distance from a whole number


def of_search(
    search: Search,
    status: Status,
    solver: str,
    window: Window,
    rejected: LabelStructure | None,
    condition: str,
    unproven: bool,
) -> str:
    """For an answer that a search over lambda gave; ``unproven`` where a lambda fits, but worse than noise explains."""
    if solver in ("swarm", "lbfgs"):
        if search.modes:
            return "The search stopped at a small loss; it cannot tell whether another lambda fits as well."
        return "The search ended without a small loss: it left its bounds (out of bound) or ran out of steps."
    if status is Status.UNIQUE:
        if window is Window.LABEL_STRUCTURE:
            return _if("Exactly one lambda makes the classes agree; all others are excluded.", condition)
        return _if("Only one narrow range of lambda keeps the label a probability vector.", condition)
    prefix = ""
    if rejected is not None:
        prefix = (
            f"No lambda makes the classes agree, with any factor: the label is not of the assumed format, or the "
            f"gradient is no plain one ({_SUSPECTS}). "
        )
    if not search.modes and window is Window.LABEL_STRUCTURE:
        return (
            f"No lambda makes the classes agree, whatever the gradient was multiplied with: the label is not of the "
            f"assumed format, or the gradient is no plain one ({_SUSPECTS})."
        )
    if not search.modes:
        return prefix + "Nothing in the gradient singles out a lambda."
    if window is Window.SIMPLEX:
        return (
            prefix + "Only the rule that a label is a probability vector is left; it bounds lambda but does not fix it."
        )
    if len(search.modes) > 1:
        return (
            f"{len(search.modes)} separate ranges of lambda explain the gradient equally well; "
            f"the head alone cannot choose."
        )
    if unproven:
        return (
            f"The classes agree far better than by chance, but not to the gradient's own rounding, so this label is "
            f"approximate at best: coarse arithmetic does that, and so do {_SUSPECTS}."
        )
    if not search.complete:
        return "One lambda was found, but noise keeps this solver from excluding others; the scan can."
    low, high = search.modes[0].low, search.modes[0].high
    if not np.isfinite(low) or not np.isfinite(high):
        return (
            "The prediction is one-hot to the gradient's precision: every lambda in an unbounded range explains it, "
            "and the head alone cannot choose."
        )
    return "The noise in the gradient leaves a range of lambda too wide to call one answer."


def of_known_lambda(
    verdict: LabelVerdict, status: Status, window: Window, structure: LabelStructure | None, condition: str
) -> str:
    """For an answer whose lambda the bias gradient or the layer below gave."""
    if verdict.doubt is Doubt.RESCALED:
        return rescaled(verdict.factor)
    if verdict.doubt is Doubt.TEMPERATURE:
        return (
            f"As it came, the gradient fits no label of the assumed format; with a temperature of "
            f"{verdict.temperature:.4g} in the loss it fits the one shown. Pass "
            f"temperature={verdict.temperature:.4g} to accept that"
            + ("." if abs(verdict.factor / verdict.temperature - 1) < 1e-2 else _and_scale())
        )
    source = "The bias gradient" if window is Window.BIAS else "The layer below the head"
    if verdict.doubt is Doubt.FORMAT:
        if not verdict.in_simplex:
            low, high = float(verdict.label.min()), float(verdict.label.max())
            means = f"a label with entries from {low:.3g} to {high:.3g}, which is none"
        elif structure is not None and structure.name != "unknown":
            means = f"a label that is not of the format {structure.name!r}"
        else:
            means = "a label of no known format"
        announced = "; if the label has no format, pass label_format='any'" if structure is not None else ""
        return (
            f"{source} tells lambda, and with it the feature, but as it came the gradient means {means}: "
            f"{_SUSPECTS} do that{announced if verdict.in_simplex else ''}."
        )
    if status is Status.UNIQUE:
        if window is Window.BIAS:
            return _if(
                "The bias gradient is the residual itself: label and feature follow without a search.", condition
            )
        return _if("The layer below the head fits one lambda only, whatever format the label has.", condition)
    if np.isinf(verdict.uncertainty):
        return f"{source} tells lambda, and with it the feature; the label needs the gradient's scale, or a format."
    return "The noise in the gradient leaves a range of lambda too wide to call one answer."


def rescaled(factor: float) -> str:
    """For a gradient that fits a label only as a multiple of an honest one."""
    return (
        f"As it came, the gradient fits no label of the assumed format; it is {of_an_honest_one(factor)}, and the "
        f"label shown is that one's. Pass gradient_scale='unknown' to accept that."
    )


def of_row_sums(row_sum: float, feature_known: bool) -> str:
    """For a gradient whose rows do not add up to zero."""
    known = " The bias gradient gives the feature all the same." if feature_known else ""
    return (
        f"The rows of the head's gradient add up to {row_sum:.2g} of its length; under softmax cross-entropy they add "
        f"up to zero whatever the label. So the loss was another one (binary cross-entropy, squared error), or rows "
        f"are missing; the label shown means nothing then.{known}"
    )


def of_an_honest_one(factor: float) -> str:
    """A factor in words: "1/4 of an honest one", "65,536 times an honest one"."""
    for size, words in ((1 / factor, "1/{} of an honest one"), (factor, "{} times an honest one")):
        simple = round(size)
        if 1 < simple <= 10**7 and abs(size / simple - 1) < _SAME_FACTOR:
            return words.format(f"{simple:,}")
    return f"{factor:.4g} of an honest one" if factor < 1 else f"{factor:.5g} times an honest one"


def _if(sentence: str, condition: str) -> str:
    return f"{sentence} That holds if {condition}, which nothing here can test." if condition else sentence


def _and_scale() -> str:
    return " and gradient_scale='unknown', because the gradient was multiplied as well."
