"""Normal equations factored in float32, against float64: the same answer, and error bars to a few per cent."""

from functools import cache, partial

import pytest
import torch
from torch import nn

from gradinv_core.image_recovery import dense
from gradinv_core.image_recovery.activations import PIXELS
from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.convolution import convolution_equations
from gradinv_core.image_recovery.convolution_matrix import output_bias, output_matrix
from gradinv_core.image_recovery.dense import solve_dense
from gradinv_core.image_recovery.normal_equations import CoarseFactorError, NormalEquations
from gradinv_core.image_recovery.read_back import Arriving
from gradinv_core.image_recovery.stopping import StoppedError

SHAPE = (3, 20, 20)
NOISE = 1e-6


@pytest.fixture(scope="module")
def equations_of(network):
    """The equations and their image, made once for each share of outputs of which something is known."""
    return cache(partial(written, network))


def written(network, known=1.0):
    """A layer of 1,200 unknowns, whose outputs are known to noise that hangs together; some are not known at all."""
    generator = torch.Generator().manual_seed(1)
    layer = network(nn.Conv2d(3, 14, 5, stride=2, padding=2), dtype=torch.float64)[0]
    image = torch.rand(SHAPE, dtype=torch.float64, generator=generator)
    forward = output_matrix(layer, SHAPE)
    outputs = forward.shape[0]
    output = torch.from_numpy(forward @ image.flatten().numpy()) + output_bias(layer, outputs)
    root = torch.eye(outputs, dtype=torch.float64) + 0.02 * torch.randn(
        outputs, outputs, dtype=torch.float64, generator=generator
    )
    covariance = NOISE**2 * root @ root.T
    error = NOISE * root @ torch.randn(outputs, dtype=torch.float64, generator=generator)
    belief = Belief(output + error, covariance.inverse(), covariance.diagonal().sqrt())
    slope = (torch.rand(outputs, generator=generator) < known).double()
    delta = torch.randn(outputs, dtype=torch.float64, generator=generator)
    weight = layer.weight.detach().requires_grad_(True)
    value = torch.func.functional_call(layer, {"weight": weight}, (image[None],))
    (gradient,) = torch.autograd.grad((value.flatten() * delta).sum(), weight)
    arriving = Arriving(belief.before(belief.mean, slope), delta, torch.full_like(delta, 1e-7))
    return convolution_equations(layer, SHAPE, arriving, gradient.float(), 0.0, PIXELS), image.flatten()


@pytest.mark.parametrize("exact", [True, False])
def test_a_float32_factor_gives_what_float64_gives(equations_of, monkeypatch, exact):
    equations, image = equations_of()
    single = solve_dense(equations, exact_bars=exact)
    assert single.belief.parts.base.dtype == torch.float32
    assert single.factor is None
    monkeypatch.setattr(dense, "_LARGE", 10_000)
    monkeypatch.setattr(dense, "_BAR_DRAWS", 10_000)
    double = solve_dense(equations)
    assert double.belief.parts.base.dtype == torch.float64
    std = double.belief.std
    assert float(((single.belief.mean - double.belief.mean) / std).abs().max()) < 1e-2  # of an error bar
    ratio = single.belief.std / std
    assert float((ratio - 1).abs().max()) < (1e-3 if exact else 0.2)
    assert float((ratio - 1).square().mean().sqrt()) < (1e-3 if exact else 0.04)
    assert single.rank == double.rank == len(image)
    assert float((single.belief.mean - image).abs().max()) < 1e-3


def test_equations_that_leave_something_open_are_solved_in_float64(equations_of):
    equations, image = equations_of(0.05)
    assert sum(equations.counts) < len(image)
    normal = NormalEquations(equations, torch.float32)
    with pytest.raises(CoarseFactorError):
        normal.factor()
    solution = solve_dense(equations)
    assert solution.factor is not None
    assert solution.rank < len(solution.belief.mean)


def test_the_same_answer_every_time(equations_of):
    equations, _ = equations_of()
    first, second = (solve_dense(equations, exact_bars=False) for _ in range(2))
    assert torch.equal(first.belief.mean, second.belief.mean)
    assert torch.equal(first.belief.std, second.belief.std)


def test_somebody_can_stop_a_large_layer_on_its_way(equations_of):
    equations, _ = equations_of()
    asked = []
    solve_dense(equations, lambda: bool(asked.append(True)))
    assert len(asked) > 5
    with pytest.raises(StoppedError):
        solve_dense(equations, lambda: True)
