"""The input of one layer with weights, by whichever solver fits it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

import scipy.sparse as sparse
import torch
from torch import nn

from gradinv_core.arrays import unit_roundoff
from gradinv_core.gradients import gradient_entry
from gradinv_core.image_recovery.activations import PIXELS, Range
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
from gradinv_core.image_recovery.iterative import solve_iteratively
from gradinv_core.image_recovery.linear_layer import SHARED_ROUNDINGS, solve_linear
from gradinv_core.image_recovery.nonnegative import settle_zeros
from gradinv_core.image_recovery.open_directions import find_open_directions
from gradinv_core.image_recovery.picture_map import PictureMap
from gradinv_core.image_recovery.read_back import Arriving
from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.solution import Solution, Solved

__all__ = ["DENSE_LIMIT", "solve_layer"]

DENSE_LIMIT = 4096
"""Unknowns up to which a layer is solved by factorisation; 4,096 squared float64 entries weigh 134 MB."""

_WORTH_CLOSING = 1e-3  # error, relative to the input's size, from which bounds and smoothness close open directions ...
_WORTH_SMOOTHING = 1e-2  # ... and from which they help where none is open
_CONTRADICTION = 3.0  # misfit, times this, of a completed input is the share of it that is taken for wrong
_UNSETTLED = 1e-2  # relative error of the gradient from which units of unknown state dominate it ...
_HEAVY_TAILS = 1.5  # ... and error bars grow: a wrong unit is no Gaussian error
_TORN = 4.0  # squared standard deviations per direction by which noise lets the equations object to a completion ...
_OBJECTED = 1.0  # ... and where equations decide nearly all of it: there the true input has about this
_FEW = 0.3  # share of the unknowns below which smoothness has little to give
_LARGE = 1024  # unknowns from which somebody might want to stop a completion on its way
_SMALLEST_OPEN = 1e-6  # standard deviation, likewise, of directions a completion may move along


def solve_layer(
    link: Link,
    arriving: Arriving,
    gradients: Mapping[str, torch.Tensor],
    noise_std: float,
    limits: Range,
    picture: PictureMap | None,
    stop: Stop | None = None,
) -> Solved:
    """Solve a layer for its input, or the first of all for the picture that made its input.

    Args:
        link: the layer, linear or convolutional.
        arriving: belief and gradient at its output.
        gradients: ``{parameter name: gradient}``.
        noise_std: of the noise added to each gradient entry.
        limits: what the input can be.
        picture: from the picture to the input; None for an inner layer.
        stop: asked between the expensive parts of a large layer.

    Raises:
        StoppedError: the work was stopped.
    """
    layer = link.module
    if isinstance(layer, nn.Linear):
        return _as_picture(solve_linear(link, layer, arriving, gradients, noise_std), picture)
    if not isinstance(layer, nn.Conv2d):
        raise TypeError(f"expected a layer with weights, got {type(layer).__name__}")
    gradient = gradient_entry(gradients, f"{link.name}.weight", layer.weight.shape)
    prior = None if picture is None or picture.is_plain else picture.prior
    equations = convolution_equations(layer, link.input_shape, arriving, gradient, noise_std, limits, prior)
    dense = prod(link.input_shape) <= DENSE_LIMIT
    exact = picture is not None
    solution = solve_dense(equations, stop, exact_bars=exact) if dense else solve_iteratively(equations, stop)
    expected = equations  # with the noise expected, not as it came out
    equations, belief, completion = solution.equations, solution.belief, None
    seen = belief if picture is None else picture.shares(belief)
    # What a hidden layer puts out need not be smooth; its zeros alone are worth looking for where noise was added.
    bounded = picture is not None or (limits.low == 0.0 and (noise_std == 0 or limits.spread is None))
    size = _size(seen, picture)  # 0 below a layer that is dead: nothing there to complete
    worth = _WORTH_CLOSING if solution.rank < len(belief.mean) else _WORTH_SMOOTHING
    if dense and bounded and size > 0 and float(seen.std.square().mean().sqrt()) > worth * size:
        belief, completion = _complete(link, layer, solution, arriving, limits, picture, noise_std, stop)
    plain = completion is None or not completion.used
    if picture is not None and noise_std > 0 and plain and _is_unsettled(arriving):
        belief = replace(belief, std=_HEAVY_TAILS * belief.std)
    # The gradients of all layers share the roundings of p - y: a factor that no surplus equation shows. Only now:
    # smoothness would take that factor for open, and shrink the contrast of what is known to 16 bits.
    belief = _with_shared_rounding(belief, SHARED_ROUNDINGS * unit_roundoff(gradient))
    below = _hand_down(equations, belief, arriving, unit_roundoff(gradient))
    solved = Solved(
        arriving=below,
        output=torch.from_numpy(equations.forward @ belief.mean.numpy())
        + output_bias(layer, equations.forward.shape[0]),
        equations=sum(equations.counts),
        rank=solution.rank,
        misfit=equations.relative_misfit(belief.mean),
        disagreement=expected.gradient_contradiction(solution.belief.mean),
        contradiction=expected.gradient_contradiction(belief.mean),
        completed=completion is not None and completion.used,
        convergence=() if completion is None or not completion.used else completion.convergence,
        smoothed=0.0 if completion is None else completion.decided / len(belief.mean),
        objection=0.0 if completion is None or arriving.silent is None else completion.objection,
        estimated=not dense,
    )
    return _as_picture(solved, picture)


def _as_picture(solved: Solved, picture: PictureMap | None) -> Solved:
    """What was found of the first layer's input, said of the picture."""
    if picture is None:
        return solved
    return replace(solved, arriving=replace(solved.arriving, belief=picture.picture(solved.arriving.belief)))


