"""Deep evidence: the layer below the head knows lambda, whatever the label is (our derivation).

A candidate lambda gives the head's input ``x = lambda g_r`` and the loss gradient there, ``W^T c / lambda``. Read back
through the activation, that is the gradient ``delta`` at the output of the layer below, and that layer's own gradient
must agree with it:

    with a bias:     dL/db is delta, summed over the positions of a convolution;
    without one:     dL/dW = delta x^T of a linear layer has delta as its left factor.

These are many equations in the one unknown lambda. For a sigmoid ``dL/db = sum g q - lambda sum g^2 q`` is a straight
line; for a ReLU it is one in 1 / lambda. Only where the layer is positively homogeneous and has no bias do lambda and
1 / lambda cancel, and nothing is learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from gradinv_core.arrays import unit_roundoff
from gradinv_core.consistency import SIMPLEX_SIGMAS, fit
from gradinv_core.gradient_entries import gradient_entry
from gradinv_core.head import ObservedHead, observe_heads
from gradinv_core.image_recovery.activations import ACTIVATIONS, invert, output_range
from gradinv_core.image_recovery.chain import leaves_before_head
from gradinv_core.label_recovery import LabelRecovery, Status, Window, recover_label
from gradinv_core.label_recovery.modes import Mode, Search
from gradinv_core.label_recovery.report import report
from gradinv_core.networks import find_head, observe_head

__all__ = ["recover_from_gradients"]

_STARTS = np.geomspace(0.5, 1e7, 64)  # of |lambda|, for Gauss and Newton
_ROUNDS = 60
_LONGEST_STEP = 2.0  # in log lambda
_SETTLED = 1e-12  # relative step at which a start has arrived
_SLACK = 1e-6  # of the largest entry: a feature this far outside its range is rounding
_FLOOR = 1e-2
_SHARP = 3e-5  # relative width of the head's own answer below which nothing is gained by asking further
_SAME = 1e-5  # relative distance of two roots that are one
_GOOD = 30.0  # misfit per degree of freedom that roughly known rounding still explains
_BLIND = 0.1  # relative standard deviation from which a root says nothing
_ROUNDINGS = 2.0  # units of rounding in each entry of delta
_SIGMAS = 1.96
_ADDED_NOISE = 1e-6  # a head's relative residual above this is noise, not rounding


@dataclass(frozen=True)
class _Evidence:
    """What the layer below says: a residual vector that vanishes at the true lambda.

    Attributes:
        activation: between that layer and the head; None for none.
        row_gradient: (d,) g_r.
        pull: (d,) ``W^T c``.
        observed: (m,) bias gradient, or the left factor of the weight gradient.
        sums: whether ``observed`` is a sum over positions (a bias gradient) rather than a direction.
        noise_std: of each entry of ``observed``.
        rounding: relative precision of the client's arithmetic.
    """

    activation: nn.Module | None
    row_gradient: torch.Tensor
    pull: torch.Tensor
    observed: torch.Tensor
    sums: bool
    noise_std: float
    rounding: float

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

    def residuals(self, scales: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Residual, its derivative in log lambda, and its standard deviation, (K, m) each."""
        feature = scales[:, None] * self.row_gradient
        incoming = self.pull / scales[:, None]
        if self.activation is None:
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
        return residual, derivative, self.noise_std + self.rounding * _ROUNDINGS * (size + typical) + 1e-300


def recover_from_gradients(model: nn.Module, gradients: Mapping[str, torch.Tensor]) -> LabelRecovery:
    """Recover label and feature from the gradients of the whole network.

    The head is asked first. Where it leaves more than a sliver of lambda, as for one-hot predictions and for labels
    without structure, the layer below it is asked too; ``window`` says which of them decided.

    Args:
        model: the network, with the weights the client used. The layer below the head is found where it stands in the
            same ``nn.Sequential``.
        gradients: ``{parameter name: gradient}`` of one sample.

    Returns:
        As `recover_label`; with ``window`` "layer below" where that layer decided.

    Raises:
        OptionError: the network has no linear layer, or a gradient is missing.
        ShapeError, NonFiniteError, RankError: the gradients do not fit the network or one sample.
    """
    view = observe_head(model, gradients)
    answer = recover_label(view.weight, view.weight_grad, view.bias, view.bias_grad)
    sure = answer.status is Status.UNIQUE
    if answer.status is Status.VANISHED or (sure and _width(answer) < _SHARP):
        return answer
    head = observe_heads(view.weight, view.weight_grad[None], view.bias)
    evidence = _gather(model, gradients, head, view.weight_grad)
    if evidence is None:
        return answer
    modes, evaluations = _roots(evidence)
    modes = [mode for mode in modes if _is_label(head, mode)]
    if sure:  # then the layer below may sharpen what the head knows, and nothing else
        modes = [mode for mode in modes if abs(mode.scale / answer.scale - 1) < 2 * _width(answer)]
    if not modes or (sure and (len(modes) > 1 or modes[0].high - modes[0].low > _width(answer) * abs(answer.scale))):
        return answer
    search = Search(tuple(modes), complete=True, evaluations=answer.evaluations + evaluations)
    return report(head, search, None, "layer_below", Window.LAYER_BELOW)


