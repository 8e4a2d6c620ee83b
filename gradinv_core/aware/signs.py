"""Labels from signs alone: which classes the label raises above the prediction.

The signs of ``a x^T`` are the outer product of the signs, so both factors follow up to one common sign. That one is
settled by the bias gradient where there is one. Otherwise a label raises few classes and lowers many, which is a rule
of thumb; the answer is ambiguous either way, because no size is left.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from gradinv_core.arrays import as_array, to_tensor
from gradinv_core.head import HeadView
from gradinv_core.label_recovery import Candidate, LabelRecovery, Status, recover_label

__all__ = ["recover_from_signs"]


def recover_from_signs(head: HeadView) -> LabelRecovery:
    """The classes whose rows have the sign of a raised label share it evenly; the feature is a vector of signs.

    Args:
        head: the last layer; its gradient (C, d) holds signs, times any positive number, and is not all zero.

    Returns:
        An ambiguous answer: any lambda fits.

    Raises:
        GradientInversionError: as `recover_label`.
    """
    matrix = as_array(head.weight_grad, "weight_grad", "classes features")
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    rows, columns = np.sign(left[:, 0]), np.sign(right[0])
    if head.bias_grad is not None:
        turn = np.sign(float(as_array(head.bias_grad, "bias_grad", "classes") @ rows))
    else:
        turn = np.sign(rows.sum()) or np.sign(columns.sum())
    turn = turn or 1.0
    raised = turn * rows < 0
    label = np.where(raised, 1.0, 0.0) if raised.any() else np.ones(len(rows))
    label = label / label.sum()
    empty = recover_label(head.weight, torch.zeros_like(head.weight_grad), head.bias)
    row = int(np.abs(left[:, 0]).argmax())
    return replace(
        empty,
        label=to_tensor(label),
        feature=to_tensor(turn * columns),
        scale=-1.0 if raised[row] else 1.0,
        row=row,
        status=Status.AMBIGUOUS,
        message="Only signs were sent. They tell which classes the label raises above the prediction, and nothing "
        "about how much.",
        candidates=[Candidate(-1.0 if raised[row] else 1.0, to_tensor(label), 0.0)],
        solver="signs",
    )
