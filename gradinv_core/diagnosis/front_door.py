"""One front door to the diagnosis of a label attack: look for marks, try the attack, name what stood in its way."""

from __future__ import annotations

from collections.abc import Mapping
from math import isinf

import numpy as np
import torch
from torch import nn

from gradinv_core.arrays import Array, ArrayLike
from gradinv_core.diagnosis.cause import Cause, Diagnosis
from gradinv_core.diagnosis.traces import (
    dropped_rows,
    grid_levels,
    hole_share,
    sample_count,
    scale_invariance,
    weight_decay,
)
from gradinv_core.errors import ClassCountError, RankError
from gradinv_core.gradients import GradientsLike, read_gradients
from gradinv_core.head import HeadView, find_head, view_head
from gradinv_core.head.factors import predicted
from gradinv_core.label_recovery import Doubt, LabelRecovery, Status, recover_label

__all__ = ["diagnose"]

_HOLES = 1e-3  # share of unexplained zeros from which a gradient was pruned
_ADDED = 2e-6  # relative residual beside rank one above which there is more than rounding
_COARSE = 15  # steps up to which rounding errors hang together: even a clean outer product may be one of roundings
_ONE_HOT = 1e-6  # what a prediction that looks one-hot leaves to all other classes
_ROUNDED = 2.0**-24  # likewise, from which float32 calls the prediction 1
_BLIND = 1e-4  # cosine between weights and gradients below which the loss is blind to the weights' size


def diagnose(
    model: nn.Module,
    gradients: GradientsLike,
    *,
    head: str | None = None,
    temperature: float = 1.0,
    class_weights: ArrayLike | None = None,
) -> Diagnosis:
    """Say why the label did not come out of the head, from what the server holds.

    One thing no gradient tells: where all logits are nearly equal, the prediction is linear in lambda, and a rescaled
    gradient can be the honest one of another label. A message that rests on that says so.

    Args:
        model: the network, with the weights the client used.
        gradients: as they arrived, anything that `read_gradients` takes.
        head: name of the last layer, which the labels belong to; None looks for it, see `find_head`.
        temperature: of the announced loss, as in `recover_label`.
        class_weights: (C,) of the announced loss, likewise.

    Returns:
        The cause; `Cause.NONE` where the head gives one certain answer.

    Raises:
        OptionError: the network has no linear layer, or several that may be the last, or gradients have names that
            belong to nothing: then no layer can be said to be missing.
        ShapeError, NonFiniteError: gradients that do not fit the network or are not finite.
    """
    sent, last = read_gradients(model, gradients), find_head(model, head)
    name = f"{last}.weight"
    if name not in sent:
        return Diagnosis(Cause.WITHHELD, f"The gradients hold no entry {name}: the last layer was not sent.")
    view = view_head(model, sent, last)
    gradient = view.weight_grad.double().cpu().numpy()
    if not gradient.any():
        return Diagnosis(
            Cause.VANISHED,
            "Every entry of the head's gradient is zero: the prediction equals the label, or the feature is zero.",
            {"norm": 0.0},
        )
    traces, measures = _traces(model, sent, gradient)
    processed = _processed(traces, measures)
    try:
        answer = recover_label(*view, temperature=temperature, class_weights=class_weights)
    except ClassCountError as error:
        return Diagnosis(Cause.TOO_FEW_CLASSES, error.sentence, {"classes": float(len(gradient))}, traces)
    except RankError:
        return processed or _not_one_sample(gradient, traces, measures)
    sure = answer.status is Status.UNIQUE and measures.get("levels", np.inf) > _COARSE
    if sure:
        return Diagnosis(Cause.NONE, answer.message, measures | {"noise": answer.noise}, traces)
    if _rounded_away(traces, measures) and _left_to_others(view, answer) < _ROUNDED:
        processed, traces = None, ()
    return processed or _open_answer(view, gradient, answer, traces, measures)


def _traces(
    model: nn.Module, gradients: Mapping[str, torch.Tensor], gradient: Array
) -> tuple[tuple[Cause, ...], dict[str, float]]:
    """Marks of processing, and the numbers they rest on."""
    traces: list[Cause] = []
    measures: dict[str, float] = {}
    levels = grid_levels(gradient)
    if levels is not None:
        traces.append(Cause.QUANTISED)
        measures["levels"] = float(levels)
    holes, rows = hole_share(gradient), dropped_rows(gradient)
    if levels is None and (holes > _HOLES or rows):  # rounding to a coarse grid makes zeros, too
        traces.append(Cause.PRUNED)
        measures |= {"holes": holes, "dropped rows": float(rows)}
    blind = scale_invariance(model, gradients)
    if blind:
        measures["scale invariance"] = float(np.median(list(blind.values())))
        if measures["scale invariance"] < _BLIND:
            traces.append(Cause.TRAINING_BATCH_NORM)
    return tuple(traces), measures


