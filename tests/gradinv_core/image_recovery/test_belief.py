"""Gaussian beliefs in information form, against explicit covariance matrices."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradinv_core.image_recovery.belief import Belief

sizes, seeds = st.integers(1, 12), st.integers(0, 2**31)


def draw(size, seed, full):
    generator = torch.Generator().manual_seed(seed)
    mean, std = (torch.randn(size, dtype=torch.float64, generator=generator) for _ in range(2))
    if not full:
        return Belief.independent(mean, std.abs() + 0.1), generator
    root = torch.randn(size, size + 3, dtype=torch.float64, generator=generator)
    covariance = root @ root.T / size + 0.1 * torch.eye(size)
    return Belief(mean, covariance.inverse(), covariance.diagonal().sqrt()), generator


def covariance(belief):
    return torch.diag(belief.std**2) if belief.is_diagonal else belief.precision.inverse()


@settings(deadline=None)
@given(sizes, seeds, st.booleans(), st.floats(1e-4, 2))
def test_a_common_factor_is_sherman_and_morrisons_update(size, seed, full, relative):
    belief, _ = draw(size, seed, full)
    expected = covariance(belief) + relative**2 * torch.outer(belief.mean, belief.mean)
    shared = belief.with_common_factor(relative)
    torch.testing.assert_close(shared.precision, expected.inverse(), rtol=1e-6, atol=1e-6)
    assert torch.equal(shared.std, belief.std)  # each entry's own: the factor changes no sign
    assert not shared.is_diagonal


def test_no_factor_no_change():
    belief, _ = draw(4, 0, True)
    assert belief.with_common_factor(0.0) is belief
    nothing = Belief.independent(torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64))
    assert nothing.with_common_factor(0.5) is nothing


@settings(deadline=None)
@given(sizes, seeds, st.booleans())
def test_before_a_function_the_covariance_is_divided_by_its_slope(size, seed, full):
    belief, generator = draw(size, seed, full)
    slope = torch.rand(size, dtype=torch.float64, generator=generator) + 0.1
    earlier = belief.before(torch.zeros(size, dtype=torch.float64), slope * (-1) ** torch.arange(size))
    expected = covariance(belief) / torch.outer(slope, slope)
    torch.testing.assert_close(covariance(earlier).abs(), expected.abs(), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(earlier.std, expected.diagonal().sqrt())


def test_where_the_slope_is_zero_nothing_is_known():
    for full in (False, True):
        belief, _ = draw(3, 1, full)
        slope = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
        earlier = belief.before(belief.mean, slope)
        assert earlier.diagonal[1] == 0
        assert earlier.apply(torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)).abs().sum() == 0
        assert earlier.std[1] > 1e20
        assert torch.isfinite(earlier.std).all()


@settings(deadline=None)
@given(sizes, seeds)
def test_noise_of_ones_own_adds_to_the_variance(size, seed):
    belief, generator = draw(size, seed, False)
    std = torch.rand(size, dtype=torch.float64, generator=generator)
    noisy = belief.with_own_noise(std)
    torch.testing.assert_close(noisy.precision, 1 / (belief.std**2 + std**2))
    torch.testing.assert_close(noisy.std, (belief.std**2 + std**2).sqrt())


@settings(deadline=None)
@given(sizes, seeds)
def test_noise_keeps_a_full_precision_positive_and_never_adds_to_it(size, seed):
    belief, generator = draw(size, seed, True)
    std = torch.rand(size, dtype=torch.float64, generator=generator)
    noisy = belief.with_own_noise(std)
    assert torch.linalg.eigvalsh(noisy.precision).min() > 0
    torch.testing.assert_close(noisy.diagonal, 1 / (1 / belief.diagonal + std**2))
    assert (noisy.std >= belief.std).all()


@settings(deadline=None)
@given(sizes, seeds, st.booleans())
def test_apply_is_the_inverse_covariance(size, seed, full):
    belief, generator = draw(size, seed, full)
    vector = torch.randn(size, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(covariance(belief) @ belief.apply(vector), vector, rtol=1e-6, atol=1e-8)
    assert belief.is_diagonal is not full
