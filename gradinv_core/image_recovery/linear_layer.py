"""The input of a fully connected layer, its error bars, and the gradient that goes on below it."""

from __future__ import annotations

from collections.abc import Mapping
from math import copysign, hypot

import torch
from torch import nn

from gradinv_core.arrays import unit_roundoff
from gradinv_core.gradients import gradient_entry
from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.chain import Link
from gradinv_core.image_recovery.fully_connected import previous_input
from gradinv_core.image_recovery.read_back import Arriving
from gradinv_core.image_recovery.solution import Solved

__all__ = ["SHARED_ROUNDINGS", "solve_linear"]

SHARED_ROUNDINGS = 8.0
"""Units of rounding that p - y, hence every gradient, errs by as a whole."""

_NOISE_MARGIN = 9.0  # times the expected square of a misfit: three standard deviations


def solve_linear(
    link: Link, layer: nn.Linear, arriving: Arriving, gradients: Mapping[str, torch.Tensor], noise_std: float
) -> Solved:
    """Read a linear layer's input off its weight gradient.

    Args:
        link: the layer's place in the network.
        layer: itself.
        arriving: belief and gradient (outputs,) at its output.
        gradients: ``{parameter name: gradient}``.
        noise_std: of the noise added to each gradient entry.
    """
    gradient = gradient_entry(gradients, f"{link.name}.weight", layer.weight.shape)
    value, std, misfit = previous_input(gradient, arriving.delta)
    weight = layer.weight.detach().double().cpu()
    delta = weight.T @ arriving.delta
    blurred = float(arriving.delta_std.square().sum().sqrt()) / max(float(arriving.delta.norm()), 1e-300)
    rounding = unit_roundoff(gradient)
    delta_std = (blurred + rounding) * delta.abs() + rounding * delta.square().mean().sqrt()
    typical = float(value.square().mean().sqrt())
    entry_std = (std**2 + (rounding * (value.abs() + typical) / 2) ** 2).sqrt()
    shared = SHARED_ROUNDINGS * rounding * value.abs()
    belief = Belief.independent(value, (entry_std**2 + shared**2).sqrt().clamp(min=1e-30))
    # What delta lacks in size, the input has too much: by lambda's doubt, and by delta's own error as far as it lies
    # along delta. Across it, delta's error is no first-order error of G^T delta / |delta|^2.
    along = float((arriving.delta * arriving.delta_std).norm()) / max(float(arriving.delta @ arriving.delta), 1e-300)
    factor_std = copysign(hypot(arriving.factor_std, along), arriving.factor_std)
    belief = belief.sharing(factor_std)
    bias = 0.0 if layer.bias is None else layer.bias.detach().double().cpu()
    # |G| = |delta| |x|: the share of it that noise of this size makes up.
    power = float(arriving.delta.square().sum() * value.square().sum())
    expected = noise_std**2 * gradient.numel() / power if power > 0 else 0.0
    beyond_noise = max(0.0, misfit**2 - _NOISE_MARGIN * expected) ** 0.5
    return Solved(
        arriving=Arriving(belief, delta, delta_std, None, factor_std),
        output=weight @ value + bias,
        equations=layer.in_features * int((arriving.delta != 0).sum()),
        rank=layer.in_features,
        misfit=misfit,
        disagreement=beyond_noise,
        contradiction=beyond_noise,
    )