def _not_one_sample(gradient: Array, traces: tuple[Cause, ...], measures: dict[str, float]) -> Diagnosis:
    """The gradient is far from rank one: that of several samples, or noisy."""
    return _batch(gradient, traces, measures) or Diagnosis(
        Cause.NOISY,
        "Most of the head's gradient is outside rank one and spread over all directions: noise drowns the sample.",
        measures | {"noise": 1.0},
        traces,
    )


def _batch(gradient: Array, traces: tuple[Cause, ...], measures: dict[str, float]) -> Diagnosis | None:
    """The verdict where the gradient has more directions than one sample makes."""
    count = sample_count(gradient)
    if count == 1:
        return None
    return Diagnosis(
        Cause.BATCH,
        f"The head's gradient has {count} directions that stand out of its rounding; one step on one sample makes one. "
        f"At least {count} samples, or steps of the whole network, were added up.",
        measures | {"samples": float(count)},
        traces,
    )


def _processed(traces: tuple[Cause, ...], measures: Mapping[str, float]) -> Diagnosis | None:
    """The verdict where the numbers themselves tell that they were changed."""
    if Cause.QUANTISED in traces:
        levels = int(measures["levels"])
        steps = "one size only, with its sign" if levels == 1 else f"multiples of one step, at most {levels:,} of them"
        return Diagnosis(
            Cause.QUANTISED, f"All entries of the head's gradient are {steps}: it was quantised.", measures, traces
        )
    if Cause.PRUNED in traces:
        return Diagnosis(Cause.PRUNED, _what_is_missing(measures), measures, traces)
    return None


def _rounded_away(traces: tuple[Cause, ...], measures: Mapping[str, float]) -> bool:
    """Whether all that is missing is one row, as it is where the label is one-hot and the prediction nearly so.

    That class's residual, the prediction less one, is then zero to the client's arithmetic.
    """
    return traces == (Cause.PRUNED,) and measures["holes"] <= _HOLES and measures["dropped rows"] == 1


def _left_to_others(view: HeadView, answer: LabelRecovery) -> float:
    """What the prediction leaves to all classes but one."""
    return 1.0 - float(predicted(view.weight, view.bias, answer.feature).numpy().max())


def _what_is_missing(measures: Mapping[str, float]) -> str:
    """The holes and the dropped rows of a pruned gradient, in words."""
    rows = int(measures["dropped rows"])
    marks = []
    if measures["holes"] > _HOLES:
        marks.append(f"{measures['holes']:.0%} of the head's gradient are zeros inside rows and columns that are not")
    if rows:
        marks.append(f"{rows} row{'s are' if rows > 1 else ' is'} missing from a sum that must be zero")
    return f"{', and '.join(marks)}: entries were pruned."


def _open_answer(
    view: HeadView,
    gradient: Array,
    answer: LabelRecovery,
    traces: tuple[Cause, ...],
    measures: dict[str, float],
) -> Diagnosis:
    """The head leaves more than one lambda, or a label that does not fit: what comes first on the gradient's way."""
    measures = measures | {"noise": answer.noise}
    if answer.doubt is Doubt.RESCALED:
        return Diagnosis(
            Cause.CLIPPED,
            f"As it came, the gradient fits no answer; multiplied by {1 / answer.factor:.4g} it fits one. It was "
            f"clipped, or multiplied with a learning rate.",
            measures | {"factor": answer.factor},
            traces,
        )
    if answer.doubt is Doubt.TEMPERATURE:
        return Diagnosis(Cause.TEMPERATURE, answer.message, measures | {"factor": answer.factor}, traces)
    decay = weight_decay(gradient, view.weight.double().cpu().numpy()) if answer.noise > _ADDED else None
    if decay is not None:
        return Diagnosis(
            Cause.WEIGHT_DECAY,
            f"What the head's gradient holds outside rank one is {decay:.3g} times its weights: weight decay was added "
            f"to the gradient.",
            measures | {"weight decay": decay},
            traces,
        )
    if answer.noise > _ADDED:
        batch = _batch(gradient, traces, measures)
        if batch is not None:
            return batch
    if answer.doubt is Doubt.ROW_SUMS:
        return Diagnosis(Cause.OTHER_LOSS, answer.message, measures, traces)
    others = _left_to_others(view, answer)
    if others < _ONE_HOT or any(isinf(end) for interval in answer.intervals for end in interval):
        return Diagnosis(
            Cause.ONE_HOT,
            f"The prediction leaves {max(others, 0.0):.1e} to all other classes together: to the gradient's precision "
            f"it is one-hot, and every larger lambda predicts the same.",
            measures | {"other classes": others},
            traces,
        )
    if answer.noise > _ADDED:
        return Diagnosis(
            Cause.NOISY,
            f"{answer.noise:.1e} of the head's gradient is outside rank one; rounding leaves {_ADDED:.0e} at most. "
            f"Noise this large fits a range of answers.",
            measures,
            traces,
        )
    if answer.doubt is Doubt.FORMAT:
        return Diagnosis(Cause.STRUCTURELESS, answer.message, measures, traces)
    return Diagnosis(Cause.UNDECIDED, answer.message, measures | {"ranges": float(len(answer.intervals))}, traces)
