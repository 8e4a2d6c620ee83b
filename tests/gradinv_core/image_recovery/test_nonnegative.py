"""A ReLU's output from its equations: zeros settled, against non-negative least squares."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.nonnegative import settle_zeros

PRIOR = 1e-8  # of the weak prior that makes every precision invertible


def problem(rows, columns, std, seed, share=0.5):
    """Equations ``A x = b`` of a non-negative x, known to ``std``: matrix, data, x, and the belief they leave."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(rows, columns))
    x = np.where(rng.random(columns) < share, rng.uniform(0.2, 1, columns), 0.0)
    x[0] = 0.5
    data = matrix @ x + std * rng.normal(size=rows)
    precision = torch.from_numpy(matrix.T @ matrix / std**2) + PRIOR * torch.eye(columns, dtype=torch.float64)
    mean = torch.linalg.solve(precision, torch.from_numpy(matrix.T @ data / std**2))
    return matrix, data, x, Belief(mean, precision, precision.inverse().diagonal().sqrt())


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6), std=st.sampled_from([1e-4, 1e-6]))
def test_free_entries_are_least_squares(seed, std):
    """Which entries are free is told here: then it is plain least squares for those, error bars included."""
    matrix, data, x, belief = problem(40, 20, std, seed)
    settled = settle_zeros(belief, torch.from_numpy(x > 0))
    expected, _ = nnls(matrix[:, x > 0], data)
    np.testing.assert_allclose(settled.mean.numpy()[x > 0], expected, atol=1e-8)
    assert not settled.mean[torch.from_numpy(x == 0)].any()
    assert not settled.std[torch.from_numpy(x == 0)].any()
    part = matrix[:, x > 0]
    covariance = np.linalg.inv(part.T @ part) * std**2
    np.testing.assert_allclose(settled.std.numpy()[x > 0], np.sqrt(np.diag(covariance)), rtol=1e-4)
    assert settled.precision is belief.precision


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6))
def test_what_comes_out_negative_becomes_zero(seed):
    """Told that everything is free, it ends where non-negative least squares does, but for noise."""
    matrix, data, x, belief = problem(40, 20, 1e-5, seed)
    settled = settle_zeros(belief, torch.ones(20, dtype=torch.bool))
    assert (settled.mean >= 0).all()
    np.testing.assert_allclose(settled.mean.numpy(), nnls(matrix, data)[0], atol=1e-4)
    np.testing.assert_allclose(settled.mean.numpy(), x, atol=1e-4)


def test_zeros_close_a_rank_that_runs_out():
    """Fifteen equations for twenty unknowns; with ten zeros in place, five equations too many."""
    for seed in range(10):
        _, _, x, belief = problem(15, 20, 1e-6, seed, share=0.4)
        assert float((belief.mean - torch.from_numpy(x)).abs().max()) > 0.05
        settled = settle_zeros(belief, torch.from_numpy(x > 0))
        np.testing.assert_allclose(settled.mean.numpy(), x, atol=1e-4)
        errors = (settled.mean - torch.from_numpy(x)).abs()[torch.from_numpy(x > 0)]
        assert (errors <= 5 * settled.std[torch.from_numpy(x > 0)] + 1e-12).all()


def test_equations_may_object():
    _, _, x, belief = problem(40, 20, 1e-6, seed=0)
    wrong = torch.from_numpy(x > 0)
    wrong[0] = False  # a zero where there is none
    assert settle_zeros(belief, wrong) is None


def test_what_stays_open_is_not_settled():
    _, _, x, belief = problem(8, 20, 1e-6, seed=1)
    assert int((x > 0).sum()) > 8
    assert settle_zeros(belief, torch.from_numpy(x > 0)) is None


def test_nothing_free_is_no_answer():
    _, _, _, belief = problem(40, 20, 1e-6, seed=0)
    assert settle_zeros(belief, torch.zeros(20, dtype=torch.bool)) is None


def test_the_callers_belief_is_left_alone():
    _, _, x, belief = problem(40, 20, 1e-6, seed=0)
    mean, precision, free = belief.mean.clone(), belief.precision.clone(), torch.ones(20, dtype=torch.bool)
    first, second = settle_zeros(belief, free), settle_zeros(belief, free)
    assert torch.equal(first.mean, second.mean)
    assert torch.equal(belief.mean, mean)
    assert torch.equal(belief.precision, precision)
    assert free.all()
    assert len(x) == len(first.mean)
