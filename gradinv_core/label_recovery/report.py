"""From a solver's ranges of lambda to an answer with a status, a format and a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradinv_core.arrays import Array, to_tensor
from gradinv_core.head import ObservedHead
from gradinv_core.head.consistency import CHANCE, chance_of_agreement
from gradinv_core.head.hidden_factor import FACTOR_SIGMAS
from gradinv_core.head.landscape import label_parts, variance_of
from gradinv_core.head.structures import LabelStructure
from gradinv_core.label_recovery import sentences
from gradinv_core.label_recovery.known_lambda import LabelVerdict
from gradinv_core.label_recovery.modes import Mode, Search
from gradinv_core.label_recovery.request import FEWEST_TO_TEST
from gradinv_core.label_recovery.result import (
    UNIQUE_LABEL,
    UNIQUE_SCALE,
    Candidate,
    Doubt,
    LabelRecovery,
    Status,
    Window,
)

__all__ = [
    "candidates_at",
    "infer_format",
    "report",
    "report_known_lambda",
    "report_rescaled",
    "report_row_sums",
    "vanished_report",
]

_PRESENT = 1e-5  # a label entry below this is called zero
_SIGMAS = 3.0  # by which the misfit of a proven answer may exceed what noise is expected to leave
_COMMON_ROUNDING = 0.2  # of the degrees of freedom: what all classes' rounding together may look like a factor
_HIDDEN = 1e-2  # of a label entry: a factor that may hide and moves one further than this is a condition


def report(
    head: ObservedHead,
    search: Search,
    structure: LabelStructure | None,
    solver: str,
    window: Window,
    rejected: LabelStructure | None = None,
    fallback_scale: float | None = None,
    known_scale: bool = True,
    candidates: list[Candidate] | None = None,
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
        known_scale: whether the gradient is said to have arrived unscaled.
        candidates: one for each range that was found, if they are there already.
    """
    modes = search.modes or (_nowhere(fallback_scale),)
    if candidates is None:
        candidates = [one for mode in modes for one in candidates_at(head, [mode], structure)]
    best, answer = modes[0], candidates[0]
    tested = structure if window is Window.LABEL_STRUCTURE else None
    fits = _is_single(head.classes, search, answer.loss, tested)
    proven = fits and rejected is None and not search.strained and _is_good(best)
    structured = structure is not None and bool(search.modes)
    label_format = infer_format(answer.label.numpy(), best.uncertainty) if structured else "any"
    unnoticed = best.hidden_factor > _HIDDEN or best.factor_pull > FACTOR_SIGMAS**2
    condition = _condition(head, tested is not None, unnoticed, known_scale, label_format) if proven else ""
    status = Status.UNIQUE if proven else Status.AMBIGUOUS
    unproven = bool(search.modes) and tested is not None and (search.strained or not _is_good(best))
    return LabelRecovery(
        label=answer.label,
        feature=to_tensor(best.scale * head.row_gradient[0]),
        scale=best.scale,
        row=int(head.row[0]),
        label_format=label_format,
        loss=answer.loss,
        status=status,
        message=sentences.of_search(search, status, solver, window, rejected, condition, unproven),
        intervals=[(mode.low, mode.high) for mode in search.modes] or [(-np.inf, np.inf)],
        candidates=candidates,
        window=window,
        solver=solver,
        evaluations=search.evaluations,
        noise=float(head.residual[0]),
        condition=condition,
        doubt=Doubt.FORMAT if rejected is not None or (search.strained and bool(search.modes)) else Doubt.NONE,
    )


def report_rescaled(head: ObservedHead, search: Search, structure: LabelStructure, solver: str) -> LabelRecovery | None:
    """The answer to a gradient that fits as it came nowhere, and with a factor once; None where that is not certain.

    Args:
        head: the single observed head.
        search: with an unknown scale.
        structure: the label structure.
        solver: name of the solver.
    """
    answer = report(head, search, structure, solver, Window.LABEL_STRUCTURE)
    if answer.status is not Status.UNIQUE:
        return None
    factor = 1 / (answer.scale * search.modes[0].amplitude)
    message = sentences.rescaled(factor)
    return replace(answer, status=Status.AMBIGUOUS, condition="", doubt=Doubt.RESCALED, factor=factor, message=message)


