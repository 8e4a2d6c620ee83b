"""Where every exact route starts: the last layer's feature, the residual p - y there, and how well both are known."""

from __future__ import annotations

import torch

from gradinv_core.arrays import ArrayLike, as_array, to_tensor, unit_roundoff
from gradinv_core.errors import RankError, ShapeError
from gradinv_core.head import HeadView
from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.fully_connected import previous_input
from gradinv_core.label_recovery import LabelRecovery

__all__ = ["feature_and_residual", "feature_belief"]

_REFUSE = 0.5  # relative misfit at which a label and feature plainly do not belong to the gradient
_ROUNDING_FLOOR = 1e-2  # of the root mean square: no entry is known better than this times the unit roundoff
_ROUNDING_RESIDUAL = 2e-7  # a head's relative residual below this is rounding, not added noise


def feature_and_residual(
    view: HeadView, answer: LabelRecovery | None, label: ArrayLike | None, feature: ArrayLike | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The feature (d,) and the residual p - y (C,).

    Args:
        view: of the head.
        answer: the label recovery; None if label and feature are handed in.
        label: (C,) soft label, where there is no answer.
        feature: (d,) last-layer feature, likewise.

    Raises:
        ShapeError, NonFiniteError: what was handed in does not fit the head.
    """
    if answer is None:
        return _handed_in(view, label, feature)
    # a = G x / |x|^2 is what the gradient itself says; p - y would add the rounding of softmax.
    gradient = view.weight_grad.double().cpu()
    return answer.feature, gradient @ answer.feature / float(answer.feature @ answer.feature)


def feature_belief(view: HeadView, value: torch.Tensor, residual: torch.Tensor) -> tuple[Belief, float, float]:
    """Belief about the feature (d,), the noise added to each gradient entry, and the share that noise is of it.

    Args:
        view: of the head.
        value: (d,) the feature.
        residual: (C,) ``p - y``.

    Raises:
        RankError: they do not multiply to the head's gradient.
    """
    gradient = view.weight_grad.double().cpu()
    implied, std, misfit = previous_input(gradient, residual)
    if misfit > _REFUSE or float((implied - value).norm()) > _REFUSE * float(value.norm()):
        raise RankError(
            "label and feature: expected the ones this gradient was made of, got a pair that does not multiply to the "
            "gradient of the last layer; leave both out to have them recovered here."
        )
    rounding = unit_roundoff(view.weight_grad)
    # Rounding errs in proportion to each entry, which a small leaky-ReLU output profits from; added noise does not.
    noise_std = std * float(residual.norm()) if misfit > _ROUNDING_RESIDUAL else 0.0
    own = rounding * (value.abs() + _ROUNDING_FLOOR * float(value.square().mean().sqrt()))
    entry_std = own if noise_std == 0 else (std**2 + own**2).sqrt()
    return Belief.independent(value, entry_std.clamp(min=1e-30)), noise_std, misfit


def _handed_in(view: HeadView, label: ArrayLike | None, feature: ArrayLike | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Feature and residual that follow from a label and feature somebody recovered before."""
    weight = view.weight.double().cpu()
    bias = torch.zeros(len(weight), dtype=torch.float64) if view.bias is None else view.bias.double().cpu()
    soft = to_tensor(as_array(label, "label", "classes"))  # type: ignore[arg-type]
    value = to_tensor(as_array(feature, "feature", "features"))  # type: ignore[arg-type]
    if len(soft) != weight.shape[0] or len(value) != weight.shape[1]:
        raise ShapeError(
            f"label and feature: expected {weight.shape[0]} and {weight.shape[1]} entries, "
            f"got {len(soft)} and {len(value)}."
        )
    return value, torch.softmax(weight @ value + bias, 0) - soft
