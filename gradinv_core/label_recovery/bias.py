"""The bias window: where the head has a bias, its gradient is the residual ``a`` itself, and nothing is left to search.

Our derivation. ``dL/db = a`` and ``dL/dW = a x^T`` share their left factor, so ``a_r`` is the least-squares factor
between ``dL/db`` and the ratios c. It uses every class, and holds for any soft label and for any loss. If the whole
gradient was rescaled the factor is ``kappa a_r``, and the feature is still exact; what that says of the label is the
question of `known_lambda.judge_label`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.errors import RankError
from gradinv_core.head import ObservedHead
from gradinv_core.label_recovery.modes import Mode

__all__ = ["known_lambda", "without_feature"]

_MISMATCH = 1e-3  # relative; beyond rounding, and beyond what noise explains


def known_lambda(head: ObservedHead, bias_grad: Array, sigmas: float) -> Mode:
    """Lambda from the bias gradient, whatever the loss, the label and the gradient's scale are.

    Args:
        head: a single observed head.
        bias_grad: (C,) gradient of the head bias, in the head's units.
        sigmas: half width of the range in standard deviations.

    Returns:
        One range. Its ``uncertainty`` is the label's business and left at zero.

    Raises:
        RankError: the two gradients do not share their left factor, so they are not from one sample.
    """
    ratios = head.ratios[0]
    noise = head.ratio_std[0] * np.linalg.norm(head.row_gradient[0])  # standard deviation of a gradient entry, by row
    power = float((ratios**2).sum())
    factor = float(bias_grad @ ratios) / power
    rest = float(np.linalg.norm(bias_grad - factor * ratios))
    size = float(np.linalg.norm(bias_grad))
    if factor == 0 or rest > _MISMATCH * size + 6 * float(np.linalg.norm(noise)):
        raise RankError(
            "bias_grad: expected the gradient of the same sample as weight_grad, which has the same left factor; "
            f"got {'one that differs from it by ' + format(rest / size, '.0%') if size > 0 else 'zeros'}. "
            f"Pass both gradients of one training step."
        )
    scale = 1 / factor
    factor_std = np.sqrt(((ratios * noise) ** 2).sum()) / power + 4 * head.rounding[0] * abs(factor)
    scale_std = float(abs(factor_std / factor**2))
    width = sigmas * scale_std
    return Mode(scale, scale - width, scale + width, factor, 0.0, 0, 0.0)


def without_feature(head: ObservedHead, bias_grad: Array) -> tuple[ObservedHead, Mode]:
    """The head where the feature is zero: only the bias gradient is left, and the logits are the bias alone.

    Args:
        head: a single observed head whose weight gradient vanished.
        bias_grad: (C,) gradient of the head bias, not zero, in the head's units.
    """
    row = int(np.abs(bias_grad).argmax())
    nothing = np.zeros((1, head.classes))
    seen = replace(
        head,
        row=np.array([row]),
        row_gradient=np.zeros_like(head.row_gradient),
        ratios=(bias_grad / bias_grad[row])[None],
        products=nothing,
        ratio_std=nothing,
        product_std=nothing,
        residual=np.zeros(1),
        row_sum=np.abs(bias_grad.sum(keepdims=True)) / np.linalg.norm(bias_grad),
    )
    scale = float(1 / bias_grad[row])
    width = 4 * float(head.rounding[0]) * abs(scale)
    return seen, Mode(scale, scale - width, scale + width, 1 / scale, 0.0, 0, 0.0)
