"""What a head's gradient is, before anybody looks for lambda: one logit or many, upright or turned, of which loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from gradinv_core.arrays import ArrayLike, keep_type
from gradinv_core.errors import ShapeError
from gradinv_core.head.factors import OTHER_LOSS, ObservedHead
from gradinv_core.head.structures import AllBut, LabelStructure
from gradinv_core.label_recovery.result import LabelRecovery
from gradinv_core.losses import TrainingLoss

__all__ = ["as_two_classes", "in_sent_units", "refuse_transposed", "sums_up"]

_ROUNDINGS = 30.0  # of the number type: no sum of residuals rounds further
_NOTHING = 1e-4  # of the gradient's length: columns that add up to this little were meant to be classes


def as_two_classes(
    weight: ArrayLike, weight_grads: ArrayLike, bias: ArrayLike | None, bias_grads: ArrayLike | None
) -> tuple[ArrayLike, ArrayLike, ArrayLike | None, ArrayLike | None]:
    """A single logit under a sigmoid as the second of two classes, the first of which has logit zero.

    ``sigmoid(z) = softmax(0, z)`` and binary cross-entropy is that softmax's cross-entropy, so the first row's gradient
    is minus the second's.

    Args:
        weight: (1, d).
        weight_grads: (N, 1, d).
        bias: (1,) or None.
        bias_grads: (N, 1) or None.

    Returns:
        The same with two classes, in the types they came in.
    """
    return (
        _pair(weight, "weight", 0, 0.0),
        _pair(weight_grads, "weight_grad", 1, -1.0),
        None if bias is None else _pair(bias, "bias", 0, 0.0),
        None if bias_grads is None else _pair(bias_grads, "bias_grad", 1, -1.0),
    )


def _pair(values: ArrayLike, name: str, axis: int, factor: float) -> ArrayLike:
    kept = keep_type(values, name)
    if isinstance(kept, torch.Tensor):
        return torch.cat([factor * kept, kept], dim=axis)
    return np.concatenate([np.asarray(factor, dtype=kept.dtype) * kept, kept], axis=axis)


def refuse_transposed(head: ObservedHead, first: int = 0) -> None:
    """Ask about gradients whose columns add up to zero where their rows should.

    Args:
        head: the observed heads.
        first: number of the first sample, for the message.

    Raises:
        ShapeError: a gradient looks as if it were stored features first.
    """
    turned = np.flatnonzero((head.row_sum > OTHER_LOSS) & (head.column_sum < _NOTHING) & ~head.vanished)
    if turned.size:
        which = f" (sample {first + int(turned[0])})" if first or len(head) > 1 else ""
        raise ShapeError(
            f"weight_grad: expected (classes, features), whose rows add up to zero under cross-entropy, got "
            f"{head.weight.shape}{which} whose columns do; if it is stored features first, as Keras stores kernels, "
            f"pass weight.T and weight_grad.T."
        )


def sums_up(head: ObservedHead, structure: LabelStructure | None, farthest: float = 1.0) -> bool:
    """Whether the rows of a single head's gradient add up to zero, or are known not to be all there.

    Args:
        head: a single observed head.
        structure: the label structure; one for a gradient with missing rows excuses the sum.
        farthest: the largest possible |lambda|. The residuals are differences of shares of at most 1 and carry their
            rounding, so relative to the largest of them, which is one over lambda, it grows with lambda.
    """
    if isinstance(structure, AllBut):
        return True
    relative = _ROUNDINGS * float(head.rounding[0]) * max(farthest, 1.0)
    return bool(head.row_sum[0] <= max(OTHER_LOSS, relative))


def in_sent_units(answer: LabelRecovery, loss: TrainingLoss) -> LabelRecovery:
    """The answer with lambda as the factor between the gradient as it was sent and the feature.

    Args:
        answer: in the terms of plain cross-entropy, where gradients are divided by the loss's unit.
        loss: what the client minimised.
    """
    unit = loss.unit
    if unit == 1:
        return answer
    return replace(
        answer,
        scale=answer.scale / unit,
        intervals=[(low / unit, high / unit) for low, high in answer.intervals],
        candidates=[replace(candidate, scale=candidate.scale / unit) for candidate in answer.candidates],
    )