def report_known_lambda(
    head: ObservedHead,
    mode: Mode,
    verdict: LabelVerdict,
    structure: LabelStructure | None,
    solver: str,
    window: Window,
    evaluations: int = 1,
    known_scale: bool = True,
) -> LabelRecovery:
    """The answer where lambda is known without a word about the label.

    Args:
        head: the single observed head.
        mode: the one range of lambda.
        verdict: of `judge_label` on its label.
        structure: what was assumed of the label, None for the simplex alone.
        solver: name of the solver.
        window: where lambda leaked.
        evaluations: how many lambdas were evaluated.
        known_scale: whether the gradient is said to have arrived unscaled.
    """
    doubt = Doubt.FORMAT if structure is None and known_scale and not verdict.in_simplex else verdict.doubt
    verdict = replace(verdict, doubt=doubt)
    narrow = mode.high - mode.low <= 2 * UNIQUE_SCALE * abs(mode.scale) and verdict.uncertainty <= UNIQUE_LABEL
    unique = narrow and doubt is Doubt.NONE
    open_ = doubt is Doubt.FORMAT or np.isinf(verdict.uncertainty)
    label_format = "any" if open_ else infer_format(verdict.label, verdict.uncertainty)
    unnoticed = verdict.hidden_factor > _HIDDEN
    condition = _condition(head, verdict.tested, unnoticed, known_scale, label_format) if unique else ""
    status = Status.UNIQUE if unique else Status.AMBIGUOUS
    label = to_tensor(verdict.label)
    return LabelRecovery(
        label=label,
        feature=to_tensor(mode.scale * head.row_gradient[0]),
        scale=mode.scale,
        row=int(head.row[0]),
        label_format=label_format,
        loss=verdict.loss,
        status=status,
        message=sentences.of_known_lambda(verdict, status, window, structure, condition),
        intervals=[(mode.low, mode.high)],
        candidates=[Candidate(mode.scale, label, verdict.loss)],
        window=window,
        solver=solver,
        evaluations=evaluations,
        noise=float(head.residual[0]),
        condition=condition,
        doubt=doubt,
        factor=verdict.factor,
    )


def report_row_sums(answer: LabelRecovery, head: ObservedHead) -> LabelRecovery:
    """The same answer where the rows of the gradient do not add up: a label that means nothing, and says so.

    Args:
        answer: taken as if all were well.
        head: the single observed head.
    """
    known = answer.window in (Window.BIAS, Window.LAYER_BELOW)
    return replace(
        answer,
        status=Status.AMBIGUOUS,
        message=sentences.of_row_sums(float(head.row_sum[0]), known),
        intervals=answer.intervals if known else [(-np.inf, np.inf)],
        label_format="any",
        condition="",
        doubt=Doubt.ROW_SUMS,
        factor=1.0,
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


def _is_single(classes: int, search: Search, loss: float, structure: LabelStructure | None) -> bool:
    """One narrow range, proven alone, and not an agreement that chance explains."""
    if not search.complete or len(search.modes) != 1:
        return False
    mode = search.modes[0]
    if mode.high - mode.low > 2 * UNIQUE_SCALE * abs(mode.scale) or mode.uncertainty > UNIQUE_LABEL:
        return False
    if structure is None:
        return True
    return chance_of_agreement(classes, loss, structure, mode.freedom) < CHANCE


def _is_good(mode: Mode) -> bool:
    """Whether noise explains the misfit, and no factor on the gradient would explain a good part of it.

    Among many classes, what a softmax's own rounding has in common adds up to the trace of a small factor.
    """
    chi_square = mode.misfit * mode.freedom
    pull = max(FACTOR_SIGMAS**2, _COMMON_ROUNDING * mode.freedom)
    return chi_square <= mode.freedom + _SIGMAS * (2 * mode.freedom) ** 0.5 and mode.factor_pull <= pull


def _condition(head: ObservedHead, tested: bool, unnoticed: bool, known_scale: bool, label_format: str) -> str:
    """What a unique answer rests on that nothing could have refuted.

    Args:
        head: the single observed head.
        tested: whether the label has a structure that was put to the test.
        unnoticed: whether a factor on the gradient would go unnoticed.
        known_scale: whether the gradient is said to have arrived unscaled.
        label_format: as it was read off the label.
    """
    if not tested or head.classes < FEWEST_TO_TEST:
        return sentences.PLAIN_STEP
    if known_scale and unnoticed:
        return sentences.NOT_RESCALED
    # Class weights that nobody announced pass for a factor and another mixture of the two.
    if not known_scale and label_format == "mixup" and head.class_weights is None:
        return sentences.NO_CLASS_WEIGHTS
    return ""


def candidates_at(head: ObservedHead, modes: Sequence[Mode], structure: LabelStructure | None) -> list[Candidate]:
    """The label that one range of lambda means, for each of N heads at once.

    Args:
        head: N observed heads.
        modes: one of each.
        structure: the label structure, None for the simplex alone.
    """
    scales, amplitude = (np.array([[getattr(mode, name)] for mode in modes]) for name in ("scale", "amplitude"))
    probabilities, ratios = (part[:, 0] for part in label_parts(head, scales))
    residuals = amplitude * ratios
    losses = np.zeros(len(modes)) if structure is None else variance_of(probabilities, residuals, structure, True)
    labels = probabilities - residuals
    return [
        Candidate(mode.scale, to_tensor(label), float(loss))
        for mode, label, loss in zip(modes, labels, losses, strict=True)
    ]


def _nowhere(scale: float | None) -> Mode:
    """A placeholder when nothing is consistent: the given lambda, or the smallest possible one."""
    value = 1.0 if scale is None else scale
    return Mode(value, -np.inf, np.inf, 1 / value, np.inf, 0, 1.0)
