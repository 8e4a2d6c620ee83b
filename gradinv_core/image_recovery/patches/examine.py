"""Whether the gradient is that of one picture through these patches: by equations that could have failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch

from gradinv_core.arrays import unit_roundoff
from gradinv_core.errors import MisfitError, NoExactRouteError
from gradinv_core.gradients import gradient_entry
from gradinv_core.image_recovery.patches.equations import PatchEquations, PatchFit, fit_patches
from gradinv_core.image_recovery.patches.structure import PatchPositions

__all__ = ["Evidence", "Fitted", "Verdict", "best_place", "examine"]

_TIMES_APART = 10.0  # rounding, times this: no single sample misses its own product by as much
_BEYOND_BIAS, _BEYOND_HEAD = 10.0, 100.0  # the noise that these show, times this: no more does noise
_OTHER_POSITIONS = 0.5  # misfit of the bias from which the positions are not those of these patches
_USELESS = 0.1  # standard deviation of the pixels, of their range, from which a misfit leaves no picture
_COARSE = 1e-3  # misfit that products of ten or eleven bits, as graphics cards take them for float32, bring about
_SHORT_BITS = (8, 11)  # significant bits of bfloat16 and of float16, which casting to float32 does not add to


@dataclass(frozen=True)
class Evidence:
    """What the last layer's gradient says of noise, for networks whose patch layer has no bias.

    Attributes:
        misfit: of it and an outer product, relative; None where that is not known.
        several: whether it was refused as that of several samples.
    """

    misfit: float | None = None
    several: bool = False


class Fitted(NamedTuple):
    """A place, and how the equations fit there."""

    place: PatchPositions
    equations: PatchEquations
    fit: PatchFit

    @property
    def off(self) -> float:
        """How badly: of two places, the better one is meant."""
        bias = self.equations.bias_misfit
        return bias if bias is not None else self.fit.misfit or 0.0


class Verdict(NamedTuple):
    """What the surplus equations allow to be said.

    Attributes:
        noisy: whether the gradient plainly holds more than rounding.
        doubt: what may be behind that, in one sentence; empty where all is well.
    """

    noisy: bool
    doubt: str


def best_place(places: tuple[PatchPositions, ...], gradients: Mapping[str, torch.Tensor]) -> Fitted:
    """The place whose equations fit best.

    Args:
        places: at least one.
        gradients: as from `read_gradients`.

    Raises:
        NoExactRouteError: a gradient was not sent, or is zero at the patches.
        ShapeError, NonFiniteError: one has the wrong shape, or is not finite.
    """
    fitted: list[Fitted] = []
    refusal = ""
    for place in places:
        missing = next((n for n in (f"{place.layer}.weight", place.positions) if n not in gradients), None)
        if missing is not None:
            refusal = (
                f"the gradient of {missing} was not sent, and the exact route needs that of the positions "
                f"{place.positions} and of the patch layer {place.layer}; gradient matching does with those that were "
                f"sent."
            )
            continue
        equations = _equations(place, gradients)
        if not bool(equations.delta.any()) or not bool(equations.gradient.any()):
            refusal = (
                f"no gradient reaches the patches: that of {place.positions} or of {place.layer}.weight is zero, as it "
                f"is while the weights of the last layer are."
            )
            continue
        fitted.append(Fitted(place, equations, fit_patches(equations)))
    if not fitted:
        raise NoExactRouteError(refusal)
    return min(fitted, key=lambda one: one.off)


def _equations(place: PatchPositions, gradients: Mapping[str, torch.Tensor]) -> PatchEquations:
    weight = gradient_entry(gradients, f"{place.layer}.weight", place.module.weight.shape)
    positions = gradient_entry(gradients, place.positions, gradients[place.positions].shape)
    bias = None
    if place.module.bias is not None and f"{place.layer}.bias" in gradients:
        bias = gradient_entry(gradients, f"{place.layer}.bias", place.module.bias.shape).double().cpu()
    rows = positions.reshape(-1, positions.shape[-1]).double().cpu()
    return PatchEquations(
        delta=place.factor * rows[place.rows],
        gradient=weight.reshape(len(weight), -1).double().cpu(),
        bias=bias,
        rounding=max(_roundoff(weight), _roundoff(positions)),
    )


def _roundoff(gradient: torch.Tensor) -> float:
    """Unit roundoff of the numbers themselves: some were computed in a shorter type than they came in."""
    mantissa, _ = torch.frexp(gradient.float())
    for bits in _SHORT_BITS:
        scaled = mantissa * 2.0**bits
        if bool((scaled == scaled.round()).all()):
            return max(2.0**-bits, unit_roundoff(gradient))
    return unit_roundoff(gradient)


def examine(fitted: Fitted, spread: float, evidence: Evidence) -> Verdict:
    """Say whether it is the gradient of one picture.

    Of several samples the gradients add up, and so do those of patch layer's bias and positions: the bias tests the
    place and shows noise, the weights' surplus equations test the sample.

    Args:
        fitted: the place.
        spread: standard deviation of the pixels, root mean square, as shares of their range, if the misfit were noise.
        evidence: of the last layer.

    Raises:
        NoExactRouteError: these are not the positions of these patches.
        MisfitError: it is not the gradient of one picture.
    """
    place, equations, fit = fitted
    bias, rounding = equations.bias_misfit, equations.rounding
    if bias is not None and bias > _OTHER_POSITIONS:
        raise NoExactRouteError(
            f"no exact route to the image is known for this gradient: summed over the patches, that of "
            f"{place.positions} differs from that of {place.layer}.bias by {bias:.0%}, so it is not the loss gradient "
            f"at the patches alone. It may be positions that are used elsewhere too, or noise."
        )
    clean = _TIMES_APART * rounding
    misfit = 0.0 if fit.misfit is None else fit.misfit
    if misfit <= clean:
        return Verdict(bias is not None and bias > clean, "")
    if bias is not None:
        expected = _BEYOND_BIAS * max(bias, rounding)
    elif evidence.several:
        expected = 0.0
    else:
        expected = float("inf") if evidence.misfit is None else _BEYOND_HEAD * max(evidence.misfit, rounding)
    if misfit <= expected:
        return Verdict(
            True,
            f"What the surplus equations miss, {misfit:.1e} of the gradient, may be noise, or several samples; then "
            f"the picture is an average of theirs.",
        )
    if spread > _USELESS and misfit > _COARSE:
        raise MisfitError(
            f"gradient {place.layer}.weight: expected the product of the gradient of {place.positions} and the patches "
            f"of one picture, got one that misses every such product by {misfit:.1e} of its size, far more than "
            f"rounding and noise. It may be several samples in one gradient, or arithmetic of lower precision."
        )
    return Verdict(
        True,
        f"The patch layer fits one sample only to {misfit:.1e}, far above rounding and noise: the client computed at "
        f"lower precision, or the gradient is that of several samples, and the picture an average of theirs.",
    )
