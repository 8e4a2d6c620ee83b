"""Which label the search computes gradients with: recovered, given, guessed by iDLG, or learned with the image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from gradinv_core.errors import LabelError, NonFiniteError, OptionError, ShapeError
from gradinv_core.head import observe_head
from gradinv_core.image_recovery.matching.options import MatchingOptions
from gradinv_core.label_recovery import LabelRecovery, recover_label
from gradinv_core.label_recovery.baselines import idlg_label
from gradinv_core.losses import CROSS_ENTROPY, TrainingLoss

__all__ = ["Knowledge", "gather_knowledge", "needs_head"]

# A recovered label of a noisy gradient sums to 1 within its rounding; one that does not is a mistake.
_SUM_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Knowledge:
    """What the search starts from besides the gradient.

    Attributes:
        label: (C,) float64 label; None when it is to be learned.
        feature: (d,) float64 last-layer feature; None when it is not matched.
        recovery: the label recovery, if one was made here.
    """

    label: torch.Tensor | None
    feature: torch.Tensor | None
    recovery: LabelRecovery | None


def gather_knowledge(
    model: nn.Module,
    gradients: Mapping[str, torch.Tensor],
    options: MatchingOptions,
    label: torch.Tensor | None,
    feature: torch.Tensor | None,
    classes: int,
    head: str | None,
    training: TrainingLoss = CROSS_ENTROPY,
) -> Knowledge:
    """Find the label and, where it is matched, the feature.

    Args:
        model: the network.
        gradients: as from `read_gradients`.
        options: of the search; ``label_mode`` and ``terms`` count here.
        label: (C,) as recovered before, or as given; None if there is none.
        feature: (d,) as recovered before; None to recover it here if it is needed.
        classes: number of classes C.
        head: name of the last layer; None only where `needs_head` says that it is not needed.
        training: the loss whose gradient the client sent.

    Raises:
        OptionError: ``label_mode`` is "given" and there is no label, or the last layer's gradient is needed and was not
            sent.
        LabelError, ShapeError, NonFiniteError: a label or feature that cannot be one.
        RankError, ClassCountError: the head's gradient is not that of one sample, or has too few classes.
    """
    needs_feature = "f" in options.terms
    if options.label_mode == "given" and label is None:
        raise OptionError('label: expected one with label_mode "given", got None; pass the label.')
    if options.label_mode == "hard" or _recovers(options, label, feature):
        _check_head_was_sent(gradients, options, feature, head)
    recovery = None
    if _recovers(options, label, feature):
        view = observe_head(model, gradients, head=head)
        recovery = recover_label(*view, temperature=training.temperature, class_weights=training.class_weights)
    if options.label_mode == "learned":
        label = None
    elif options.label_mode == "hard":
        index = idlg_label(observe_head(model, gradients, head=head).weight_grad)
        label = torch.nn.functional.one_hot(torch.tensor(index), classes).double()
    elif label is None and recovery is not None:
        label = recovery.label
    if needs_feature and feature is None and recovery is not None:
        feature = recovery.feature
    return Knowledge(
        None if label is None else _check_label(label, classes),
        _check_feature(feature, model, head) if needs_feature and feature is not None else None,
        recovery,
    )


def needs_head(options: MatchingOptions, label: torch.Tensor | None) -> bool:
    """Whether the search has to know which layer is the last."""
    return options.label_mode == "hard" or "f" in options.terms or _recovers(options, label, None)


def _recovers(options: MatchingOptions, label: torch.Tensor | None, feature: torch.Tensor | None) -> bool:
    return (options.label_mode == "recovered" and label is None) or ("f" in options.terms and feature is None)


def _check_head_was_sent(
    gradients: Mapping[str, torch.Tensor], options: MatchingOptions, feature: torch.Tensor | None, head: str | None
) -> None:
    if f"{head}.weight" in gradients:
        return
    if "f" in options.terms and feature is None:
        raise OptionError(
            f'terms: expected "g", because the gradient of the last layer {head} was not sent and no feature was '
            f"passed, got {options.terms!r}."
        )
    raise OptionError(
        f'label_mode: expected "learned", or "given" with a label, because the gradient of the last layer {head} was '
        f"not sent, got {options.label_mode!r}."
    )


def _check_label(label: torch.Tensor, classes: int) -> torch.Tensor:
    values = torch.as_tensor(label).detach().double().cpu()
    if values.shape != (classes,):
        raise ShapeError(f"label: expected {classes} entries, one per class, got shape {tuple(values.shape)}.")
    if not torch.isfinite(values).all():
        raise NonFiniteError("label: expected finite numbers, got NaN or infinity.")
    total = float(values.sum())
    if abs(total - 1) > _SUM_TOLERANCE:
        raise LabelError(f"label: expected entries that sum to 1, got {total:.6g}; divide them by their sum.")
    return values.clone()


def _check_feature(feature: torch.Tensor, model: nn.Module, head: str | None) -> torch.Tensor:
    entries = model.get_parameter(f"{head}.weight").shape[1]
    values = torch.as_tensor(feature).detach().double().cpu()
    if values.shape != (entries,):
        raise ShapeError(
            f"feature: expected {entries} entries, as many as the last layer has inputs, got shape "
            f"{tuple(values.shape)}."
        )
    if not torch.isfinite(values).all():
        raise NonFiniteError("feature: expected finite numbers, got NaN or infinity.")
    if not values.any():
        raise LabelError("feature: expected one that is not zero; no gradient reaches the layers below such a feature.")
    return values.clone()
