"""From a solver's ranges of lambda to an answer with a status, a format and a sentence."""

from __future__ import annotations

import numpy as np

from gradinv_core.arrays import Array, to_tensor
from gradinv_core.consistency import chance_of_agreement
from gradinv_core.errors import OptionError
from gradinv_core.head import ObservedHead
from gradinv_core.label_recovery.modes import Mode, Search
from gradinv_core.label_recovery.result import UNIQUE_SCALE, Candidate, LabelRecovery, Status, Window
from gradinv_core.label_structures import LabelStructure
from gradinv_core.landscape import head_probabilities, variance_of

__all__ = ["UNIQUE_LABEL", "infer_format", "report", "vanished_report", "zero_feature_report"]

UNIQUE_LABEL = 1e-3
"""An answer is called unique only if no label entry can be off by more than this."""

_CHANCE = 1e-3  # expected number of accidental agreements above which an agreement proves nothing
_PRESENT = 1e-5  # a label entry below this is called zero


def report(
    head: ObservedHead,
    search: Search,
    structure: LabelStructure | None,
    solver: str,
    window: Window,
    rejected: LabelStructure | None = None,
    fallback_scale: float | None = None,
) -> LabelRecovery:
    """Turn a search over one head into the public answer.

    Args:
        head: the single observed head.
        search: what the solver found.
        structure: the label structure it used, None for the simplex alone.
        solver: name of the solver.
        window: where lambda leaked.
        rejected: a structure that was tried first and explains the gradient nowhere.
        fallback_scale: the lambda to show when the search found nothing.
    """
    modes = search.modes or (_nowhere(fallback_scale),)
    candidates = [_candidate(head, mode, structure) for mode in modes]
    best, answer = modes[0], candidates[0]
    unique = _is_unique(head.classes, search, answer.loss, structure if window is Window.LABEL_STRUCTURE else None)
    status = Status.UNIQUE if unique else Status.AMBIGUOUS
    structured = structure is not None and bool(search.modes)
    label_format = (
        infer_format(answer.label.numpy(), best.uncertainty)
        if structured or window in (Window.BIAS, Window.LAYER_BELOW)
        else "any"
    )
    return LabelRecovery(
        label=answer.label,
        feature=to_tensor(best.scale * head.row_gradient[0]),
        scale=best.scale,
        row=int(head.row[0]),
        label_format=label_format,
        loss=answer.loss,
        status=status,
        message=_message(search, status, solver, window, rejected),
        intervals=[(mode.low, mode.high) for mode in search.modes] or [(-np.inf, np.inf)],
        candidates=candidates,
        window=window,
        solver=solver,
        evaluations=search.evaluations,
        noise=float(head.residual[0]),
    )


def vanished_report(head: ObservedHead, index: int) -> LabelRecovery:
    """The answer to a gradient that is exactly zero."""
    classes, features = head.weight.shape
    return LabelRecovery(
        label=to_tensor(np.full(classes, 1 / classes)),
        feature=to_tensor(np.zeros(features)),
        scale=np.inf,
        row=int(head.row[index]),
        label_format="any",
        loss=0.0,
        status=Status.VANISHED,
        message="The gradient is exactly zero: the network already predicts its label to the last digit, or its "
        "feature is zero. Nothing can be read from it.",
        intervals=[(-np.inf, np.inf)],
    )


def zero_feature_report(head: ObservedHead, index: int, bias_grad: Array) -> LabelRecovery:
    """The answer when only the bias gradient is left: the feature is zero, so the logits are the bias alone."""
    row = int(np.abs(bias_grad).argmax())
    logits = np.exp(head.bias - head.bias.max())
    label = logits / logits.sum() - bias_grad
    if label.min() < -_PRESENT or label.max() > 1 + _PRESENT:
        raise OptionError(
            "gradient_scale: expected a bias gradient as it was computed, got one that means no label beside a zero "
            "weight gradient; pass both gradients of one training step."
        )
    scale = float(1 / bias_grad[row])
    return LabelRecovery(
        label=to_tensor(label),
        feature=to_tensor(np.zeros(head.weight.shape[1])),
        scale=scale,
        row=row,
        label_format=infer_format(label, 4 * float(head.rounding[index])),
        loss=0.0,
        status=Status.UNIQUE,
        message="The last layer's input is zero, so only the bias gradient is left; it gives the label away.",
        intervals=[(scale, scale)],
        candidates=[Candidate(scale, to_tensor(label), 0.0)],
        window=Window.BIAS,
        solver="bias",
        evaluations=1,
    )


