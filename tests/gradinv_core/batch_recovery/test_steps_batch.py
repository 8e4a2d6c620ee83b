"""The steps of a batch recovery: counting, evidence, splitting, adding up, and the two baselines."""

import numpy as np
import pytest
from drawn_batches import draw_batch

from gradinv_core.batch_recovery.baselines import count_by_magnitude, count_by_means
from gradinv_core.batch_recovery.direction import refit
from gradinv_core.batch_recovery.directions import find_directions
from gradinv_core.batch_recovery.row_space import row_space
from gradinv_core.errors import OptionError, ShapeError

ROUNDING = 2.0**-24


def space_of(batch):
    return row_space(batch.weight_grad.double().numpy(), ROUNDING, None, 9)


def test_samples_are_counted_by_what_stands_out_of_the_noise():
    batch = draw_batch(5)
    assert space_of(batch).visible == 5
    gradient = batch.weight_grad.double().numpy()
    rng = np.random.default_rng(0)
    noisy = row_space(gradient + 0.3 * gradient.std() * rng.standard_normal(gradient.shape), ROUNDING, None, 9)
    assert noisy.visible < 5
    assert noisy.noise > 0.1


def test_a_difference_of_two_features_with_common_zeros_is_not_proven():
    """It vanishes in a quarter of all columns, but one of its zeros nothing else confirms."""
    first, second, third = draw_batch(3).features
    first = first + np.where(second > 0, 0.1, 0.0)  # positive wherever the second one is
    batch = draw_batch(3, features=np.array([first, second, third]))
    space = space_of(batch)
    smallest = (first[second > 0] / second[second > 0]).min()
    false = refit(space, space.basis @ (first - smallest * second))
    assert false.spare > 20
    assert not false.proven
    assert refit(space, space.basis @ second).proven


def test_directions_are_the_features_and_nothing_else():
    batch = draw_batch(6, width=128)
    search = find_directions(space_of(batch), np.random.default_rng(0), 100)
    assert len(search.proven) == 6
    unit = batch.features / np.linalg.norm(batch.features, axis=1, keepdims=True)
    cosines = np.array([direction.entries for direction in search.proven]) @ unit.T
    assert np.sort(cosines.argmax(1)).tolist() == list(range(6))
    assert cosines.max(1).min() > 1 - 1e-9
    assert search.programs < 60


def test_the_baselines_count_hard_labels():
    hard = np.eye(10)[[1, 4, 4, 7]]
    batch = draw_batch(4, labels=hard, biased=True)
    assert count_by_magnitude(batch.weight_grad, 4) == [1, 4, 4, 7]
    assert count_by_means(batch.weight, batch.weight_grad, batch.bias, batch.bias_grad, 4) == [1, 4, 4, 7]


def test_the_baselines_refuse_what_they_cannot_count():
    batch = draw_batch(2, biased=True)
    with pytest.raises(OptionError, match="samples: expected a whole number"):
        count_by_magnitude(batch.weight_grad, 0)
    with pytest.raises(ShapeError, match="nothing to divide by"):
        count_by_means(batch.weight, batch.weight_grad, batch.bias, 0 * batch.bias_grad, 2)
    with pytest.raises(ShapeError, match="weight_grad: expected shape"):
        count_by_means(batch.weight, batch.weight_grad[:, :3], batch.bias, batch.bias_grad, 2)
