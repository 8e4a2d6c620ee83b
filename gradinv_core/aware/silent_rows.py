"""Labels from a head gradient of which some rows say nothing: their classes are filled in from what must add up.

Our derivation. Lambda follows from the remaining classes alone (`AllBut`). The entries of a label sum to 1, so the
silent classes together hold ``1 - sum of the others``. Each holds the shared base value; what is left over after that,
the excess, sits on one of them. With a single silent class that settles its entry. With several, an excess of zero
settles them all, and any other excess leaves open which class it belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gradinv_core.arrays import Array, as_array, to_tensor
from gradinv_core.aware.ask import ask_head
from gradinv_core.errors import ClassCountError, OptionError
from gradinv_core.head import HeadView
from gradinv_core.head.factors import predicted
from gradinv_core.head.structures import AllBut, LabelStructure, SharedBase, SharedClasses
from gradinv_core.label_recovery import Candidate, LabelRecovery, Status, Window
from gradinv_core.label_recovery.report import infer_format
from gradinv_core.label_recovery.result import UNIQUE_LABEL

__all__ = ["recover_with_silent_rows"]

_SIGMAS = 5.0
_ROUNDING = 2e-5  # of a label entry, in float32


@dataclass(frozen=True)
class _Filled:
    """A label (C,), its candidates, how far its entries may be off, and whether the excess has one place only."""

    labels: list[Array]
    tolerance: float
    settled: bool


def recover_with_silent_rows(
    head: HeadView,
    silent: np.ndarray,
    *,
    structure: LabelStructure | None,
    scale_known: bool,
    noise_std: float | None,
    confidence: float,
) -> LabelRecovery:
    """Recover from the rows that speak, then fill in the others.

    Args:
        head: the last layer; silent rows of its gradients are zero.
        silent: (C,) which rows say nothing; at least one speaks.
        structure: a `SharedBase` or `SharedClasses`, checked against all classes; None for the simplex alone.
        scale_known: whether the gradient certainly was not rescaled.
        noise_std: standard deviation of the noise on each entry, None to measure it.
        confidence: of the intervals.

    Returns:
        The answer; "unique" only if the silent classes follow as well.

    Raises:
        OptionError: a label structure of another kind.
        GradientInversionError: as `recover_label`.
    """
    classes = len(silent)
    rest, enough = _without(structure, silent, scale_known)
    answer = ask_head(head, rest, scale_known, noise_std, confidence)
    if answer.status is Status.VANISHED:
        return answer
    share = structure if isinstance(structure, SharedBase) and answer.window is not Window.SIMPLEX else None
    filled = _fill(answer, head, silent, share, noise_std)
    best = filled.labels[0]
    unique = answer.status is Status.UNIQUE and filled.settled and filled.tolerance <= UNIQUE_LABEL
    count = int(silent.sum())
    classes_without = f"{count} class{'es' if count > 1 else ''} without a row"
    if unique:
        message = f"{answer.message} What is left of the label settles the {classes_without}."
    elif not enough:
        message = f"Only {classes - count} of {classes} rows were sent, too few to tell lambda from each other."
    elif answer.status is not Status.UNIQUE:
        message = f"{answer.message} There is no row for {count} of {classes} classes."
    elif filled.settled:
        message = f"The noise leaves open how much of the label lies on the {classes_without}."
    else:
        message = f"Which of the {classes_without} holds the rest of the label is not in the gradient."
    return replace(
        answer,
        label=to_tensor(best),
        label_format=infer_format(best, filled.tolerance) if share is not None else answer.label_format,
        status=Status.UNIQUE if unique else Status.AMBIGUOUS,
        message=message,
        candidates=[Candidate(answer.scale, to_tensor(label), answer.loss) for label in filled.labels]
        + answer.candidates[1:],
    )


def _without(base: LabelStructure | None, silent: np.ndarray, scale_known: bool) -> tuple[LabelStructure | None, bool]:
    """The structure among the rows that speak, None for the simplex alone; and whether they are enough for it."""
    dropped = tuple(int(index) for index in np.flatnonzero(silent))
    if base is None:
        return None, True
    if isinstance(base, SharedBase):
        rest: LabelStructure = AllBut(base, dropped)
    elif isinstance(base, SharedClasses):
        rest = replace(base, indices=tuple(index for index in base.indices if index not in dropped))
    else:
        raise OptionError(
            f"label_format: expected a named format, SharedBase or SharedClasses where rows are missing, got "
            f"{type(base).__name__}; name the format."
        )
    try:
        rest.check(len(silent), scale_known)
    except ClassCountError:
        return None, False
    return rest, True


def _fill(
    answer: LabelRecovery, head: HeadView, silent: np.ndarray, base: SharedBase | None, noise_std: float | None
) -> _Filled:
    """Give the silent classes what the others leave."""
    label, speaking = answer.label.numpy(), ~silent
    left_over = 1 - float(label[speaking].sum())
    count = int(silent.sum())
    tolerance = _tolerance(answer, head, speaking, noise_std)
    filled = label.copy()
    if base is None:
        filled[silent] = left_over / count
        return _Filled([filled], tolerance, settled=count == 1)
    ordered = np.sort(label[speaking])[::-1]
    shared = ordered[base.free_entries :]
    value = 0.0 if base.value_is_zero or shared.size == 0 else float(np.median(shared))
    excess = left_over - count * value
    spread = float(np.abs(shared - value).max(initial=0.0))
    used = int((ordered[: base.free_entries] - value > tolerance).sum())
    possible = -tolerance <= excess <= 1 + tolerance and spread <= tolerance
    if possible and excess <= tolerance:
        filled[silent] = left_over / count
        return _Filled([filled], tolerance, settled=shared.size > 0)
    # The network's own prediction is the best guess at which class it is: nothing else tells them apart.
    guess = predicted(head.weight, head.bias, answer.feature).numpy()
    labels = []
    for index in sorted(np.flatnonzero(silent), key=lambda index: -guess[index]):
        one = filled.copy()
        one[silent] = value
        one[index] = value + excess
        labels.append(one)
    settled = possible and count == 1 and used < base.free_entries and shared.size > 0
    return _Filled(labels, tolerance, settled)


def _tolerance(answer: LabelRecovery, head: HeadView, speaking: np.ndarray, noise_std: float | None) -> float:
    """How far the sum of the speaking classes may be off: over lambda's interval, by noise and by rounding."""

    def prediction(scale: float) -> Array:
        return np.asarray(predicted(head.weight, head.bias, scale / answer.scale * answer.feature))

    direction = answer.feature.numpy() / answer.scale
    amplitude = float((prediction(answer.scale) - answer.label.numpy())[answer.row])
    low, high = answer.intervals[0]
    if not np.isfinite(low) or not np.isfinite(high) or low * high <= 0:
        return 1.0
    known = as_array(head.weight_grad, "weight_grad", "classes features")
    ratios = known @ direction / max(float(direction @ direction), 1e-300)
    sums = [
        float((prediction(scale) - amplitude * answer.scale / scale * ratios)[speaking].sum())
        for scale in (low, answer.scale, high)
    ]
    drift = max(abs(sums[0] - sums[1]), abs(sums[2] - sums[1]))
    size = max(float(np.linalg.norm(direction)), 1e-300)
    noise = 0.0 if noise_std is None else abs(amplitude) * noise_std / size * float(speaking.sum()) ** 0.5
    measured = abs(amplitude) * answer.noise
    return drift + _SIGMAS * (noise + measured) + _ROUNDING
