"""The input of one layer with weights, by whichever solver fits it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import nn

from gradinv_core.arrays import unit_roundoff
from gradinv_core.gradients import gradient_entry
from gradinv_core.image_recovery.activations import Range
from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.chain import Link
from gradinv_core.image_recovery.completion import Bounds, Completion, complete
from gradinv_core.image_recovery.convolution import (
    SUM_ROUNDINGS,
    ConvolutionEquations,
    convolution_equations,
)
from gradinv_core.image_recovery.convolution_matrix import output_bias
from gradinv_core.image_recovery.dense import solve_dense
from gradinv_core.image_recovery.fully_connected import previous_input
from gradinv_core.image_recovery.iterative import solve_iteratively
from gradinv_core.image_recovery.nonnegative import settle_zeros
from gradinv_core.image_recovery.open_directions import find_open_directions
from gradinv_core.image_recovery.read_back import Arriving
from gradinv_core.image_recovery.solution import Solution

__all__ = ["DENSE_LIMIT", "Solved", "solve_layer"]

DENSE_LIMIT = 4096
"""Unknowns up to which a layer is solved by factorisation; 4,096 squared float64 entries weigh 134 MB."""

_WORTH_CLOSING = 1e-3  # error, relative to the input's size, from which bounds and smoothness close open directions ...
_WORTH_SMOOTHING = 1e-2  # ... and from which they help where none is open
_CONTRADICTION = 3.0  # misfit, times this, of a completed input is the share of it that is taken for wrong
_UNSETTLED = 1e-2  # relative error of the gradient from which units of unknown state dominate it ...
_HEAVY_TAILS = 3.0  # ... and error bars grow: a wrong unit is no Gaussian error
_SHARED_ROUNDINGS = 8.0  # units of rounding that p - y, hence every gradient, errs by as a whole
_SMALLEST_OPEN = 1e-6  # standard deviation, likewise, of directions a completion may move along


@dataclass(frozen=True)
class Solved:
    """The input of a layer, and how it was found.

    Attributes:
        arriving: belief and gradient at the input.
        output: (outputs,) what the layer makes of it, bias included.
        equations: how many there were.
        rank: how many unknowns they determine.
        misfit: relative misfit of the weight gradient.
        completed: whether bounds and smoothness had to close what the equations left open.
        convergence: of the completion.
    """

    arriving: Arriving
    output: torch.Tensor
    equations: int
    rank: int
    misfit: float
    completed: bool = False
    convergence: tuple[float, ...] = ()


def solve_layer(
    link: Link,
    arriving: Arriving,
    gradients: Mapping[str, torch.Tensor],
    noise_std: float,
    limits: Range,
    is_image: bool,
) -> Solved:
    """Solve a layer for its input.

    Args:
        link: the layer, linear or convolutional.
        arriving: belief and gradient at its output.
        gradients: ``{parameter name: gradient}``.
        noise_std: of the noise added to each gradient entry.
        limits: what the input can be.
        is_image: whether the input is the image itself.
    """
    layer = link.module
    if isinstance(layer, nn.Linear):
        return _linear(link, layer, arriving, gradients)
    if not isinstance(layer, nn.Conv2d):
        raise TypeError(f"expected a layer with weights, got {type(layer).__name__}")
    gradient = gradient_entry(gradients, f"{link.name}.weight", layer.weight.shape)
    equations = convolution_equations(layer, link.input_shape, arriving, gradient, noise_std, limits)
    dense = prod(link.input_shape) <= DENSE_LIMIT
    solution = solve_dense(equations) if dense else solve_iteratively(equations)
    equations, belief, completion = solution.equations, solution.belief, None
    bounded = is_image or limits.low == 0.0
    size = _size(belief, is_image)  # 0 below a layer that is dead: nothing there to complete
    worth = _WORTH_CLOSING if solution.rank < len(belief.mean) else _WORTH_SMOOTHING
    if dense and bounded and size > 0 and float(belief.std.square().mean().sqrt()) > worth * size:
        belief, completion = _complete(link, layer, solution, arriving, limits, is_image)
    if dense:  # the gradients of all layers share the roundings of p - y: a factor that no surplus equation shows.
        # Only now: smoothness would take that factor for open, and shrink the contrast of what is known to 16 bits.
        belief = _with_shared_rounding(belief, _SHARED_ROUNDINGS * unit_roundoff(gradient))
    below = _hand_down(equations, belief, arriving, unit_roundoff(gradient))
    return Solved(
        arriving=below,
        output=torch.from_numpy(equations.forward @ belief.mean.numpy())
        + output_bias(layer, equations.forward.shape[0]),
        equations=sum(equations.counts),
        rank=solution.rank,
        misfit=equations.relative_misfit(belief.mean),
        completed=completion is not None,
        convergence=() if completion is None else completion.convergence,
    )


def _with_shared_rounding(belief: Belief, relative_std: float) -> Belief:
    shared = belief.with_common_factor(relative_std)
    return replace(shared, std=(belief.std**2 + (relative_std * belief.mean) ** 2).sqrt())


def _size(belief: Belief, is_image: bool) -> float:
    """Typical size of the input: pixels are measured against their full range."""
    return 1.0 if is_image else float(belief.mean.square().mean().sqrt())


def _forward(layer: nn.Conv2d, equations: ConvolutionEquations, x: torch.Tensor) -> torch.Tensor:
    """What the layer makes of an input."""
    return torch.from_numpy(equations.forward @ x.numpy()) + output_bias(layer, equations.forward.shape[0])


def _complete(
    link: Link,
    layer: nn.Conv2d,
    solution: Solution,
    arriving: Arriving,
    limits: Range,
    is_image: bool,
) -> tuple[Belief, Completion]:
    """Close what the equations leave open, and say how sure that makes us."""
    equations, belief = solution.equations, solution.belief
    size = _size(belief, is_image)
    half_matrix, half_limit = None, None
    if is_image and arriving.silent is not None and bool(arriving.silent.any()):
        rows = torch.nonzero(arriving.silent)[:, 0]
        half_matrix = equations.forward[rows.numpy()]
        half_limit = -output_bias(layer, equations.forward.shape[0])[rows]
    directions = find_open_directions(belief, solution.rank, _SMALLEST_OPEN * size)
    completion = complete(directions, Bounds(link.input_shape, size, limits.low, limits.high, half_matrix, half_limit))
    settled = None if is_image else settle_zeros(belief, completion.allowed > 0)
    if settled is not None:
        return settled, completion
    # Where bounds and equations contradict each other, a unit was taken for active, or for silent, in error.
    spread = min(float(completion.value.std()), 0.5 * size)
    contradiction = min(1.0, _CONTRADICTION * equations.contradiction(completion.value)) * spread
    unsettled = float(arriving.delta_std.norm()) > _UNSETTLED * float(arriving.delta.norm())
    std = ((_HEAVY_TAILS if unsettled else 1.0) * completion.std).square().add(contradiction**2).sqrt()
    precision = belief.precision + torch.from_numpy(completion.smoothness.toarray())
    return Belief(completion.value, precision, std), completion


def _hand_down(equations: ConvolutionEquations, belief: Belief, arriving: Arriving, rounding: float) -> Arriving:
    """The gradient at the input: the transposed convolution of that at the output."""
    back = equations.forward.T
    delta = torch.from_numpy(back @ arriving.delta.numpy())
    squares = back.power(2)
    variance = torch.from_numpy(squares @ arriving.delta_std.square().numpy())
    terms = equations.forward.nnz / equations.forward.shape[1]
    summed = terms * (SUM_ROUNDINGS * rounding) ** 2 * torch.from_numpy(squares @ arriving.delta.square().numpy())
    return Arriving(belief, delta, (variance + summed).sqrt())


def _linear(link: Link, layer: nn.Linear, arriving: Arriving, gradients: Mapping[str, torch.Tensor]) -> Solved:
    gradient = gradient_entry(gradients, f"{link.name}.weight", layer.weight.shape)
    value, std, misfit = previous_input(gradient, arriving.delta)
    weight = layer.weight.detach().double().cpu()
    delta = weight.T @ arriving.delta
    blurred = float(arriving.delta_std.square().sum().sqrt()) / max(float(arriving.delta.norm()), 1e-300)
    rounding = unit_roundoff(gradient)
    delta_std = (blurred + rounding) * delta.abs() + rounding * delta.square().mean().sqrt()
    typical = float(value.square().mean().sqrt())
    entry_std = (std**2 + (rounding * (value.abs() + typical) / 2) ** 2).sqrt()
    shared = _SHARED_ROUNDINGS * rounding * value.abs()
    belief = Belief.independent(value, (entry_std**2 + shared**2).sqrt().clamp(min=1e-30))
    bias = 0.0 if layer.bias is None else layer.bias.detach().double().cpu()
    return Solved(
        arriving=Arriving(belief, delta, delta_std),
        output=weight @ value + bias,
        equations=layer.in_features * int((arriving.delta != 0).sum()),
        rank=layer.in_features,
        misfit=misfit,
    )
