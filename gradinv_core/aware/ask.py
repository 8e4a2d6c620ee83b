"""Asking the head with a structure; and what to answer where a gradient of unknown length fits it nowhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradinv_core.head import HeadView
from gradinv_core.head.structures import LabelStructure
from gradinv_core.label_recovery import LabelRecovery, Status, recover_label

__all__ = ["ask_head"]

_NOWHERE = (
    "The gradient's length is hidden, and what is left of the rest singles out no lambda; the label shown is a guess."
)


def ask_head(
    head: HeadView,
    structure: LabelStructure | None,
    scale_known: bool,
    noise_std: float | None,
    confidence: float,
) -> LabelRecovery:
    """`recover_label`, whose answer is a probability vector even where nothing is found.

    Args:
        head: the last layer, with gradients as complete as they can be made.
        structure: the label structure; None for the simplex alone.
        scale_known: whether the gradient certainly was not rescaled.
        noise_std: standard deviation of the noise on each entry, None to measure it.
        confidence: of the intervals.

    Returns:
        The answer. Without a structure, or where the structure fits nowhere, a gradient of unknown length leaves every
        lambda possible: then one interval from minus to plus infinity, and the label that the simplex suggests as if
        the length were right.

    Raises:
        GradientInversionError: as `recover_label`.
    """
    if scale_known:
        return _ask(head, "any" if structure is None else structure, "known", noise_std, confidence)
    if structure is not None:
        answer = _ask(head, structure, "unknown", noise_std, confidence)
        if answer.status is not Status.AMBIGUOUS or answer.intervals != [(-np.inf, np.inf)]:
            return answer
    # A bias gradient would insist on its scale, so it is left out.
    guess = _ask(head._replace(bias_grad=None), "any", "known", noise_std, confidence)
    if guess.status is Status.VANISHED:
        return guess
    return replace(guess, status=Status.AMBIGUOUS, message=_NOWHERE, intervals=[(-np.inf, np.inf)])


def _ask(
    head: HeadView, label_format: str | LabelStructure, gradient_scale: str, noise_std: float | None, confidence: float
) -> LabelRecovery:
    return recover_label(
        *head, label_format=label_format, gradient_scale=gradient_scale, noise_std=noise_std, confidence=confidence
    )
