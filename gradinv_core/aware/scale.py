"""Undoing a common factor: a clipped gradient is an honest one made shorter.

Clipping, a learning rate, or any other positive factor leaves every ratio of the gradient as it was. Label recovery
with unknown scale finds the label from those ratios; the label and the prediction then imply the residual ``p - y``,
and comparing it with the gradient tells the factor. Divided by it, the gradient is what `capture_gradients` would have
returned, up to rounding.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from gradinv_core.diagnosis.traces import gradient_factor
from gradinv_core.gradients import GradientsLike, read_gradients
from gradinv_core.head import find_head
from gradinv_core.head.factors import predicted
from gradinv_core.label_recovery import LabelRecovery, Status
from gradinv_core.label_recovery.result import UNIQUE_LABEL

__all__ = ["in_honest_units", "scale_factor", "undo_scale"]

_ROUNDING = 1e-6  # a factor this close to 1 is one


def scale_factor(model: nn.Module, recovery: LabelRecovery, *, head: str | None = None) -> float:
    """The factor that the whole gradient was multiplied with.

    Args:
        model: the network whose weights the server knows.
        recovery: what `recover_defended` or `recover_label` made of its gradient.
        head: name of the last layer; None looks for it, see `find_head`.

    Returns:
        The factor, above 0; 1 where there is none, or where it cannot be told because the answer is not unique.

    Raises:
        OptionError: the network has no linear layer, or several that may be the last.
    """
    if recovery.status is not Status.UNIQUE or not bool(recovery.feature.any()):
        return 1.0
    layer = model.get_submodule(find_head(model, head))
    probabilities = predicted(layer.get_parameter("weight"), getattr(layer, "bias", None), recovery.feature)
    factor = gradient_factor(probabilities.numpy(), recovery)
    return factor if factor > 0 and abs(factor - 1) >= _ROUNDING else 1.0


def undo_scale(
    model: nn.Module, gradients: GradientsLike, recovery: LabelRecovery, *, head: str | None = None
) -> dict[str, torch.Tensor]:
    """The gradients as they were before they were multiplied with one common factor.

    Args:
        model: the network whose weights the server knows.
        gradients: as released, anything that `read_gradients` takes.
        recovery: what `recover_defended` or `recover_label` made of them.
        head: as in `scale_factor`.

    Returns:
        New gradients of the same shapes and types, all divided by the factor; the given tensors in a new dictionary
        where there is no factor or it cannot be told.

    Raises:
        OptionError: the network has no linear layer, or several that may be the last.
    """
    sent, factor = read_gradients(model, gradients), scale_factor(model, recovery, head=head)
    return sent if factor == 1 else {name: gradient / factor for name, gradient in sent.items()}


def in_honest_units(recovery: LabelRecovery, factor: float) -> LabelRecovery:
    """The same answer with lambda in the units of the gradient divided by the factor.

    The factor is the residual's size, as the label tells it; a unique label is known to `UNIQUE_LABEL`, and the factor
    no better. The intervals grow by that.
    """
    if factor == 1:
        return recovery
    slack = UNIQUE_LABEL * abs(recovery.scale * factor)  # relative: lambda is one over the residual
    return replace(
        recovery,
        scale=recovery.scale * factor,
        intervals=[_wider(low * factor, high * factor, slack) for low, high in recovery.intervals],
        candidates=[replace(candidate, scale=candidate.scale * factor) for candidate in recovery.candidates],
    )


def _wider(low: float, high: float, relative: float) -> tuple[float, float]:
    return low - relative * abs(low), high + relative * abs(high)
