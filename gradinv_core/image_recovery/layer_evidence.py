"""What the layer below the head says of lambda, as a vector of residuals that vanishes at the true one.

The derivation stands in `deep_evidence`, which looks for the lambdas; here the layer is found, and its equations made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from gradinv_core.arrays import Array, unit_roundoff
from gradinv_core.gradients import gradient_entry
from gradinv_core.head import ObservedHead, factor_heads, find_head
from gradinv_core.image_recovery.activations import ACTIVATIONS, invert, output_range
from gradinv_core.image_recovery.chain import leaves_before_head
from gradinv_core.image_recovery.graph.before_head import leaves_before_head_in_graph

__all__ = ["LayerEvidence", "is_clean", "layer_evidence"]

_SLACK = 1e-6  # of the largest entry: a feature this far outside its range is rounding
_FLOOR = 1e-2
_ROUNDINGS = 2.0  # units of rounding in each entry of delta
_CLEAN = 2.0  # units of rounding; outer products computed in float32 miss rank one by 0.43 at most
_TINY = 1e-140  # where no unit is active; one over its square is still a number
_HUGE_FEATURE = 1e4  # an entry that no network in use feeds its head with
_ADDED_NOISE = 1e-6  # a head's relative residual above this is noise, not rounding


@dataclass(frozen=True)
class LayerEvidence:
    """What the layer below says: a residual vector that vanishes at the true lambda.

    Attributes:
        activation: between that layer and the head; None for none.
        row_gradient: (d,) g_r.
        pull: (d,) ``W^T c``.
        observed: (m,) bias gradient, or the left factor of the weight gradient.
        sums: whether ``observed`` is a sum over positions (a bias gradient) rather than a direction.
        noise_std: of each entry of ``observed``.
        rounding: relative precision of the client's arithmetic.
        positions: over how many of them the head's input is an average; the activation is a ReLU then.
    """

    activation: nn.Module | None
    row_gradient: torch.Tensor
    pull: torch.Tensor
    observed: torch.Tensor
    sums: bool
    noise_std: float
    rounding: float
    positions: int = 1

    def starts(self, usual: Array) -> torch.Tensor:
        """(K,) lambdas to look from, of either sign, none outside the activation's range.

        Args:
            usual: (N,) |lambda| for both signs. Under an average it takes no more than one channel: of ``positions``
                units at least one was active, and for each number of them there is one lambda.
        """
        if self.positions == 1:
            scales = torch.from_numpy(np.concatenate([usual, -usual]))
        else:
            strongest = int(self.observed.abs().argmax())
            counts = torch.arange(1, self.positions + 1, dtype=torch.float64)
            scales = counts / self.positions * self.pull[strongest] / self.observed[strongest]
        return scales[scales.abs() < torch.where(scales > 0, self.largest(1), self.largest(-1))]

    def largest(self, sign: int) -> float:
        """The largest |lambda| of this sign that keeps the feature in the activation's range; 0 if none does."""
        if self.activation is None:
            return np.inf
        limits = output_range(self.activation)
        ends = sign * self.row_gradient
        low, high = float(ends.min()), float(ends.max())
        slack = _SLACK * max(abs(low), abs(high))  # rounding of what is zero
        if (limits.low == 0 and low < -slack) or (limits.high == 0 and high > slack):
            return 0.0
        above = limits.high / high if high > slack else np.inf
        below = limits.low / low if low < -slack else np.inf
        return float(min(above, below))

    def reached_by(self, scale: float) -> bool:
        """Whether no larger |lambda| is possible: it would leave the activation's range, or blow the feature up."""
        largest_entry = scale * float(self.row_gradient.abs().max())
        return largest_entry > _HUGE_FEATURE or max(self.largest(1), self.largest(-1)) <= scale

    def residuals(self, scales: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Residual, its derivative in log lambda, and its standard deviation, (K, m) each."""
        feature = scales[:, None] * self.row_gradient
        incoming = self.pull / scales[:, None]
        if self.positions > 1:
            delta = incoming * self._active_share(feature, incoming)
            change, unsure = -delta, delta
        elif self.activation is None:
            delta, change, unsure = incoming, -incoming, incoming
        else:
            read = invert(self.activation, feature, torch.zeros_like(feature))
            delta = incoming * read.slope
            change = incoming * (read.bend * feature - read.slope)
            unsure = incoming * (read.slope + (read.bend * feature).abs())  # a slope near a bound cancels
        rows = len(self.observed)
        size = unsure.reshape(len(scales), rows, -1).square().sum(-1).sqrt()
        if self.sums:
            residual = delta.reshape(len(scales), rows, -1).sum(-1) - self.observed
            derivative = change.reshape(len(scales), rows, -1).sum(-1)
            floor = _FLOOR * float(self.observed.abs().max())  # a dead channel's zero is no exact knowledge
            return (
                residual,
                derivative,
                self.noise_std + self.rounding * (_ROUNDINGS * size + self.observed.abs() + floor),
            )
        along, change_along = delta @ self.observed, change @ self.observed
        residual = delta - along[:, None] * self.observed
        derivative = change - change_along[:, None] * self.observed
        typical = unsure.square().mean(-1, keepdim=True).sqrt()
        return residual, derivative, self.noise_std + self.rounding * _ROUNDINGS * (size + typical) + _TINY

    def _active_share(self, feature: torch.Tensor, incoming: torch.Tensor) -> torch.Tensor:
        """(K, m) of an averaged channel's units, which share was active: a whole number of them, as dL/db tells it."""
        told = torch.where(incoming == 0, 0.0, self.observed / torch.where(incoming == 0, 1.0, incoming))
        counts = (told * self.positions).round().clamp(1, self.positions)
        return torch.where(feature > 0, counts / self.positions, 0.0)


def is_clean(head: ObservedHead, weight_grad: torch.Tensor, noise_std: float | None = None) -> bool:
    """Whether the head's gradient has no more noise than its number type's rounding.

    The equations allow for noise in the layer's own gradient, not for what it does to the head's: only with a clean
    head does their misfit prove anything.

    Args:
        head: the observed head, a single one.
        weight_grad: (C, d) the gradient it was read off.
        noise_std: of noise added to each gradient entry, if known.
    """
    return not noise_std and float(head.residual[0]) <= _CLEAN * unit_roundoff(weight_grad)


def layer_evidence(
    model: nn.Module,
    gradients: Mapping[str, torch.Tensor],
    head: ObservedHead,
    weight_grad: torch.Tensor,
    noise_std: float | None = None,
    last_layer: str | None = None,
    input_shape: Sequence[int] | None = None,
) -> LayerEvidence | None:
    """Find the layer below the head, and make its equations.

    Args:
        model: the network.
        gradients: of one sample, as from `read_gradients`.
        head: the observed head, a single one whose gradient has not vanished.
        weight_grad: (C, d) the gradient it was read off.
        noise_std: of the noise added to each gradient entry, where the server knows it; it is measured too.
        last_layer: the head's name; None looks for it.
        input_shape: (channels, height, width) of the picture; with it, a network that is no ``nn.Sequential`` is
            followed as it runs.

    Returns:
        The equations; None where there is no such layer, it cannot be read backwards, or its gradient is missing or
        zero.

    Raises:
        ShapeError, NonFiniteError, RankError: that layer's gradient does not fit the network or one sample.
    """
    measured = float(head.residual[0])
    noise = noise_std or 0.0
    if measured > _ADDED_NOISE:
        noise = max(noise, measured * float(weight_grad.double().norm()) / weight_grad.numel() ** 0.5)
    rounding = unit_roundoff(weight_grad)
    last_layer = find_head(model, last_layer)
    leaves, positions = leaves_before_head(model, last_layer), 1
    if not leaves and input_shape is not None:
        leaves, positions = leaves_before_head_in_graph(model, last_layer, input_shape)
    activation: nn.Module | None = None
    for name, module in reversed(leaves):
        if isinstance(module, nn.Linear | nn.Conv2d | nn.BatchNorm1d | nn.BatchNorm2d):
            found = _of_layer(name, module, activation, gradients, head, noise, rounding)
            if positions == 1 or found is None:
                return found
            return replace(found, positions=positions) if type(activation) is nn.ReLU and found.sums else None
        if type(module) in ACTIVATIONS and activation is None:  # a subclass may compute something else
            activation = module
        elif not isinstance(module, nn.Flatten | nn.Dropout | nn.Identity):
            return None
    return None


def _of_layer(
    name: str,
    module: nn.Linear | nn.Conv2d | nn.BatchNorm1d | nn.BatchNorm2d,
    activation: nn.Module | None,
    gradients: Mapping[str, torch.Tensor],
    head: ObservedHead,
    noise_std: float,
    rounding: float,
) -> LayerEvidence | None:
    row_gradient = torch.from_numpy(head.row_gradient[0])
    pull = torch.from_numpy(head.weight.T @ head.ratios[0])
    if module.bias is not None and f"{name}.bias" in gradients:
        observed = gradient_entry(gradients, f"{name}.bias", module.bias.shape).double().cpu()
        if row_gradient.numel() % observed.numel() == 0 and bool(observed.any()):
            return LayerEvidence(activation, row_gradient, pull, observed, True, noise_std, rounding)
    if isinstance(module, nn.Linear) and f"{name}.weight" in gradients:
        gradient = gradient_entry(gradients, f"{name}.weight", module.weight.shape).double().cpu()
        if row_gradient.numel() != gradient.shape[0] or not bool(gradient.any()):
            return None
        below = factor_heads(torch.zeros_like(gradient), gradient[None])
        direction = torch.from_numpy(below.ratios[0] / np.linalg.norm(below.ratios[0]))
        return LayerEvidence(activation, row_gradient, pull, direction, False, noise_std, rounding)
    return None
