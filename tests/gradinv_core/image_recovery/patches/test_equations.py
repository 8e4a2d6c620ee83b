"""The algebra of patches: what the equations determine comes back, and what they leave open is told."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradinv_core.image_recovery.patches.equations import (
    PatchEquations,
    Prior,
    fit_patches,
    posterior,
    prior_from,
    weak_prior,
)


def drawn(patches, width, columns=12, *, seed=0, summing_to_zero=False, noise=0.0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    delta = normal(patches, width) * torch.logspace(-1, 1, width, dtype=torch.float64)
    if summing_to_zero:
        delta -= delta.mean(1, keepdim=True)
    true = torch.rand(patches, columns, generator=generator, dtype=torch.float64)
    gradient = delta.T @ true
    gradient = gradient + noise * gradient.square().mean().sqrt() * normal(*gradient.shape)
    return PatchEquations(delta, gradient, delta.sum(0), 2.0**-53), true


def recovered(equations):
    columns = equations.gradient.shape[1]
    ones, zeros = torch.ones(columns, dtype=torch.float64), torch.zeros(columns, dtype=torch.float64)
    fit = fit_patches(equations)
    return fit, posterior(fit, ones, zeros, weak_prior(columns))


@settings(max_examples=25)
@given(
    patches=st.integers(1, 9),
    surplus=st.integers(1, 9),
    columns=st.integers(1, 8),
    seed=st.integers(0, 1000),
    scale=st.floats(1e-6, 1e6),
)
def test_with_enough_equations_the_patches_come_back_whatever_the_gradients_size(
    patches, surplus, columns, seed, scale
):
    equations, true = drawn(patches, patches + surplus, columns, seed=seed)
    shorter = PatchEquations(
        scale * equations.delta, scale * equations.gradient, scale * equations.bias, equations.rounding
    )
    fit, belief = recovered(shorter)
    torch.testing.assert_close(belief.mean, true, rtol=0, atol=1e-9)
    assert belief.determined == true.numel()
    assert fit.surplus == surplus
    assert fit.misfit < 1e-13
    assert shorter.bias_misfit < 1e-13


def test_below_a_layer_norm_one_equation_is_none():
    assert recovered(drawn(6, 9, summing_to_zero=True)[0])[0].surplus == 2
    fit, belief = recovered(drawn(6, 7, summing_to_zero=True)[0])
    assert (fit.surplus, fit.misfit) == (0, None)
    assert belief.determined == 6 * 12
    fit, belief = recovered(drawn(6, 6, summing_to_zero=True)[0])
    assert belief.determined == 5 * 12


def test_what_is_open_is_as_unsure_as_the_prior():
    equations, true = drawn(9, 5)
    fit, belief = recovered(equations)
    assert belief.determined == 5 * 12
    closed = fit.directions[:, :5]
    torch.testing.assert_close(closed.T @ belief.mean, closed.T @ true, rtol=0, atol=1e-9)
    assert float(belief.std.square().sum()) == pytest.approx(4 * 12 * 0.25)
    told = prior_from(fit, torch.ones(12).double(), torch.zeros(12).double())
    assert told.std == weak_prior(12).std  # five directions are too few to tell what pictures are like


def test_many_known_directions_tell_what_the_others_are_like():
    equations, true = drawn(60, 40, columns=48)
    prior = prior_from(fit_patches(equations), torch.ones(48).double(), torch.zeros(48).double())
    assert prior.std == pytest.approx(float((true - true.mean(0)).std()), rel=0.1)
    assert float((prior.mean - true.mean(0)).square().mean().sqrt()) < 0.07


def test_two_samples_are_no_product():
    (first, _), (second, _) = drawn(6, 12, seed=1), drawn(6, 12, seed=2)
    added = PatchEquations(
        first.delta + second.delta, first.gradient + second.gradient, first.bias + second.bias, first.rounding
    )
    assert added.bias_misfit < 1e-13
    assert fit_patches(added).misfit > 1e-2


@pytest.mark.parametrize("noise", [1e-8, 1e-4])
def test_the_surplus_equations_show_the_noise(noise):
    equations, true = drawn(20, 60, columns=48, noise=noise)
    fit, belief = recovered(equations)
    assert fit.misfit == pytest.approx(noise, rel=0.1)
    within = float(((belief.mean - true).abs() <= 2 * belief.std).double().mean())
    assert 0.93 <= within <= 0.98


def test_shares_are_of_the_range_and_not_of_what_the_layer_is_fed():
    equations, true = drawn(6, 12)
    scale, shift = torch.linspace(0.5, 4, 12).double(), torch.linspace(-2, 2, 12).double()
    fed = PatchEquations(equations.delta, equations.delta.T @ (scale * true + shift), None, equations.rounding)
    assert fed.bias_misfit is None
    belief = posterior(fit_patches(fed), scale, shift, Prior(torch.full((12,), 0.5).double(), 0.5))
    torch.testing.assert_close(belief.mean, true, rtol=0, atol=1e-9)


def test_the_clearest_directions_come_first():
    equations, true = drawn(6, 12)
    fit = fit_patches(equations)
    off = [float((fit.partial(count) - true).norm()) for count in range(1, 7)]
    assert off == sorted(off, reverse=True)
    assert off[-1] < 1e-9
