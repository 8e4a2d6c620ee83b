"""One front door to batches: count the samples, find their features, read their labels, put the answer to the test."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations, islice

import numpy as np

from gradinv_core.arrays import ArrayLike, as_array, keep_type, unit_roundoff
from gradinv_core.batch_recovery import sentences
from gradinv_core.batch_recovery.direction import Direction
from gradinv_core.batch_recovery.directions import OnProgress, Search, Stop, find_directions
from gradinv_core.batch_recovery.layer_below import BelowLike, read_below
from gradinv_core.batch_recovery.passage import passed_features
from gradinv_core.batch_recovery.reading import LastLayer, Reading, read_batch
from gradinv_core.batch_recovery.result import BatchRecovery, Evidence, Obstacle
from gradinv_core.batch_recovery.row_space import RowSpace, row_space
from gradinv_core.batch_recovery.unread import unread
from gradinv_core.errors import OptionError, ShapeError
from gradinv_core.head.structures import LabelStructure
from gradinv_core.label_recovery import LabelRecovery, Status, recover_label
from gradinv_core.label_recovery.request import FEWEST_TO_TEST, Options
from gradinv_core.losses import training_loss

__all__ = ["recover_batch"]

_TRIALS = 40  # sets of unproven directions whose labels are asked
_OPEN = 2  # directions that labels may settle at most


def recover_batch(
    weight: ArrayLike,
    weight_grad: ArrayLike,
    bias: ArrayLike | None = None,
    bias_grad: ArrayLike | None = None,
    *,
    below: Sequence[BelowLike] = (),
    samples: int | str = "unknown",
    label_format: str | LabelStructure = "unknown",
    gradient_scale: str = "known",
    noise_std: float | None = None,
    confidence: float = 0.95,
    temperature: float = 1.0,
    class_weights: ArrayLike | None = None,
    programs: int = 200,
    seed: int | None = None,
    on_progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> BatchRecovery:
    """Recover the soft label and the feature of every sample of a batch from the averaged gradient of the head.

    The features have to be non-negative with zeros among them, as behind a ReLU: they are then edges of the cone of
    non-negative mixtures of the gradient's rows, where linear programs find them (our derivation). At most C - 1
    samples can be told apart, because that is the rank of a head's gradient. Two options of `recover_label` have no
    place here: ``nonnegative_feature`` is taken for granted, and each ``solver`` is the one that can prove its answer.

    Example:
        >>> import torch
        >>> generator = torch.Generator().manual_seed(0)
        >>> weight = torch.randn(10, 256, generator=generator) / 16
        >>> features = torch.randn(3, 256, generator=generator).relu()
        >>> labels = torch.full((3, 10), 0.01)
        >>> labels[range(3), [2, 5, 7]] += 0.9
        >>> weight_grad = (torch.softmax(features @ weight.T, 1) - labels).T @ features / 3
        >>> answers = recover_batch(weight, weight_grad, seed=0)
        >>> len(answers), sorted(int(answer.label.argmax()) for answer in answers), answers.unique
        (3, [2, 5, 7], 3)

    Args:
        weight: (C, d) weights of the last fully connected layer, C >= 3.
        weight_grad: (C, d) their gradient under the mean cross-entropy of the batch.
        bias: (C,) head bias; None for a bias-free head.
        bias_grad: (C,) its gradient. With it the features' scales are known, for any label.
        below: (weight, weight_grad), or with (bias, bias_grad) as well, of the fully connected layers with ReLUs that
            give the features, from the top down, as `view_below` finds them. They tell features apart that have too
            few zeros of their own.
        samples: how many samples the batch has, or "unknown": then they are counted.
        label_format: as in `recover_label`; of every sample.
        gradient_scale: "unknown" if the mean may have been clipped or multiplied by a positive factor, as where the
            loss is summed.
        noise_std: standard deviation of noise added to each gradient entry, if known; otherwise it is measured.
        confidence: probability that each interval holds its true lambda, in (0, 1).
        temperature: of the loss, as in `recover_label`.
        class_weights: (C,) of the loss, as in `recover_label`; its mean is taken over samples, not over their weights.
        programs: the budget, in linear programs of some milliseconds each.
        seed: of the lines of sight that the programs follow; None draws one.
        on_progress: called with the number of features found and the number looked for.
        stop: asked before every step of the search; True ends it.

    Returns:
        One answer for each different feature, in no order that the gradient would know. One is called unique only if it
        would be by itself, its direction is proven by its zeros, the layer below or the labels of all, and all answers
        together give the gradient back to its rounding or noise. Otherwise ``obstacle`` and ``message`` say what was in
        the way.

    Raises:
        ShapeError, NonFiniteError: the arrays do not fit together or are not finite.
        ClassCountError: too few classes for the label format.
        OptionError: an option is unknown or out of range, or more samples stand out of the noise than ``samples``.
    """
    started = time.perf_counter()
    number = _number(samples, programs)
    layer, gradient, rounding = _read_arrays(weight, weight_grad, bias, bias_grad)
    lower = read_below(below, layer.weight.shape[1])
    loss = training_loss(temperature, class_weights)
    loss.relative_weights(len(layer.weight))
    options = Options(label_format, "auto", gradient_scale, noise_std, True, confidence, None, loss)
    if not gradient.any():
        answer = recover_label(weight, weight_grad, bias, bias_grad, label_format=label_format)
        return BatchRecovery((answer,), (), 0, 0, number or 1, 0.0, 0.0, 0.0, Obstacle.VANISHED, answer.message)
    space = row_space(gradient, rounding, noise_std, number or len(layer.weight) - 1)
    if number is not None and space.visible > number:
        raise OptionError(
            f"samples: expected at least {space.visible}, because as many directions stand out of the gradient's "
            f"noise, got {number}; pass samples='unknown' to have them counted."
        )
    rng = np.random.default_rng(seed)
    passed = passed_features(space, lower, noise_std, rng, on_progress, stop)
    search = find_directions(space, rng, programs, on_progress, stop, passed)
    found, reading, proven = _settle(space, search, layer, options, number, stop)
    if reading is None and stop is not None and stop():
        search = replace(search, stopped=True)
    batch = _answer(space, search, found, reading, proven, number)
    return replace(batch, programs=search.programs, seconds=time.perf_counter() - started)


def _number(samples: int | str, programs: int) -> int | None:
    """The number of samples, None where it is to be counted."""
    if isinstance(programs, bool) or not isinstance(programs, int) or programs < 1:
        raise OptionError(f"programs: expected a whole number >= 1, got {programs!r}.")
    if samples == "unknown":
        return None
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
        raise OptionError(f"samples: expected a whole number >= 1 or 'unknown', got {samples!r}.")
    return samples


def _read_arrays(
    weight: ArrayLike, weight_grad: ArrayLike, bias: ArrayLike | None, bias_grad: ArrayLike | None
) -> tuple[LastLayer, np.ndarray, float]:
    """The head, its gradient (C, D) with that of the bias as last column, and the relative rounding of its entries."""
    kept = keep_type(weight_grad, "weight_grad")
    w, gradient = as_array(weight, "weight", "classes features"), as_array(kept, "weight_grad", "classes features")
    if gradient.shape != w.shape:
        raise ShapeError(
            f"weight_grad: expected the shape of weight {w.shape}, got {gradient.shape}; pass the gradient of the last "
            f"fully connected layer, classes first."
        )
    if len(w) < 3:
        raise ShapeError(
            f"weight: expected at least 3 classes, got {len(w)}; the gradient of a head with two has one direction "
            f"however many samples there are. For a single sample call recover_label."
        )
    rounding = unit_roundoff(kept)
    if bias_grad is None:
        return LastLayer(w, None if bias is None else _per_class(bias, "bias", len(w)), False), gradient, rounding
    if bias is None:
        raise ShapeError("bias: expected the head's bias along with bias_grad, got None; pass both or neither.")
    column = _per_class(bias_grad, "bias_grad", len(w))
    layer = LastLayer(w, _per_class(bias, "bias", len(w)), True)
    return layer, np.column_stack([gradient, column]), max(rounding, unit_roundoff(keep_type(bias_grad, "bias_grad")))


def _per_class(values: ArrayLike, name: str, classes: int) -> np.ndarray:
    array = as_array(values, name, "classes")
    if len(array) != classes:
        raise ShapeError(f"{name}: expected one entry per class ({classes}), got {len(array)}.")
    return array


def _settle(
    space: RowSpace, search: Search, layer: LastLayer, options: Options, samples: int | None, stop: Stop | None
) -> tuple[tuple[Direction, ...], Reading | None, bool]:
    """The directions, what they say, and whether they are proven by themselves or only their labels agree."""
    if len(search.proven) == space.size:
        return search.proven, read_batch(space, search.proven, layer, options, samples), True
    missing = space.size - len(search.proven)
    quick = options if layer.biased else replace(options, solver="closed_form")
    if missing <= _OPEN and _labels_can_settle(layer, options) and not search.stopped:
        for more in _sets(search.unproven, missing):
            if stop is not None and stop():
                break
            reading = read_batch(space, (*search.proven, *more), layer, quick, samples)
            # Labels that all keep their format are no accident: with one wrong direction, others' would mix.
            if reading is not None and reading.unique == space.size and reading.adds_up:
                return (*search.proven, *more), reading, False
    return search.proven, None, False


def _labels_can_settle(layer: LastLayer, options: Options) -> bool:
    """Whether labels are tested at all, and fast enough to ask them about many sets of directions."""
    named = isinstance(options.label_format, str) and options.label_format != "any"
    quick = layer.bias is None and options.loss.class_weights is None
    return named and len(layer.weight) >= FEWEST_TO_TEST and (layer.biased or quick)


def _sets(unproven: Sequence[Direction], missing: int) -> Iterable[tuple[Direction, ...]]:
    """Sets of unproven directions to ask the labels about, those with most zeros first."""
    return islice(combinations([direction for direction in unproven if direction.nonnegative], missing), _TRIALS)


def _answer(
    space: RowSpace,
    search: Search,
    found: tuple[Direction, ...],
    reading: Reading | None,
    proven: bool,
    samples: int | None,
) -> BatchRecovery:
    """The public answer, with every "unique" that the whole does not bear out taken back."""
    counts = reading.counts if reading is not None else (1,) * len(found)
    evidence = tuple(
        Evidence(int(direction.zeros.sum()), direction.spare, direction.proven, count, direction.passed)
        for direction, count in zip(found, counts, strict=True)
    )
    obstacle = _obstacle(space, search, reading, samples)
    answers: tuple[LabelRecovery, ...]
    if reading is None:
        answers = tuple(unread(space, found, sentences.UNREAD))
    elif reading.adds_up:
        answers = reading.answers
    else:
        answers = tuple(_doubted(answer, reading) for answer in reading.answers)
    total = samples or (reading.samples if reading is not None else space.size)
    return BatchRecovery(
        answers=answers,
        evidence=evidence,
        directions=space.visible,
        found=len(found),
        samples=total,
        noise=space.noise,
        misfit=np.nan if reading is None else reading.misfit,
        expected_misfit=np.nan if reading is None else reading.expected,
        obstacle=obstacle,
        message=sentences.of_batch(obstacle, space, answers, evidence, total, proven),
    )


def _obstacle(space: RowSpace, search: Search, reading: Reading | None, samples: int | None) -> Obstacle:
    """What kept the batch from being read in full."""
    if reading is not None and not reading.adds_up:
        return Obstacle.DOES_NOT_ADD_UP
    if reading is not None:
        seen = reading.samples
        return Obstacle.FEWER_VISIBLE if samples is not None and seen < samples else Obstacle.NONE
    if not space.visible:
        return Obstacle.DROWNED
    if search.stopped:
        return Obstacle.STOPPED
    if space.visible >= len(space.gradient) - 1:
        return Obstacle.FULL_RANK
    if search.empty:
        return Obstacle.NEGATIVE
    return Obstacle.HIDDEN if search.proven else Obstacle.NO_ZEROS


def _doubted(answer: LabelRecovery, reading: Reading) -> LabelRecovery:
    """An answer that the sum of all answers does not bear out."""
    if answer.status is not Status.UNIQUE:
        return answer
    return replace(
        answer, status=Status.AMBIGUOUS, condition="", message=sentences.not_added(reading.misfit, reading.expected)
    )