def _with_shared_rounding(belief: Belief, relative_std: float) -> Belief:
    shared = belief.with_common_factor(relative_std)
    return replace(shared, std=(belief.std**2 + (relative_std * belief.mean) ** 2).sqrt())


def _size(belief: Belief, picture: PictureMap | None) -> float:
    """Typical size of the input: pixels are measured against their full range."""
    return 1.0 if picture is not None else float(belief.mean.square().mean().sqrt())


def _forward(layer: nn.Conv2d, equations: ConvolutionEquations, x: torch.Tensor) -> torch.Tensor:
    """What the layer makes of an input."""
    return torch.from_numpy(equations.forward @ x.numpy()) + output_bias(layer, equations.forward.shape[0])


def _complete(
    link: Link,
    layer: nn.Conv2d,
    solution: Solution,
    arriving: Arriving,
    limits: Range,
    picture: PictureMap | None,
    noise_std: float,
    stop: Stop | None,
) -> tuple[Belief, Completion]:
    """Close what the equations leave open, and say how sure that makes us.

    What is known of a picture is known of its pixels, not of what a normalisation makes of them. Where noise was added,
    the equations' own belief stays, and the completion is marked as not used, if smoothness would have to say what a
    hidden layer held, or if the equations object: smoothness then flattens more than noise explains, or noise put the
    bounds in the wrong place.
    """
    equations, belief = solution.equations, solution.belief
    bounds = _bounds(link, layer, equations, arriving, limits, picture)
    if picture is not None:
        belief = picture.shares(belief)
    size = _size(belief, picture)
    same = picture is None or picture.is_plain  # what is believed of the picture is what was solved for
    stop = stop if len(belief.mean) >= _LARGE else None
    directions = find_open_directions(
        belief, solution.rank, _SMALLEST_OPEN * size, solution.factor if same else None, stop
    )
    completion = complete(directions, replace(bounds, scale=size), stop)
    settled = None if picture is not None else settle_zeros(belief, completion.allowed > 0, stop)
    if settled is not None:
        return settled, completion
    settled_units = arriving.silent is None  # else the equations may be the wrong ones, and object for that
    allowed = _OBJECTED if settled_units and completion.decided < _FEW * len(belief.mean) else _TORN
    if noise_std > 0 and (picture is None or completion.objection > allowed):
        return solution.belief, replace(completion, decided=0.0, used=False)
    # Where bounds and equations contradict each other, a unit was taken for active, or for silent, in error.
    spread = min(float(completion.value.std()), 0.5 * size)
    value = completion.value if picture is None else picture.to_input(completion.value)
    contradiction = min(1.0, _CONTRADICTION * equations.contradiction(value)) * spread
    std = ((_HEAVY_TAILS if _is_unsettled(arriving) else 1.0) * completion.std).square().add(contradiction**2).sqrt()
    precision = belief.precision + torch.from_numpy(completion.smoothness.toarray())
    closed = Belief(completion.value, precision, std)
    return closed if picture is None else picture.input(closed), completion


def _is_unsettled(arriving: Arriving) -> bool:
    """Whether units that may be active or silent dominate the error of the gradient."""
    return float(arriving.delta_std.norm()) > _UNSETTLED * float(arriving.delta.norm())


def _bounds(
    link: Link,
    layer: nn.Conv2d,
    equations: ConvolutionEquations,
    arriving: Arriving,
    limits: Range,
    picture: PictureMap | None,
) -> Bounds:
    """What is known besides the equations, but for the input's size; of a picture, in shares of its range."""
    if picture is None:
        return Bounds(link.input_shape, 1.0, limits.low, limits.high)
    bounds = Bounds(link.input_shape, 1.0, PIXELS.low, PIXELS.high)
    if arriving.silent is None or not bool(arriving.silent.any()):
        return bounds
    rows = torch.nonzero(arriving.silent)[:, 0]
    matrix = equations.forward[rows.numpy()]
    limit = -output_bias(layer, equations.forward.shape[0])[rows]
    if not picture.is_plain:
        limit = limit - torch.from_numpy(matrix @ picture.shift.numpy())
        matrix = sparse.csr_array(matrix * picture.scale.numpy())
    return replace(bounds, half_matrix=matrix, half_limit=limit)


def _hand_down(equations: ConvolutionEquations, belief: Belief, arriving: Arriving, rounding: float) -> Arriving:
    """The gradient at the input: the transposed convolution of that at the output."""
    back = equations.forward.T
    delta = torch.from_numpy(back @ arriving.delta.numpy())
    squares = back.power(2)
    variance = torch.from_numpy(squares @ arriving.delta_std.square().numpy())
    terms = equations.forward.nnz / equations.forward.shape[1]
    summed = terms * (SUM_ROUNDINGS * rounding) ** 2 * torch.from_numpy(squares @ arriving.delta.square().numpy())
    return Arriving(belief, delta, (variance + summed).sqrt(), None, arriving.factor_std)
