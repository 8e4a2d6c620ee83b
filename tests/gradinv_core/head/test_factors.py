"""The observed head: rank-one factors against numpy's SVD, measured noise, and everything it refuses."""

import numpy as np
import pytest
import torch

from gradinv_core.errors import NonFiniteError, OptionError, RankError, ShapeError
from gradinv_core.head import factor_heads


def test_factors_equal_a_full_singular_value_decomposition(known_head):
    known = known_head(noise=1e-2, seed=3)
    head = factor_heads(known.weight, known.weight_grad[None])
    left, value, right = np.linalg.svd(known.weight_grad.double().numpy())
    rank_one = value[0] * np.outer(left[:, 0], right[0])
    assert np.allclose(np.outer(head.ratios[0], head.row_gradient[0]), rank_one, atol=1e-9 * value[0])
    assert head.residual[0] == pytest.approx(np.sqrt((value[1:] ** 2).sum()) / value[0], rel=1e-6)


def test_ratios_and_products_are_what_the_client_computed(known_head):
    known = known_head(dtype=torch.float64)
    head = factor_heads(known.weight, known.weight_grad[None])
    row = int(head.row[0])
    assert row == int(np.abs(known.residual).argmax())
    assert np.allclose(head.ratios[0], known.residual / known.residual[row], atol=1e-13)
    assert np.allclose(known.scale(row) * head.row_gradient[0], known.feature, atol=1e-13)
    assert np.allclose(known.scale(row) * head.products[0], known.weight.numpy() @ known.feature, atol=1e-12)


@pytest.mark.parametrize("features", [128, 2048])  # the second measures from a part of the columns
def test_measured_noise_is_the_noise_that_was_added(known_head, features):
    known = known_head(classes=50, features=features, noise=1e-3, seed=1)
    added = 1e-3 * float(known.weight_grad.square().mean().sqrt())
    head = factor_heads(known.weight, known.weight_grad[None])
    measured = head.ratio_std[0] * np.linalg.norm(head.row_gradient[0])
    assert np.median(measured) == pytest.approx(added, rel=0.1)


def test_given_noise_is_used(known_head):
    known = known_head()
    head = factor_heads(known.weight, known.weight_grad[None], noise_std=0.25)
    assert np.allclose(head.ratio_std[0] * np.linalg.norm(head.row_gradient[0]), 0.25)


def test_a_batch_equals_its_samples(known_head):
    several = [known_head(seed=seed) for seed in range(3)]
    grads = torch.stack([known_head(seed=0).weight_grad, several[1].weight_grad, several[2].weight_grad])
    together = factor_heads(several[0].weight, grads)
    for index in range(3):
        alone = factor_heads(several[0].weight, grads[index : index + 1])
        assert np.allclose(together.ratios[index], alone.ratios[0], rtol=1e-12, atol=1e-14)
    assert len(together.take(np.array([2, 0]))) == 2


def test_zero_gradient_is_marked_and_harmless(known_head):
    known = known_head()
    head = factor_heads(known.weight, torch.stack([torch.zeros_like(known.weight_grad), known.weight_grad]))
    assert head.vanished.tolist() == [True, False]
    assert np.isfinite(head.ratios).all()


@pytest.mark.parametrize("factor", [1e-200, 1e200])
def test_extreme_magnitudes_stay_in_range(known_head, factor):
    known = known_head(dtype=torch.float64)
    plain = factor_heads(known.weight, known.weight_grad[None])
    scaled = factor_heads(known.weight, factor * known.weight_grad[None])
    assert np.allclose(scaled.ratios, plain.ratios, rtol=1e-12, atol=1e-14)
    assert np.allclose(scaled.row_gradient / factor, plain.row_gradient, rtol=1e-12, atol=1e-300)


def test_a_batch_of_clients_is_refused(known_head):
    first, second = known_head(seed=1), known_head(seed=2)
    mean = 0.5 * (first.weight_grad + second.weight_grad)
    with pytest.raises(
        RankError, match=r"expected the gradient of one sample, which is rank one; got one with .*% of its"
    ):
        factor_heads(first.weight, mean[None])


def test_strong_noise_is_refused_unless_announced(known_head):
    known = known_head(noise=1.0, seed=4)
    with pytest.raises(RankError, match="or noise_std if noise this large was added"):
        factor_heads(known.weight, known.weight_grad[None])
    std = float(known_head(seed=4).weight_grad.square().mean().sqrt())
    assert factor_heads(known.weight, known.weight_grad[None], noise_std=std).residual[0] > 0.5


@pytest.mark.parametrize(
    ("weight", "grads", "bias", "error", "message"),
    [
        (np.ones((3, 4)), np.ones((1, 4, 3)), None, ShapeError, r"weight_grad: expected the shape of weight \(3, 4\)"),
        (np.ones((3, 4)), np.ones((3, 4)), None, ShapeError, "weight_grad: expected 3 axes"),
        (np.ones((3, 4)), np.full((1, 3, 4), np.nan), None, NonFiniteError, "weight_grad: expected finite numbers"),
        (np.full((3, 4), np.inf), np.ones((1, 3, 4)), None, NonFiniteError, "weight: expected finite numbers"),
        (
            np.ones((3, 4)),
            np.ones((1, 3, 4)),
            np.ones(5),
            ShapeError,
            r"bias: expected one entry per class \(3\), got 5",
        ),
        (
            np.ones((3, 4)),
            np.ones((1, 3, 4)),
            np.ones(4),
            ShapeError,
            r"got \(3, 4\), which is stored features first; pass weight.T and weight_grad.T",
        ),
        (np.ones((0, 4)), np.ones((1, 0, 4)), None, ShapeError, "at least one entry along each axis"),
        (np.array([["a"]]), np.ones((1, 1, 1)), None, ShapeError, "expected an array of real numbers"),
    ],
)
def test_bad_arrays_are_one_clear_error(weight, grads, bias, error, message):
    with pytest.raises(error, match=message):
        factor_heads(weight, grads, bias)


def test_negative_noise_is_refused():
    with pytest.raises(OptionError, match="noise_std: expected a number >= 0"):
        factor_heads(np.ones((3, 4)), np.ones((1, 3, 4)), noise_std=-1.0)
