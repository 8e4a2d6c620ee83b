"""The factorisation by blocks, against LAPACK's."""

import pytest
import torch

from gradinv_core.image_recovery.cholesky import factorise
from gradinv_core.image_recovery.stopping import StoppedError

SIZES = (1, 191, 192, 193, 450)


def positive(size, smallest=1e-3, seed=0):
    """A symmetric matrix whose eigenvalues reach from ``smallest`` to 1."""
    generator = torch.Generator().manual_seed(seed)
    vectors, _ = torch.linalg.qr(torch.randn(size, size, dtype=torch.float64, generator=generator))
    values = torch.logspace(0, torch.tensor(smallest).log10().item(), size, dtype=torch.float64)
    matrix = vectors @ torch.diag(values) @ vectors.T
    return (matrix + matrix.T) / 2


@pytest.mark.parametrize("size", SIZES)
def test_the_factor_is_lapacks(size):
    matrix = positive(size)
    factor = factorise(matrix.clone())
    expected = torch.linalg.cholesky(matrix)
    torch.testing.assert_close(factor.lower.tril(), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(factor.pivots, expected.diagonal() ** 2)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("columns", [(), (3,)])
def test_solving_is_multiplying_by_the_inverse(size, columns):
    matrix, right = positive(size), torch.ones(size, *columns, dtype=torch.float64)
    factor = factorise(matrix.clone())
    solution = factor.solve(right)
    torch.testing.assert_close(matrix @ solution, right, rtol=1e-9, atol=1e-9)
    half = factor.half_solve(right)
    torch.testing.assert_close((half * half).sum(0), (right * solution).sum(0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_inverse_triangle_gives_the_variances(dtype):
    matrix = positive(450)
    variances = factorise(matrix.clone()).inverse(dtype).double().square().sum(0)
    digits = 1e-3 if dtype == torch.float32 else 1e-9
    torch.testing.assert_close(variances, torch.linalg.inv(matrix).diagonal(), rtol=digits, atol=0)


def test_few_unknowns_are_drawn_exactly():
    matrix = positive(450)
    errors, variances = factorise(matrix.clone()).draws(450)
    expected = torch.linalg.inv(matrix)
    torch.testing.assert_close(errors @ errors.T / errors.shape[1], expected, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(variances, expected.diagonal(), rtol=1e-7, atol=0)


def test_many_unknowns_are_drawn_to_a_few_per_cent_and_always_alike():
    matrix = positive(450)
    factor, state = factorise(matrix.clone()), torch.random.get_rng_state()
    _, variances = factor.draws(100)
    ratio = (variances / torch.linalg.inv(matrix).diagonal()).sqrt()
    assert float((ratio - 1).square().mean().sqrt()) < 0.07  # plain draws would be off by 1 / sqrt(200)
    assert abs(float(ratio.mean()) - 1) < 0.02
    assert torch.equal(factor.draws(100)[1], variances)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_nearly_singular_matrix_is_factored_to_rounding():
    """Its corner's inverse is large: using that for the rest would leave errors above the smallest eigenvalues."""
    matrix = positive(450, 1e-13)
    lower = factorise(matrix.clone()).lower.tril()
    assert float((lower @ lower.T - matrix).abs().max()) < 1e-15


def test_what_is_not_positive_is_refused():
    matrix = positive(300)
    matrix[299, 299] -= 2.0
    with pytest.raises(torch.linalg.LinAlgError):
        factorise(matrix)


def test_somebody_can_stop_between_blocks():
    asked = []

    def stop():
        asked.append(True)
        return len(asked) == 2

    with pytest.raises(StoppedError):
        factorise(positive(900), stop)
    assert len(asked) == 2
