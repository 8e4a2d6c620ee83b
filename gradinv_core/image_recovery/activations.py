"""Activations read backwards: from a recovered output to the input, and to the slope that the gradient went through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

__all__ = ["ACTIVATIONS", "PIXELS", "Inverted", "Range", "invert", "output_range"]

_EDGE = 1e-12  # how close to its bound an output may come before its inverse would be infinite
_ACTIVE_SIGMAS = (10.0, 3.0, 1.0, 0.0)  # a ReLU output this far above its noise is active; the next if none is
_ACTIVE_SHARE = 1e-6  # ... if it is also this large beside the others: zeros err with heavy tails
_NEAR = 5.0  # standard deviations from a kink within which the other side is thought of
_RARE = 1e-4  # share of units that lie too near the kink to tell, below which none is expected


@dataclass(frozen=True)
class Range:
    """What is known of an activation before anything is recovered.

    Attributes:
        low: no entry is smaller.
        high: no entry is larger.
        centre: a first guess.
        spread: standard deviation of that guess; None where only the data can tell.
    """

    low: float
    high: float
    centre: float
    spread: float | None


class Inverted(NamedTuple):
    """An activation read backwards at a recovered output.

    Attributes:
        value: (n,) input.
        slope: (n,) derivative of the activation there; 0 where the output says nothing of the input.
        bend: (n,) derivative of that slope in the output: how an error of the output reaches the slope.
        doubt: (n,) standard deviation of the slope where the output leaves open on which side of a kink it lies.
    """

    value: torch.Tensor
    slope: torch.Tensor
    bend: torch.Tensor
    doubt: torch.Tensor | float = 0.0


_INFINITE = float("inf")
PIXELS = Range(0.0, 1.0, 0.5, 0.5)
"""Images hold values in [0, 1]."""


def _sigmoid(_: nn.Module, output: torch.Tensor) -> Inverted:
    inside = output.clamp(_EDGE, 1 - _EDGE)
    return Inverted(torch.logit(inside), inside * (1 - inside), 1 - 2 * inside)


def _tanh(_: nn.Module, output: torch.Tensor) -> Inverted:
    inside = output.clamp(_EDGE - 1, 1 - _EDGE)
    return Inverted(torch.atanh(inside), 1 - inside**2, -2 * inside)


def _leaky_relu(layer: nn.Module, output: torch.Tensor, std: torch.Tensor) -> Inverted:
    """One wrong side of the kink makes a slope a hundred times too small, so a near miss has to be in the error bar."""
    negative = float(layer.negative_slope)  # type: ignore[arg-type]
    slope = torch.ones_like(output).masked_fill(output <= 0, negative)
    sigmas = output.abs() / std.clamp(min=1e-300)
    near = sigmas < _NEAR
    if not bool(near.any()):
        return Inverted(output / slope, slope, torch.zeros_like(slope))
    wrong_side = torch.where(near, torch.special.erfc(sigmas / 2**0.5) / 2, 0.0)
    return Inverted(output / slope, slope, torch.zeros_like(slope), abs(1 - negative) * wrong_side.sqrt())


def _elu(layer: nn.Module, output: torch.Tensor) -> Inverted:
    alpha = float(layer.alpha)  # type: ignore[arg-type]
    slope = torch.where(output > 0, 1.0, (output + alpha).clamp(min=_EDGE)).to(output)
    value = torch.where(output > 0, output, torch.log(slope / alpha))
    return Inverted(value, slope, (output <= 0).to(output))


def _softplus(layer: nn.Module, output: torch.Tensor) -> Inverted:
    beta = float(layer.beta)  # type: ignore[arg-type]
    scaled = (beta * output).clamp(min=_EDGE)
    slope = -torch.expm1(-scaled)
    return Inverted((scaled + torch.log(slope)) / beta, slope, beta * torch.exp(-scaled))


# Module -> (its inverse and slope at a recovered output, what it can put out).
_INVERTIBLE: Mapping[type[nn.Module], tuple[Callable[..., Inverted], Range]] = {
    nn.Sigmoid: (_sigmoid, Range(0.0, 1.0, 0.5, 0.5)),
    nn.Tanh: (_tanh, Range(-1.0, 1.0, 0.0, 1.0)),
    nn.LeakyReLU: (_leaky_relu, Range(-_INFINITE, _INFINITE, 0.0, None)),
    nn.ELU: (_elu, Range(-_INFINITE, _INFINITE, 0.0, None)),
    nn.Softplus: (_softplus, Range(0.0, _INFINITE, 0.0, None)),
}
_RELU = Range(0.0, _INFINITE, 0.0, None)
ACTIVATIONS: tuple[type[nn.Module], ...] = (*_INVERTIBLE, nn.ReLU)
"""Element-wise activations that can be read backwards, `nn.ReLU` where it is active."""


def output_range(module: nn.Module | None) -> Range:
    """What the output of an activation can be; for None, the image's own range."""
    if module is None:
        return PIXELS
    if type(module) in _INVERTIBLE:
        return _INVERTIBLE[type(module)][1]
    return _RELU if isinstance(module, nn.ReLU) else Range(-_INFINITE, _INFINITE, 0.0, None)


def _relu(output: torch.Tensor, std: torch.Tensor) -> Inverted:
    """Active units hand their output on; of the others only a bound is known.

    An output near zero, known to ``std``, may belong to an active unit all the same: about as many are that small as
    ten times ``std`` is beside the typical output. Where that is less than one unit in ten thousand, none is expected.
    """
    typical = output.square().mean().sqrt().clamp(min=1e-300)
    active = torch.zeros_like(output, dtype=torch.bool)
    for sigmas in _ACTIVE_SIGMAS:
        active = (output > sigmas * std) & (output > _ACTIVE_SHARE * typical)
        if bool(active.any()):
            break
    # A completion's zeros are surer than what came out small.
    margin = torch.where(output > 0, _ACTIVE_SIGMAS[0], 1.0) * std
    chance = (margin / typical).clamp(max=0.5)
    doubt = torch.where(active | (chance < _RARE), 0.0, chance.sqrt())
    return Inverted(output, active.to(output), torch.zeros_like(output), doubt)


def invert(module: nn.Module, output: torch.Tensor, std: torch.Tensor) -> Inverted:
    """Read an activation backwards.

    Args:
        module: one of `ACTIVATIONS`.
        output: (n,) its recovered output.
        std: (n,) standard deviation of that output. A ReLU output below the noise is called inactive: leaving out an
            active unit costs little, letting an inactive one in brings a wrong sign.
    """
    if isinstance(module, nn.ReLU):
        return _relu(output, std)
    if isinstance(module, nn.LeakyReLU):
        return _leaky_relu(module, output, std)
    inverse, _ = _INVERTIBLE[type(module)]
    return inverse(module, output)
