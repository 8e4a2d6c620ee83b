"""What may be said of a picture that the walk through a graph gave: its reason, and whether it has error bars."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from gradinv_core.image_recovery.graph.account import Misfit
from gradinv_core.image_recovery.judgement import Known
from gradinv_core.image_recovery.suspects import range_sentence, several_sentence
from gradinv_core.pixels import PixelSpace

__all__ = ["Verdict", "contradictions", "give_verdict"]

_TIMES_APART = 100.0  # rounding, or the head's noise, times this: no single sample misses its own product by as much
_MANY_UNSETTLED = 0.02  # share of a layer's output channels whose signs may stay open before no bars are given
_WIDEST = 0.2  # of the range, root mean square; pixels anywhere in it, each as likely, have 0.29


@dataclass(frozen=True)
class Verdict:
    """The judgement.

    Attributes:
        std: error bars in the shape of the picture; None where none can be vouched for.
        reason: the sentences.
        why_no_std: the one of them that says why there are none although some were worked out; empty elsewhere.
    """

    std: torch.Tensor | None
    reason: str
    why_no_std: str


def contradictions(misfits: Sequence[Misfit], rounding: float, noise_share: float) -> list[tuple[str, float]]:
    """Name and relative misfit of layers whose equations contradict each other far above rounding and noise.

    Args:
        misfits: of the walk's layers.
        rounding: unit roundoff of the gradients.
        noise_share: share of the head's gradient that is noise.
    """
    least = _TIMES_APART * max(rounding, noise_share)
    return [(misfit.name, misfit.relative) for misfit in misfits if misfit.relative > least]


def give_verdict(
    model: nn.Module,
    picture: torch.Tensor,
    std: torch.Tensor | None,
    misfits: Sequence[Misfit],
    odd: Sequence[tuple[str, float]],
    stem: str,
    why_none: str,
    known: Known,
    space: PixelSpace,
    hinged: bool = False,
    deepest: Collection[str] = (),
) -> Verdict:
    """Say how the picture came about, and judge its error bars.

    Args:
        model: the network.
        picture: (channels, height, width).
        std: its error bars; None where the stem gave none.
        misfits: of the walk's layers.
        odd: those among them, and of the stem, that contradict each other.
        stem: how the picture follows from the walk's end, in a sentence.
        why_none: why the stem gave no bars, in a sentence; empty if it gave some.
        known: what the walk started from.
        space: which values pixels may have.
        hinged: whether a layer with hardly an equation to spare was passed, so that nothing is called exact.
        deepest: names of layers below which a search took over, so that no gradient had to pass the units above them.
    """
    doubt = known.doubt
    parts = [_walked(misfits, not odd and known.noise_std == 0 and not hinged), stem]
    why = why_none
    if why_none:
        parts.append(why_none)
    open_ = [misfit for misfit in misfits if misfit.unsettled]
    if open_:
        parts.append(_of_open_units(misfits, deepest))
    if odd:
        parts.append(several_sentence(list(odd), model))
        std = None
    elif known.noise_std > 0:
        parts.append(
            "What the last layer's gradient holds besides its one direction may be noise, or several samples; then the "
            "picture is an average of theirs."
        )
    if doubt.wide:
        parts.append(
            f"Lambda may lie anywhere from {doubt.low:.3g} to {doubt.high:.3g}, which moves the whole picture: no "
            f"error bars are given."
        )
        std = None
    outside = "" if std is None else range_sentence(picture, std, space.low, space.high, bool(space.mean))
    if outside:
        parts.append(outside)
    elif std is not None:
        std = std.clamp(max=space.spread / 2)  # pixels lie in their range, whatever the equations leave open
    if std is not None and any(each.unsettled > _MANY_UNSETTLED * each.channels for each in open_):
        why = "No error bars: too many units' signs stay open for them."
    elif std is not None and float(std.square().mean().sqrt()) > _WIDEST * space.spread:
        why = "No error bars: they would be about as wide as the range of a pixel."
    if why and std is not None:
        parts.append(why)
        std = None
    if std is not None and not known.recovered:
        parts.append("The error bars take the label and the feature that were handed in for exact.")
    return Verdict(std, " ".join(part for part in parts if part), why)


def _of_open_units(misfits: Sequence[Misfit], deepest: Collection[str]) -> str:
    """Which layers have channels that misfit, and what hangs on the units above them.

    Args:
        misfits: of the walk's layers, from the head down.
        deepest: as in `give_verdict`.
    """
    open_ = [misfit for misfit in misfits if misfit.unsettled]
    named = ", ".join(f"{each.name} ({each.unsettled} of {each.channels} channels)" for each in open_)
    sentence = (
        f"Some channels fit worse than rounding allows, so that units above them, or winners of a max pool, may have "
        f"been taken wrongly: in layer {named}."
    )
    if all(each.name in deepest for each in open_):
        return f"{sentence} What it reads follows from the others, and nothing else depends on these units."
    below = misfits[misfits.index(open_[-1]) + 1 :]
    if below:
        return f"{sentence} The layers below fit all the same, to {max(each.relative for each in below):.0e}."
    return f"{sentence} What lies below rests on the channels that fit."


def _walked(misfits: Sequence[Misfit], exact: bool) -> str:
    if not misfits:
        return "No layer between the last and the first tests that this is one sample."
    settled = not any(misfit.unsettled for misfit in misfits)
    if exact and settled:
        return (
            f"Walked back through the network's graph: the weight gradients of {len(misfits)} layers give what each of "
            f"them read, exactly but for rounding."
        )
    return (
        f"Walked back through the network's graph: the weight gradients of {len(misfits)} layers give what each of "
        f"them read."
    )
