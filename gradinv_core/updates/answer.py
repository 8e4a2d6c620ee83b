"""From the ranges of lambda of an update of several steps to an answer with a status and a sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradinv_core.arrays import Array, to_tensor
from gradinv_core.head.consistency import CHANCE, chance_of_agreement, good_fit_limit
from gradinv_core.head.landscape import variance_of
from gradinv_core.head.structures import LabelStructure
from gradinv_core.label_recovery import Candidate, Doubt, LabelRecovery, Status, Window
from gradinv_core.label_recovery.report import infer_format
from gradinv_core.label_recovery.result import UNIQUE_LABEL, UNIQUE_SCALE
from gradinv_core.updates.path_judge import PathSearch
from gradinv_core.updates.trajectory import TrainedHead

__all__ = ["approximate", "path_answer"]

_TOLD = 2.0  # times the limit of a good fit that one more step must cost, for the number of steps to be tested
_OVERSHOOTS = 4.0  # logits per step and residual: twice the inverse of the largest curvature, one half
_SWINGS = " Or the steps were so large that the logits swung to and fro, and the label that leads here was not found."
_ONE_TO_ONE = 2.0  # up to here no step overshoots in any direction, so that other labels lead to other ends
_GOOD_SIGMAS = 3.0  # a unique answer must fit better than one that is merely possible


def path_answer(
    trained: TrainedHead, found: PathSearch, structure: LabelStructure | None, bias_told: bool, clean: bool
) -> LabelRecovery:
    """The public answer.

    Args:
        trained: the observed update.
        found: what the search found.
        structure: the label structure it used, None for the simplex alone.
        bias_told: whether lambda came from the bias.
        clean: whether the update is of rank one to the rounding of its weights.
    """
    search, fits = found.search, found.best
    mode = search.modes[0] if search.modes else None
    label = fits.labels[0]

    def loss_of(label: Array, scale: float) -> float:
        mean = trained.head.ratios[0] / (scale * trained.steps.total)  # residual, over all steps
        return 0.0 if structure is None else float(variance_of(label + mean, mean, structure, scale_free=True))

    loss = loss_of(label, found.scale)
    candidates = [
        Candidate(mode.scale, to_tensor(each), loss_of(each, mode.scale))
        for mode, each in zip(search.modes, found.labels, strict=False)
    ]
    status, message, condition = _verdict(trained, found, structure, loss, bias_told, clean)
    window = Window.BIAS if bias_told else Window.SIMPLEX if structure is None else Window.LABEL_STRUCTURE
    unlike = search.modes == () or (structure is None and not bias_told)
    uncertainty = mode.uncertainty if mode is not None else UNIQUE_LABEL
    return LabelRecovery(
        label=to_tensor(label),
        feature=to_tensor(found.scale * trained.head.row_gradient[0]),
        scale=found.scale,
        row=int(trained.head.row[0]),
        label_format="any" if unlike else infer_format(label, uncertainty),
        loss=loss,
        status=status,
        message=message,
        intervals=[(mode.low, mode.high) for mode in search.modes] or [found.reach],
        candidates=candidates or [Candidate(found.scale, to_tensor(label), loss)],
        window=window,
        solver="bias" if bias_told else "scan",
        evaluations=search.evaluations,
        noise=float(trained.head.residual[0]),
        condition=condition,
        doubt=Doubt.NONE if search.modes else Doubt.FORMAT,
    )


def approximate(answer: LabelRecovery, steps: int) -> LabelRecovery:
    """The answer to a mean of several gradients of a body that trained: a guess, whatever it says of itself."""
    return replace(
        answer,
        status=Status.AMBIGUOUS,
        message=f"The layers below the head trained along, so the {steps} local steps saw {steps} different features. "
        f"The label is an approximation, read off the mean gradient; ask for updates of a single step.",
        intervals=[(-np.inf, np.inf)],
        condition="",
    )


def _verdict(
    trained: TrainedHead,
    found: PathSearch,
    structure: LabelStructure | None,
    loss: float,
    bias_told: bool,
    clean: bool,
) -> tuple[Status, str, str]:
    """Status, sentence and condition."""
    steps, search, fits = trained.steps.steps, found.search, found.best
    if not search.modes:
        return (
            Status.AMBIGUOUS,
            f"No label {'of the assumed format ' if structure is not None else ''}explains {steps} local steps of this "
            f"size: their number, the learning rate, weight decay or momentum is another, "
            f"{'' if structure is None else 'the label has another format, '}or the loss is not plain cross-entropy."
            f"{_SWINGS if _swings(trained, found.scale) else ''}",
            "",
        )
    if structure is None and not bias_told:
        return (
            Status.AMBIGUOUS,
            "Only the rule that a label is a probability vector is left; it bounds lambda but does not fix it.",
            "",
        )
    if len(search.modes) > 1:
        return (
            Status.AMBIGUOUS,
            f"{len(search.modes)} separate ranges of lambda explain the {steps} local steps equally well; the head "
            f"alone cannot choose.",
            "",
        )
    mode = search.modes[0]
    narrow = mode.high - mode.low <= 2 * UNIQUE_SCALE * abs(mode.scale) and mode.uncertainty <= UNIQUE_LABEL
    if not narrow:
        return Status.AMBIGUOUS, _too_wide(mode.low, mode.high), ""
    if not clean:
        return (
            Status.AMBIGUOUS,
            f"{trained.head.residual[0]:.0e} of the update is outside rank one, more than the rounding of the weights "
            f"leaves: a weight decay that was not told, added noise, or a second sample. The label is approximate.",
            "",
        )
    if structure is None and _push(trained, found.scale) > _ONE_TO_ONE:
        return (
            Status.AMBIGUOUS,
            f"The bias update tells lambda, and with it the feature; but steps this large may lead from several labels "
            f"to one end after {steps} of them, and nothing else is known of the label.",
            "",
        )
    if structure is None:
        return (
            Status.UNIQUE,
            f"The bias update tells lambda, and one label leads to this end in {steps} local steps.",
            f"the client took exactly {steps} plain SGD steps of this learning rate on cross-entropy",
        )
    if fits.one_more[0] < _TOLD * float(good_fit_limit(mode.freedom)):
        return (
            Status.AMBIGUOUS,
            f"One label fits, if the client took exactly {steps} local steps; the predictions are too much alike to "
            f"show their number.",
            "",
        )
    surely_good = fits.freedom + _GOOD_SIGMAS * (2.0 * fits.freedom) ** 0.5
    by_chance = chance_of_agreement(trained.head.classes, loss, structure, mode.freedom) >= CHANCE
    if fits.chi_square[0] > surely_good or by_chance or mode.freedom < 1:
        return (
            Status.AMBIGUOUS,
            f"One lambda fits the {steps} local steps, but not well enough to exclude an accident.",
            "",
        )
    return (
        Status.UNIQUE,
        f"Exactly one lambda makes the classes agree after {steps} local steps; all others are excluded, and so are "
        f"other numbers of steps."
        if not bias_told
        else f"The bias update tells lambda, and the one label that leads to this end in {steps} local steps has the "
        f"assumed format.",
        "",
    )


def _swings(trained: TrainedHead, scale: float) -> bool:
    """Whether a step moves the logits so far that the training may overshoot."""
    return _push(trained, scale) > _OVERSHOOTS


def _push(trained: TrainedHead, scale: float) -> float:
    """How far one step moves the logits per unit of residual: the learning rate times the feature's squared length."""
    return float(trained.strength(np.array([scale]))[0]) / (1 - trained.steps.momentum)


def _too_wide(low: float, high: float) -> str:
    if not np.isfinite(low) or not np.isfinite(high):
        return (
            "The prediction is one-hot to the update's precision, or the steps were so large that the logits jump to "
            "and fro: every lambda in an unbounded range explains it."
        )
    return "The rounding of the weights leaves a range of lambda too wide to call one answer."
