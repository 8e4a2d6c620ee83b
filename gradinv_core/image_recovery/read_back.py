"""What stands between two layers with weights, read backwards: activations, batch norm, lines and average pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from gradinv_core.image_recovery.activations import ACTIVATIONS, Inverted, invert
from gradinv_core.image_recovery.affine import AffineLine
from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.chain import Link
from gradinv_core.image_recovery.convolution_matrix import pooling_matrix

__all__ = ["Arriving", "guess_matters", "read_back"]

_LINES = (nn.BatchNorm1d, nn.BatchNorm2d, AffineLine)
_PRODUCT_ROUNDING = 0.5  # a float32 product errs by about half a unit of its size


@dataclass(frozen=True)
class Arriving:
    """What a layer hands down.

    Attributes:
        belief: about the activation (n,).
        delta: (n,) gradient of the loss there.
        delta_std: (n,) its standard deviations.
        silent: (n,) inputs of a ReLU that was not active: none is above its own error bar; None elsewhere.
        factor_std: by how much the unknown number that moves the belief's entries together shrinks all of delta,
            relatively; the input of a linear layer grows as delta shrinks.
    """

    belief: Belief
    delta: torch.Tensor
    delta_std: torch.Tensor
    silent: torch.Tensor | None = None
    factor_std: float = 0.0


def guess_matters(links: Sequence[Link]) -> bool:
    """Whether `read_back` needs a guess: pooling mixes values that an activation bent before."""
    kinds = [type(link.module) for link in links]
    return nn.AvgPool2d in kinds and any(kind in ACTIVATIONS for kind in kinds[: kinds.index(nn.AvgPool2d)])


def read_back(
    links: Sequence[Link], arriving: Arriving, rounding: float, guess: torch.Tensor | None = None
) -> Arriving:
    """From the output of the last of these links to the input of the first.

    Args:
        links: in order of execution.
        arriving: at their output.
        rounding: relative precision of the client's arithmetic.
        guess: (m,) input of the first link, as far as known: pooling tells only averages, and an activation before it
            is read backwards around this guess.
    """
    forward = [guess]
    for link in links:
        forward.append(None if forward[-1] is None else _run(link, forward[-1]))
    for link, expected in zip(reversed(links), reversed(forward[:-1]), strict=True):
        if isinstance(link.module, nn.AvgPool2d):
            arriving = _unpool(link.module, link.input_shape, arriving, expected)
        elif isinstance(link.module, _LINES):
            arriving = _unfold_line(link.module, link.input_shape, arriving)
        else:
            arriving = _through(link.module, arriving, rounding)
    return arriving


def _run(link: Link, value: torch.Tensor) -> torch.Tensor:
    if isinstance(link.module, _LINES):
        scale, shift = _line(link.module, link.input_shape)
        return scale * value + shift
    # A copy: an activation may work in place.
    result: torch.Tensor = link.module(value.reshape(1, *link.input_shape).clone())
    return result.flatten()


def _through(module: nn.Module, arriving: Arriving, rounding: float) -> Arriving:
    """From an activation's output to its input.

    The slope errs with the output. What the output's error has in common with others is corrected along with the input
    below, so its own part alone counts: the conditional standard deviation.
    """
    belief, delta = arriving.belief, arriving.delta
    inverted = invert(module, belief.mean, belief.std)
    own = belief.diagonal.clamp(min=1e-300).rsqrt().minimum(belief.std)
    variance = (inverted.slope * arriving.delta_std) ** 2 + (_PRODUCT_ROUNDING * rounding * delta * inverted.slope) ** 2
    variance = variance + delta**2 * ((inverted.bend * own) ** 2 + inverted.doubt**2)
    silent = inverted.slope == 0 if isinstance(module, nn.ReLU) else None
    before = belief.before(inverted.value, inverted.slope)
    inside = delta * inverted.slope
    return Arriving(before, inside, variance.sqrt(), silent, _factor_below(arriving, inverted, inside))


def _factor_below(arriving: Arriving, inverted: Inverted, inside: torch.Tensor) -> float:
    """How the common factor of delta goes on: where the outputs move together, the slopes do too."""
    power = float(inside @ inside)
    if arriving.factor_std == 0 or arriving.belief.common is None or power == 0:
        return arriving.factor_std
    moved = arriving.delta * inverted.bend * arriving.belief.common
    return arriving.factor_std - float(moved @ inside) / power


def _line(
    module: nn.BatchNorm1d | nn.BatchNorm2d | AffineLine, shape: tuple[int, ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and shift of every entry: in evaluation mode batch norm is a straight line per channel."""
    if isinstance(module, AffineLine):
        return module.scale, module.shift
    mean, variance = (
        part.detach().double().cpu() for part in (module.running_mean, module.running_var) if part is not None
    )
    scale = (variance + module.eps).rsqrt()
    shift = -mean * scale
    if module.affine:
        weight, bias = module.weight.detach().double().cpu(), module.bias.detach().double().cpu()
        scale, shift = weight * scale, weight * shift + bias
    each = torch.Size(shape[1:]).numel()
    return scale.repeat_interleave(each), shift.repeat_interleave(each)


def _unfold_line(
    module: nn.BatchNorm1d | nn.BatchNorm2d | AffineLine, shape: tuple[int, ...], arriving: Arriving
) -> Arriving:
    scale, shift = _line(module, shape)
    open_ = scale != 0
    value = torch.where(open_, (arriving.belief.mean - shift) / scale.masked_fill(~open_, 1.0), 0.0)
    return replace(
        arriving,
        belief=arriving.belief.before(value, scale),
        delta=arriving.delta * scale,
        delta_std=arriving.delta_std * scale.abs(),
        silent=None,
    )


def _unpool(module: nn.AvgPool2d, shape: tuple[int, ...], arriving: Arriving, guess: torch.Tensor | None) -> Arriving:
    """Averages say nothing of the differences within a window; those come from the guess, or are nought."""
    matrix = pooling_matrix(module, shape)
    belief = arriving.belief
    share = torch.from_numpy(matrix.sum(0)).clamp(min=1e-300)

    def spread(vector: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(matrix.T @ vector.numpy()) / share

    start = torch.zeros(matrix.shape[1], dtype=torch.float64) if guess is None else guess
    value = start + spread(belief.mean - torch.from_numpy(matrix @ start.numpy()))
    half = matrix.T @ belief.matrix().numpy()
    precision = torch.from_numpy(matrix.T @ half.T.copy())
    delta = torch.from_numpy(matrix.T @ arriving.delta.numpy())
    delta_std = torch.from_numpy(matrix.power(2).T @ arriving.delta_std.square().numpy()).sqrt()
    return Arriving(Belief(value, precision, spread(belief.std)), delta, delta_std, None, arriving.factor_std)