def infer_format(label: Array, uncertainty: float) -> str:
    """Read the label format off a recovered label (C,): how many entries stand out, and whether the rest is zero."""
    tolerance = max(_PRESENT, 2 * uncertainty)
    ordered = np.sort(label)[::-1]
    base = float(ordered[2 + (len(label) - 2) // 2]) if len(label) > 2 else 0.0  # median of all but the top two
    if len(label) > 2 and np.abs(ordered[2:] - base).max() > 2 * tolerance:
        return "any"
    mixed = ordered[1] - base > tolerance
    smoothed = base > tolerance / max(len(label) - 2, 1) ** 0.5
    if mixed:
        return "mixup+smoothing" if smoothed else "mixup"
    return "smoothing" if smoothed else "hard"


def _is_unique(classes: int, search: Search, loss: float, structure: LabelStructure | None) -> bool:
    """One narrow range, proven alone, and not an agreement that chance explains."""
    if not search.complete or len(search.modes) != 1:
        return False
    mode = search.modes[0]
    if mode.high - mode.low > 2 * UNIQUE_SCALE * abs(mode.scale) or mode.uncertainty > UNIQUE_LABEL:
        return False
    if structure is None:
        return True
    return chance_of_agreement(classes, loss, structure, mode.freedom) < _CHANCE


def _candidate(head: ObservedHead, mode: Mode, structure: LabelStructure | None) -> Candidate:
    probabilities = head_probabilities(head, np.array([[mode.scale]]))[0, 0]
    residuals = mode.amplitude * head.ratios[0]
    loss = 0.0 if structure is None else float(variance_of(probabilities, residuals, structure, scale_free=True))
    return Candidate(mode.scale, to_tensor(probabilities - residuals), loss)


def _nowhere(scale: float | None) -> Mode:
    """A placeholder when nothing is consistent: the given lambda, or the smallest possible one."""
    value = 1.0 if scale is None else scale
    return Mode(value, -np.inf, np.inf, 1 / value, np.inf, 0, 1.0)


def _message(search: Search, status: Status, solver: str, window: Window, rejected: LabelStructure | None) -> str:
    if solver in ("swarm", "lbfgs"):
        if search.modes:
            return "The search stopped at a small loss; it cannot tell whether another lambda fits as well."
        return "The search ended without a small loss: it left its bounds (out of bound) or ran out of steps."
    if status is Status.UNIQUE:
        return {
            Window.BIAS: "The bias gradient is the residual itself: label and feature follow without a search.",
            Window.LAYER_BELOW: "The layer below the head fits one lambda only, whatever format the label has.",
            Window.LABEL_STRUCTURE: "Exactly one lambda makes the classes agree; all others are excluded.",
        }.get(window, "Only one narrow range of lambda keeps the label a probability vector.")
    prefix = ""
    if rejected is not None:
        prefix = "No lambda makes the classes agree, so the label is not of the assumed format. "
    if not search.modes:
        return prefix + (
            "Nothing in the gradient singles out a lambda; if it was clipped or multiplied, say "
            "gradient_scale='unknown'."
        )
    if window is Window.SIMPLEX:
        return (
            prefix + "Only the rule that a label is a probability vector is left; it bounds lambda but does not fix it."
        )
    if len(search.modes) > 1:
        return (
            f"{len(search.modes)} separate ranges of lambda explain the gradient equally well; "
            f"the head alone cannot choose."
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
