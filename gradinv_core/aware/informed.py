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
from gradinv_core.aware.scale import in_honest_units, scale_factor, undo_scale
from gradinv_core.defences import Defence, check_defences
from gradinv_core.label_recovery import LabelRecovery
from gradinv_core.networks import HeadView, find_head, observe_head

__all__ = ["InformedAnswer", "attack_defended"]


@dataclass(frozen=True)
class InformedAnswer:
    """What the informed server holds in the end.

    Attributes:
        recovery: as from `recover_defended`, but with lambda in the units of ``gradients``.
        gradients: of all layers, divided by the factor of a clipping where that is known.
        head: the last layer in the same units, with the entries that were missing filled in.
        noise_std: of the noise that is left on each of the head's entries; None to measure it.
    """

    recovery: LabelRecovery
    gradients: dict[str, torch.Tensor]
    head: HeadView
    noise_std: float | None


def attack_defended(
    model: nn.Module, gradients: Mapping[str, torch.Tensor], defences: Sequence[Defence] = ()
) -> InformedAnswer:
    """Recover label and feature knowing the defences, and keep what the way to the picture needs.

    Args:
        model: the network whose weights the server knows.
        gradients: ``{parameter name: gradient}`` as released.
        defences: what the client announced, in the order of application.

    Raises:
        GradientInversionError: as `recover_defended`.
    """
    chosen = check_defences(defences)
    recovery = recover_defended(model, gradients, chosen)
    factor = scale_factor(model, recovery) if chosen else 1.0
    honest = undo_scale(model, gradients, recovery) if factor != 1 else dict(gradients)
    head = observe_head(model, honest)
    if not chosen:
        return InformedAnswer(recovery, honest, head, None)
    evidence = gather_evidence(head, read_announced(honest, chosen, f"{find_head(model)}.weight"))
    return InformedAnswer(in_honest_units(recovery, factor), honest, evidence.head, evidence.noise_std)
