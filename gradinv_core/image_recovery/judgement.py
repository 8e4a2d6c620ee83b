"""What may be said of a picture that linear algebra gave: its reason, and whether its error bars can be vouched for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from gradinv_core.image_recovery.open_scale import Doubt, OpenScale
from gradinv_core.image_recovery.peel import Peeled
from gradinv_core.image_recovery.result import LayerRecovery, Leak, Step
from gradinv_core.image_recovery.suspects import range_sentence, several_sentence
from gradinv_core.image_recovery.vouching import why_no_bars
from gradinv_core.pixels import PixelSpace

__all__ = ["Known", "judge"]

_EXACT = 1e-3  # relative standard deviation of lambda up to which its layers' inputs are called exact


@dataclass(frozen=True)
class Known:
    """What the walk to the pixels started from.

    Attributes:
        doubt: how well lambda is known.
        spread: the pictures of all lambdas that fit, where they were tried.
        noise_std: of the noise in each gradient entry, 0 for none.
        recovered: whether label and feature were recovered, rather than handed in.
    """

    doubt: Doubt
    spread: OpenScale | None
    noise_std: float
    recovered: bool


def judge(
    model: nn.Module, peeled: Peeled, last: Step, known: Known, space: PixelSpace
) -> tuple[torch.Tensor | None, str, str]:
    """Error bars of the picture and the reason of the whole recovery.

    Args:
        model: the network.
        peeled: the way down.
        last: its last step, the picture.
        known: what it started from.
        space: which values pixels may have.

    Returns:
        (n,) standard deviations, or None where none can be vouched for; the sentences; and that one of them which says
        why noise leaves none, or nothing.
    """
    doubt, spread = known.doubt, known.spread
    std = last.std
    odd = list(peeled.contradictions)
    exact = not odd and known.noise_std == 0 and not doubt.wide and doubt.std <= _EXACT
    parts = []
    out_of_range = "" if std is None else range_sentence(last.value, std, space.low, space.high, bool(space.mean))
    if odd:
        parts.append(several_sentence(odd, model))
        std = None
    elif not peeled.layers:
        parts.append(
            "Rank one proves one direction, not one sample: no layer below the head tests it, so the picture may be an "
            "average of several."
        )
    elif known.noise_std > 0:
        parts.append(
            "What the last layer's gradient holds besides its one direction may be noise, or several samples; then the "
            "picture is an average of theirs."
        )
    if spread is not None and std is not None:
        parts.append(
            f"Lambda may lie anywhere from {spread.low:.3g} to {spread.high:.3g}, where the pixels keep their range; "
            f"the picture is that of the middle, and its error bars span the others."
        )
        std = (std.flatten() ** 2 + spread.std**2).sqrt()
    elif doubt.wide:
        parts.append(
            f"Lambda may lie anywhere from {doubt.low:.3g} to {doubt.high:.3g}, which moves the whole picture: no "
            f"error bars are given."
        )
        std = None
    if out_of_range:
        parts.append(out_of_range)
    elif std is not None:
        std = std.clamp(max=space.spread / 2)  # pixels lie in their range, whatever the equations leave open
    why_none = "" if std is None else why_no_bars(std, space.spread, peeled, known.noise_std)
    if why_none:
        parts.append(why_none)
        std = None
    if std is not None and not known.recovered:
        parts.append("The error bars take the label and the feature that were handed in for exact.")
    return std, " ".join([_route(peeled.layers, exact=exact, bars=std is not None), *parts]), why_none


def _route(layers: Sequence[LayerRecovery], *, exact: bool, bars: bool) -> str:
    """Why this route, and how far it carried, in words."""
    if all(layer.kind.startswith("fully connected") for layer in layers):
        if not exact:
            return (
                "Every layer is fully connected: each layer's gradient is an outer product, which gives its input as "
                "well as lambda is known."
            )
        return "Every layer is fully connected: each layer's gradient is an outer product, so its input is exact."
    completed = [layer for layer in layers if layer.completed]
    if completed:
        names = ", ".join(layer.name for layer in completed)
        return (
            f"The equations of layer {names} leave some directions open; bounds and smoothness choose among what fits, "
            f"a convex problem."
        )
    if exact and all(layer.leak is Leak.EXACT for layer in layers):
        return "Every layer has more equations than unknowns: linear algebra gives its input, down to the pixels."
    shown = "; the error bars show what they leave open" if bars else ""
    return f"Layer by layer, linear algebra gives what the equations determine{shown}."
