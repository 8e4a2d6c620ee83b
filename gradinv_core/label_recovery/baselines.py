"""What earlier attacks read off the same gradient: one hard label, or one feature by way of the bias."""

from __future__ import annotations

import numpy as np
import torch

from gradinv_core.arrays import ArrayLike, as_array, to_tensor
from gradinv_core.errors import ShapeError

__all__ = ["bias_feature", "idlg_label"]


def idlg_label(weight_grad: ArrayLike) -> int:
    """The hard label by the sign rule of iDLG (Zhao et al. 2020).

    With a hard label and a non-negative feature, only the true class has a negative gradient row. The rule knows one
    class and nothing of soft labels: of a mixed label it names the class whose row sum is lowest.

    Args:
        weight_grad: (C, d) gradient of the head weights.

    Returns:
        Class index.
    """
    return int(as_array(weight_grad, "weight_grad", "classes features").sum(1).argmin())


def bias_feature(weight_grad: ArrayLike, bias_grad: ArrayLike) -> torch.Tensor:
    """The last-layer feature by dividing one gradient row by its bias gradient (Geiping et al. 2020).

    Args:
        weight_grad: (C, d) gradient of the head weights.
        bias_grad: (C,) gradient of the head bias.

    Returns:
        (d,) feature. Exact without noise, and only there: it uses one row of C.

    Raises:
        ShapeError: lengths differ or every bias gradient is zero.
    """
    gradient = as_array(weight_grad, "weight_grad", "classes features")
    bias = as_array(bias_grad, "bias_grad", "classes")
    row = int(np.abs(bias).argmax())
    if len(bias) != len(gradient) or bias[row] == 0:
        raise ShapeError(
            f"bias_grad: expected {len(gradient)} entries, not all zero, got {len(bias)} with largest {bias[row]:g}."
        )
    return to_tensor(gradient[row] / bias[row])
