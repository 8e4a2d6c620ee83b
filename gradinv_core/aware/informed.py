"""Everything an informed server makes of a defended gradient: the answer, the completed head, the honest length.

Where it knows of no defence it is the plain server, and every field is what came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from gradinv_core.aware.announced import read_announced
from gradinv_core.aware.evidence import gather_evidence
from gradinv_core.aware.front_door import recover_defended
from gradinv_core.aware.scale import in_honest_units, scale_factor
from gradinv_core.defences import Defence, check_defences
from gradinv_core.gradients import GradientsLike, read_gradients
from gradinv_core.head import HeadView, find_head, view_head
from gradinv_core.head.factors import predicted
from gradinv_core.label_recovery import LabelRecovery, Status

__all__ = ["InformedAnswer", "attack_defended"]


@dataclass(frozen=True)
class InformedAnswer:
    """What the informed server holds in the end.

    Attributes:
        recovery: as from `recover_defended`, but with lambda in the units of ``gradients``.
        gradients: of all layers, divided by the factor of a clipping where that is known. Where the answer is unique,
            entries of the head that were not sent are those the answer implies.
        head: the last layer in the same units, as complete as it can be made.
        noise_std: of the noise that is left on each of the head's entries; None to measure it.
        hidden: whether an answer that is not unique leaves more open than lambda: the gradient's length, or the share
            of classes without a row.
    """

    recovery: LabelRecovery
    gradients: dict[str, torch.Tensor]
    head: HeadView
    noise_std: float | None
    hidden: bool


def attack_defended(
    model: nn.Module, gradients: GradientsLike, defences: Sequence[Defence] = (), *, head: str | None = None
) -> InformedAnswer:
    """Recover label and feature knowing the defences, and keep what the way to the picture needs.

    Args:
        model: the network whose weights the server knows.
        gradients: as released, anything that `read_gradients` takes.
        defences: what the client announced, in the order of application.
        head: as in `recover_defended`.

    Raises:
        GradientInversionError: as `recover_defended`.
    """
    chosen = check_defences(defences)
    sent, last = read_gradients(model, gradients), find_head(model, head)
    recovery = recover_defended(model, sent, chosen, head=last)
    view = view_head(model, sent, last)
    if not chosen:
        return InformedAnswer(recovery, sent, view, None, hidden=False)
    announced = read_announced(sent, chosen, f"{last}.weight")
    evidence = gather_evidence(view, announced)
    factor = scale_factor(model, recovery, head=last)
    honest = {name: gradient / factor if factor != 1 else gradient for name, gradient in sent.items()}
    found = in_honest_units(recovery, factor)
    noise_std = None if evidence.noise_std is None else evidence.noise_std / factor
    hidden = found.status is not Status.UNIQUE and (not announced.scale_known or bool(evidence.silent.any()))
    if found.status is Status.UNIQUE and bool(found.feature.any()):
        honest |= _filled(view, last, honest, found)
        return InformedAnswer(found, honest, view_head(model, honest, last), noise_std, hidden)
    return InformedAnswer(found, honest, evidence.head, noise_std, hidden)


def _filled(
    head: HeadView, name: str, gradients: Mapping[str, torch.Tensor], found: LabelRecovery
) -> dict[str, torch.Tensor]:
    """The head's gradients with their zeros replaced by what label and feature imply, which may be zero as well."""
    residual = predicted(head.weight, head.bias, found.feature) - found.label
    implied = {"weight": torch.outer(residual, found.feature), "bias": residual}
    names = {f"{name}.{part}": value for part, value in implied.items()}
    return {
        entry: torch.where(gradients[entry] == 0, value.to(gradients[entry]), gradients[entry])
        for entry, value in names.items()
        if entry in gradients
    }
