"""Conjugate gradients on large layers, against the factorisation of the very same equations."""

import pytest
import torch
from torch import nn

from gradinv_core.image_recovery.activations import PIXELS
from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.convolution import convolution_equations
from gradinv_core.image_recovery.dense import solve_dense
from gradinv_core.image_recovery.iterative import solve_iteratively
from gradinv_core.image_recovery.read_back import Arriving
from gradinv_core.image_recovery.stopping import StoppedError

SHAPE = (3, 9, 8)


def equations_of(network, noise, correlated=False, outputs=6, **options):
    layer = network(nn.Conv2d(3, outputs, **options), dtype=torch.float64)[0]
    generator = torch.Generator().manual_seed(1)

    def normal(*shape):
        return torch.randn(shape, dtype=torch.float64, generator=generator)

    image = torch.rand(SHAPE, dtype=torch.float64, generator=generator)
    output = layer(image[None])
    delta = normal(*output.shape)
    (gradient,) = torch.autograd.grad(output, layer.weight, delta)
    mean = output.detach().flatten() + noise * normal(output.numel())
    belief = Belief.independent(mean, noise * (0.5 + torch.rand(len(mean), dtype=torch.float64, generator=generator)))
    if correlated:
        belief = belief.with_common_factor(0.1)
    arriving = Arriving(belief, delta.flatten(), torch.zeros_like(mean))
    gradient = gradient + noise * normal(*gradient.shape)
    return convolution_equations(layer, SHAPE, arriving, gradient, noise, PIXELS), image


@pytest.mark.parametrize(("noise", "correlated"), [(1e-2, False), (1e-5, False), (1e-3, True)])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 5, "stride": 2, "padding": 2},
        {"kernel_size": 3, "groups": 3, "dilation": 2, "padding": "same", "bias": False},
    ],
    ids=["plain", "stride", "groups"],
)
def test_both_solvers_agree(network, noise, correlated, options):
    equations, image = equations_of(network, noise, correlated, **options)
    dense, iterative = solve_dense(equations), solve_iteratively(equations)
    apart = (iterative.belief.mean - dense.belief.mean).abs() / dense.belief.std
    assert float(apart.max()) < 0.02  # the solver's own error is far below the error bars
    # Sixteen random signs tell a bar roughly: few are off by a factor of two, and they err on the wide side.
    ratio = iterative.belief.std / dense.belief.std
    assert float(((ratio > 0.5) & (ratio < 2)).double().mean()) > 0.9
    assert 0.95 < float(ratio.mean()) < 1.45
    assert abs(iterative.rank - dense.rank) <= 0.1 * image.numel()
    assert iterative.belief.is_diagonal
    inside = (iterative.belief.mean - image.flatten()).abs() <= 2 * iterative.belief.std
    assert float(inside.double().mean()) > 0.85


def test_the_rank_never_exceeds_the_equations(network):
    """Three quarters of the pixels are read by nothing."""
    equations, image = equations_of(network, 1e-3, kernel_size=1, stride=2)
    solution = solve_iteratively(equations)
    assert solution.rank <= sum(equations.counts)
    unread = torch.ones(SHAPE, dtype=torch.bool)
    unread[:, ::2, ::2] = False
    torch.testing.assert_close(
        solution.belief.mean[unread.flatten()], torch.full((int(unread.sum()),), 0.5, dtype=torch.float64)
    )
    assert (solution.belief.std[unread.flatten()] > 0.2).all()
    assert float((solution.belief.mean - image.flatten())[~unread.flatten()].abs().max()) < 0.05


def test_too_few_equations_show_in_rank_and_bars(network):
    """Few outputs, few weights: most directions stay open, though the search ends long before it has seen them."""
    equations, image = equations_of(network, 1e-6, outputs=1, kernel_size=3, padding=1)
    assert sum(equations.counts) < image.numel()
    solution = solve_iteratively(equations)
    assert solution.rank <= sum(equations.counts)
    inside = (solution.belief.mean - image.flatten()).abs() <= 2 * solution.belief.std
    assert float(inside.double().mean()) > 0.9


def test_the_probes_are_the_same_every_time(network):
    equations, _ = equations_of(network, 1e-3, kernel_size=3)
    state = torch.random.get_rng_state()
    first, second = solve_iteratively(equations), solve_iteratively(equations)
    assert torch.equal(first.belief.mean, second.belief.mean)
    assert torch.equal(first.belief.std, second.belief.std)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_stop_is_honoured(network):
    equations, _ = equations_of(network, 1e-3, kernel_size=3, padding=1)
    answers = iter([False, False, True])
    with pytest.raises(StoppedError):
        solve_iteratively(equations, lambda: next(answers))
