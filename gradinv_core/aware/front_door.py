"""One front door for the informed server: read what was announced, undo what can be undone, ask the head."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from gradinv_core.arrays import as_array
from gradinv_core.aware.announced import read_announced
from gradinv_core.aware.ask import ask_head
from gradinv_core.aware.evidence import gather_evidence
from gradinv_core.aware.signs import recover_from_signs
from gradinv_core.aware.silent_rows import recover_with_silent_rows
from gradinv_core.defences import Defence, WithholdHead, check_defences
from gradinv_core.errors import OptionError
from gradinv_core.gradients import GradientsLike, read_gradients
from gradinv_core.head import find_head, view_head
from gradinv_core.head.structures import LabelStructure, label_structure
from gradinv_core.label_recovery import LabelRecovery, recover_label

__all__ = ["recover_defended"]


def recover_defended(
    model: nn.Module,
    gradients: GradientsLike,
    defences: Sequence[Defence] = (),
    *,
    label_format: str | LabelStructure = "unknown",
    confidence: float = 0.95,
    head: str | None = None,
) -> LabelRecovery:
    """Recover label and feature from a defended gradient, knowing the defences.

    Args:
        model: the network whose weights the server knows.
        gradients: as released, anything that `read_gradients` takes.
        defences: what the client announced, in the order of application. Only the parameters are read.
        label_format: as in `recover_label`.
        confidence: probability that the intervals hold lambda, in (0, 1).
        head: name of the last layer, which the labels belong to; None looks for it, see `find_head`.

    Returns:
        The answer. Its status accounts for what the defences took away: never "unique" by pretending that a zero that
        was put there is a measurement. Lambda is in the units of the released gradient, so that the feature is lambda
        times its row; of a clipped one, `undo_scale` finds the factor. Of signs alone, only the classes that the label
        raises can be told, and the feature is a vector of signs.

    Raises:
        OptionError: the last layer was withheld or cannot be told, or an option or pipeline is wrong.
        RankError: the gradient is not that of one sample under these defences.
        ShapeError, NonFiniteError, ClassCountError: as `recover_label`.
    """
    chosen = check_defences(defences)
    sent, last = read_gradients(model, gradients), find_head(model, head)
    name = f"{last}.weight"
    if name not in sent and any(isinstance(defence, WithholdHead) for defence in chosen):
        raise OptionError(
            f"gradients: expected an entry {name} for the last layer, got none, because the last layer was withheld; "
            f"without it there is no label recovery."
        )
    view = view_head(model, sent, last)
    as_array(view.weight_grad, "weight_grad", "classes features")
    if not chosen:  # nothing to allow for: the plain server, which few classes with a bias gradient are enough for
        return recover_label(*view, label_format=label_format, confidence=confidence)
    announced = read_announced(sent, chosen, name)
    # Checked here, because not every way below asks for it, and a mistake deserves its sentence on all of them.
    structure = label_structure(label_format, len(view.weight), announced.scale_known)
    if announced.signs_only and bool(view.weight_grad.any()):
        return recover_from_signs(view)
    evidence = gather_evidence(view, announced)
    if announced.perturbed and not announced.scale_known:
        # The hidden columns move all logits by something, and the length gives no hold either: any lambda fits.
        structure = None
    if evidence.silent.any() and bool(evidence.head.weight_grad.any()):
        return recover_with_silent_rows(
            evidence.head,
            evidence.silent,
            structure=structure,
            scale_known=announced.scale_known,
            noise_std=evidence.noise_std,
            confidence=confidence,
        )
    return ask_head(evidence.head, structure, announced.scale_known, evidence.noise_std, confidence)
