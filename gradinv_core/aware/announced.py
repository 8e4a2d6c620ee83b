"""What announced defences mean for the released gradient: which scale, which noise, which entries are missing.

The pipeline is walked backwards, from what was sent to what was computed, and only its public parameters are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from gradinv_core.defences import (
    Clip,
    Defence,
    DropRows,
    GaussianNoise,
    LaplaceNoise,
    PerturbFeature,
    Prune,
    Quantise,
    Sign,
)
from gradinv_core.defences.defence import norm_of
from gradinv_core.defences.quantise import levels_per_side
from gradinv_core.defences.sparsify import pruned_count

__all__ = ["Announced", "read_announced"]

_CERTAIN = 5.0  # standard deviations
_BELOW = 1 - 1e-4  # of the clip norm: a shortened gradient has that norm to rounding


@dataclass(frozen=True)
class Announced:
    """The defences in the terms of a recovery.

    Attributes:
        scale_known: whether the gradient certainly was not shortened.
        noise: standard deviation of the noise added to each entry, in the units of the released gradient.
        noise_after: for each kind of defence, the part of that noise which was added after it.
        quantised: bits of the grid, None for none.
        pruned: share of each tensor's entries that is missing, 0 for none.
        dropped: share of the head's rows that is missing, 0 for none.
        perturbed: share of the head's columns that is missing, 0 for none.
        signs_only: whether only signs were sent.
    """

    scale_known: bool = True
    noise: float = 0.0
    noise_after: Mapping[type[Defence], float] = field(default_factory=dict)
    quantised: int | None = None
    pruned: float = 0.0
    dropped: float = 0.0
    perturbed: float = 0.0
    signs_only: bool = False


def read_announced(gradients: Mapping[str, torch.Tensor], defences: Sequence[Defence], head_weight: str) -> Announced:
    """Walk a pipeline backwards.

    Args:
        gradients: what was released.
        defences: checked, in the order in which they were applied.
        head_weight: name of the last layer's weight.

    Returns:
        What follows from the parameters. Where nothing was clipped, noise follows the gradient's own norm, which is
        estimated from the released one less the noise's own contribution.
    """
    length = norm_of(gradients)  # of the gradient at this stage, in released units: never too small
    entries = sum(gradient.numel() for gradient in gradients.values())
    shares = {type(defence): float(defence.parameter or 0) for defence in defences}
    scale_known = not any(isinstance(defence, Sign) for defence in defences)
    variance = 0.0
    after: dict[type[Defence], float] = {}
    lengthless = False  # whether what went missing could have had any length
    for index in reversed(range(len(defences))):
        defence = defences[index]
        after[type(defence)] = variance**0.5
        if isinstance(defence, Clip):
            scale_known &= length < defence.norm * _BELOW and not lengthless
        elif isinstance(defence, GaussianNoise | LaplaceNoise):
            norm = _clip_norm_before(defences[:index])
            std = defence.multiplier * (norm or length / (1 + entries * defence.multiplier**2) ** 0.5)
            variance += std**2
            length = _without_noise(length, std, entries)
        elif isinstance(defence, Prune):
            noise = variance**0.5
            energy = sum(_pruned_energy(tensor, defence.share, noise) for tensor in gradients.values())
            length = (length**2 + energy) ** 0.5
        elif isinstance(defence, Quantise):
            errors = [tensor.numel() * _half_step(tensor, defence.bits) ** 2 for tensor in gradients.values()]
            length += sum(errors) ** 0.5
        elif isinstance(defence, DropRows | PerturbFeature):
            lengthless = True
            length = (length**2 + _hidden_energy(gradients.get(head_weight), defence)) ** 0.5
    return Announced(
        scale_known=scale_known,
        noise=variance**0.5,
        noise_after=after,
        quantised=next((defence.bits for defence in defences if isinstance(defence, Quantise)), None),
        pruned=shares.get(Prune, 0.0),
        dropped=shares.get(DropRows, 0.0),
        perturbed=shares.get(PerturbFeature, 0.0),
        signs_only=Sign in shares,
    )


def _clip_norm_before(earlier: Sequence[Defence]) -> float | None:
    norm: float | None = None
    for defence in earlier:
        norm = defence.clip_norm_after(norm)
    return norm


def _without_noise(length: float, std: float, entries: int) -> float:
    """Upper bound of the norm before independent noise was added; the spread covers Laplace noise as well."""
    spread = (6 * entries * std**4 + 4 * length**2 * std**2) ** 0.5
    return max(length**2 - entries * std**2 + _CERTAIN * spread, 0.0) ** 0.5


def _pruned_energy(tensor: torch.Tensor, share: float, noise: float) -> float:
    """Most that the pruned entries of a tensor can have weighed: none was larger than the smallest that was kept."""
    count = pruned_count(share, tensor.numel())
    size = tensor.abs().flatten()
    if noise > 0:  # it fills the holes, so the smallest entries are the pruned ones, give or take that noise
        return count * (float(size.kthvalue(count + 1).values) + _CERTAIN * noise) ** 2
    kept = size[size != 0]
    if kept.numel() == 0 or size.numel() - kept.numel() > count:  # more zeros than were pruned: these were zeros
        return 0.0
    return count * float(kept.min()) ** 2


def _half_step(tensor: torch.Tensor, bits: int) -> float:
    return float(tensor.abs().max()) / levels_per_side(bits) / 2


def _hidden_energy(weight_grad: torch.Tensor | None, defence: DropRows | PerturbFeature) -> float:
    """A typical size, not a bound, of what rows or columns that were zeroed weighed."""
    if weight_grad is None:
        return 0.0
    power = weight_grad.double().square()
    if isinstance(defence, DropRows):  # rows add up to zero, so the missing ones add up to minus the others
        return float(weight_grad.double().sum(0).square().sum() + power.sum(1).max())
    return float(power.sum()) * 2 * defence.share / (1 - defence.share)
