"""The label beside a picture that does without it: recovered where the last layer allows, and else it is said why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from gradinv_core.arrays import ArrayLike, as_array, to_tensor
from gradinv_core.errors import ClassCountError, LabelError, NoExactRouteError, OptionError, RankError
from gradinv_core.head import factor_heads, find_head, view_head
from gradinv_core.image_recovery.deep_evidence import recover_from_gradients
from gradinv_core.image_recovery.patches.examine import Evidence
from gradinv_core.image_recovery.patches.structure import PatchPositions
from gradinv_core.label_recovery import LabelRecovery
from gradinv_core.losses import TrainingLoss

__all__ = ["LastLayer", "ask_last_layer"]


@dataclass(frozen=True)
class LastLayer:
    """What is known of the label.

    Attributes:
        evidence: of noise and of several samples, where the patch layer itself has none.
        answer: the label recovery; None where there is none.
        soft_label: (C,) recovered or handed in; None for neither.
        refusal: why there is none, in one sentence; empty elsewhere.
    """

    evidence: Evidence
    answer: LabelRecovery | None = None
    soft_label: torch.Tensor | None = None
    refusal: str = ""


def ask_last_layer(
    model: nn.Module,
    gradients: Mapping[str, torch.Tensor],
    places: tuple[PatchPositions, ...],
    head: str | None,
    training: TrainingLoss,
    answer: LabelRecovery | None = None,
    label: ArrayLike | None = None,
) -> LastLayer:
    """Recover the label, if nobody handed one in and if it can be.

    Args:
        model: the network.
        gradients: as from `read_gradients`.
        places: where the positions may be.
        head: name of the last layer; None looks for it.
        training: the loss.
        answer: a label recovery, if somebody has one.
        label: (C,) a label, likewise.

    Raises:
        NoExactRouteError: the whole gradient is zero.
        ShapeError, NonFiniteError: the last layer's gradient or the label is none.
    """
    if gradients and not any(bool(gradient.any()) for gradient in gradients.values()):
        raise NoExactRouteError("gradient: expected one that is not zero, got zero in every entry.")
    given = None if label is None else to_tensor(as_array(label, "label", "classes"))
    refusal, evidence = "", Evidence()
    try:
        if answer is None and given is None:
            answer = recover_from_gradients(
                model, gradients, head=head, temperature=training.temperature, class_weights=training.class_weights
            )
        if any(place.module.bias is None for place in places):
            view = view_head(model, gradients, find_head(model, head))
            observed = factor_heads(view.weight, view.weight_grad[None], view.bias)
            evidence = Evidence(float(observed.residual[0]))
    except (ClassCountError, LabelError, OptionError, RankError) as error:
        refusal, evidence = error.sentence, Evidence(several=isinstance(error, RankError))
    if answer is not None:
        return LastLayer(evidence, answer, answer.label)
    return LastLayer(evidence, None, given, refusal if given is None else "")