def _width(answer: LabelRecovery) -> float:
    """Relative width of the range of lambda that the head leaves."""
    return sum(high - low for low, high in answer.intervals) / abs(answer.scale)


def _gather(
    model: nn.Module, gradients: Mapping[str, torch.Tensor], head: ObservedHead, weight_grad: torch.Tensor
) -> _Evidence | None:
    """Find the layer below the head, and what its gradient says; None where it says nothing."""
    activation: nn.Module | None = None
    for name, module in reversed(leaves_before_head(model, find_head(model))):
        if isinstance(module, nn.Linear | nn.Conv2d | nn.BatchNorm1d | nn.BatchNorm2d):
            return _of_layer(name, module, activation, gradients, head, weight_grad)
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
    weight_grad: torch.Tensor,
) -> _Evidence | None:
    row_gradient = torch.from_numpy(head.row_gradient[0])
    pull = torch.from_numpy(head.weight.T @ head.ratios[0])
    rounding = unit_roundoff(weight_grad)
    norm = float(weight_grad.double().norm())
    noisy = float(head.residual[0]) > _ADDED_NOISE
    noise_std = float(head.residual[0]) * norm / weight_grad.numel() ** 0.5 if noisy else 0.0
    if module.bias is not None and f"{name}.bias" in gradients:
        observed = gradient_entry(gradients, f"{name}.bias", module.bias.shape).double().cpu()
        if row_gradient.numel() % observed.numel() == 0 and bool(observed.any()):
            return _Evidence(activation, row_gradient, pull, observed, True, noise_std, rounding)
    if isinstance(module, nn.Linear) and f"{name}.weight" in gradients:
        gradient = gradient_entry(gradients, f"{name}.weight", module.weight.shape).double().cpu()
        if row_gradient.numel() != gradient.shape[0] or not bool(gradient.any()):
            return None
        below = observe_heads(torch.zeros_like(gradient), gradient[None])
        direction = torch.from_numpy(below.ratios[0] / np.linalg.norm(below.ratios[0]))
        return _Evidence(activation, row_gradient, pull, direction, False, noise_std, rounding)
    return None


def _roots(evidence: _Evidence) -> tuple[list[Mode], int]:
    """Every lambda that explains the layer below, by Gauss and Newton from many starts at once."""
    largest = {sign: evidence.largest(sign) for sign in (1, -1)}
    scales = torch.cat([sign * torch.from_numpy(_STARTS[limit > _STARTS]) for sign, limit in largest.items()])
    limits = torch.where(scales > 0, largest[1], largest[-1])
    evaluations = 0
    for _ in range(_ROUNDS):
        if not len(scales):
            return [], evaluations
        residual, derivative, std = evidence.residuals(scales)
        evaluations += len(scales)
        weights = std**-2.0
        information = (weights * derivative**2).sum(-1)
        step = -(weights * residual * derivative).sum(-1) / information.clamp(min=1e-300)
        moved = scales * torch.exp(step.clamp(-_LONGEST_STEP, _LONGEST_STEP))
        moved = moved.sign() * moved.abs().clamp(_STARTS[0], _STARTS[-1]).minimum(limits)
        still = float((moved / scales - 1).abs().max()) < _SETTLED
        scales = moved
        if still:
            break
    modes: list[Mode] = []
    for scale in sorted(set(scales.tolist())):
        if any(abs(scale / mode.scale - 1) < _SAME for mode in modes):
            continue
        mode = _mode(evidence, scale)
        if mode is not None:
            modes.append(mode)
    return sorted(modes, key=lambda mode: mode.misfit), evaluations


def _mode(evidence: _Evidence, scale: float) -> Mode | None:
    """The range around one root; None where it is no root, or says nothing of lambda."""
    residual, derivative, std = (part[0] for part in evidence.residuals(torch.tensor([scale], dtype=torch.float64)))
    information = float((derivative / std).square().sum())
    freedom = len(residual) - 1 - (0 if evidence.sums else 1)
    misfit = float((residual / std).square().sum()) / max(freedom, 1)
    if misfit > _GOOD or information * _BLIND**2 < 1:
        return None
    relative = _SIGMAS * max(1.0, misfit) ** 0.5 / information**0.5 + 4 * evidence.rounding
    ends = sorted((scale * (1 - relative), scale * (1 + relative)))
    return Mode(scale, ends[0], ends[1], 1 / scale, misfit, freedom, relative)


def _is_label(head: ObservedHead, mode: Mode) -> bool:
    """Whether the label this lambda implies is a probability vector, as far as lambda's own error allows."""
    result = fit(head, np.array([[mode.scale]]), None)
    drift = np.abs(result.slope[0, 0]) * (mode.high - mode.low)
    allowed = SIMPLEX_SIGMAS * result.std[0, 0] + drift + 1e-6
    label = result.labels[0, 0]
    return bool(np.all((label >= -allowed) & (label <= 1 + allowed)))
