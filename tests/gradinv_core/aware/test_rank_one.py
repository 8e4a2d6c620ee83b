"""Completion of a rank-one matrix, against the singular value decomposition of the whole one."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gradinv_core.aware.rank_one import complete


def leading(matrix):
    """The best rank-one matrix, by an independent route."""
    left, value, right = np.linalg.svd(matrix, full_matrices=False)
    return value[0] * np.outer(left[:, 0], right[0])


def factors(rng, rows=8, columns=60):
    """Both signs, sizes over two decades."""
    left, right = (np.exp(rng.uniform(-2.3, 2.3, size)) * rng.choice([-1, 1], size) for size in (rows, columns))
    return left, right


def connected(mask):
    """Whether every row and column hangs together through known entries; a walk, not a library."""
    rows, columns = {0}, set()
    while True:
        more_columns = {int(j) for i in rows for j in np.flatnonzero(mask[i])}
        more_rows = rows | {int(i) for j in more_columns for i in np.flatnonzero(mask[:, j])}
        if more_rows == rows and more_columns == columns:
            return len(rows) == mask.shape[0] and len(columns) == mask.shape[1]
        rows, columns = more_rows, more_columns


def test_a_full_matrix_is_its_own_completion():
    matrix = np.outer(*factors(np.random.default_rng(0)))
    found = complete(matrix, np.ones(matrix.shape, dtype=bool))
    np.testing.assert_allclose(found.matrix, leading(matrix), rtol=1e-9)
    assert found.rows.all()
    assert found.columns.all()
    assert found.equivalent_noise() < 1e-5 * np.abs(matrix).max()


@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
def test_random_holes_are_filled(share):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        matrix = np.outer(*factors(rng))
        known = rng.random(matrix.shape) > share
        found = complete(np.where(known, matrix, 1e300), known)
        inside = np.outer(found.rows, found.columns)
        np.testing.assert_allclose(found.matrix[inside], leading(matrix)[inside], rtol=1e-7)
        assert not found.matrix[~inside].any()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 7), st.integers(2, 12), st.floats(0.2, 0.9))
def test_a_connected_mask_determines_the_matrix(seed, rows, columns, share):
    rng = np.random.default_rng(seed)
    matrix = np.outer(*factors(rng, rows, columns))
    known = rng.random(matrix.shape) < share
    assume(connected(known))
    found = complete(np.where(known, matrix, 0.0), known)
    assert found.rows.all()
    assert found.columns.all()
    np.testing.assert_allclose(found.matrix, leading(matrix), rtol=1e-6, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_mask_along_a_tree_is_enough(seed):
    """As few entries as there can be: rows + columns - 1."""
    rng = np.random.default_rng(seed)
    matrix = np.outer(*factors(rng, 5, 9))
    known = np.zeros(matrix.shape, dtype=bool)
    known[0, 0] = True
    for index in rng.permutation(np.arange(1, 13)):
        if index < 5:
            known[index, rng.choice(np.flatnonzero(known.any(0)))] = True
        else:
            known[rng.choice(np.flatnonzero(known.any(1))), index - 4] = True
    assert known.sum() == 13
    np.testing.assert_allclose(complete(matrix, known).matrix, leading(matrix), rtol=1e-6)


def test_parts_that_do_not_hang_together_stay_unknown():
    matrix = np.outer([1.0, -2.0, 3.0, 0.1], [1.0, 2.0, -1.0, 0.5, 3.0])
    known = np.zeros(matrix.shape, dtype=bool)
    known[:3, :4] = True
    known[3, 4] = True
    found = complete(matrix, known)
    assert found.rows.tolist() == [True, True, True, False]
    assert found.columns.tolist() == [True, True, True, True, False]
    np.testing.assert_allclose(found.matrix[:3, :4], matrix[:3, :4])


def test_nothing_known_is_nothing_found():
    for known in (np.zeros((3, 4), dtype=bool), np.ones((3, 4), dtype=bool)):
        found = complete(np.zeros((3, 4)), known)
        assert not found.rows.any()
        assert not found.matrix.any()
        assert found.equivalent_noise() == 0


@pytest.mark.parametrize("noise", [1e-3, 0.05])
def test_noise_spreads_as_far_as_it_says(noise):
    """Errors of the completion, in units of the noise it claims to be equivalent to."""
    ratios = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        left, right = factors(rng, 8, 200)
        matrix = np.outer(left / 10, np.abs(right))
        known = rng.random(matrix.shape) < 0.6
        found = complete(matrix + noise * rng.standard_normal(matrix.shape), known, noise)
        error = np.abs(found.matrix - matrix)[np.outer(found.rows, found.columns)]
        ratios.append(np.sqrt((error**2).mean()) / found.equivalent_noise())
    assert max(ratios) < 1.5


@pytest.mark.parametrize("levels", [7, 127])
def test_rounded_entries_stay_within_their_steps(levels):
    for seed in range(5):
        left, right = factors(np.random.default_rng(seed))
        matrix = np.outer(left, right)
        step = np.abs(matrix).max() / levels
        rounded = np.round(matrix / step) * step
        found = complete(rounded, np.ones(matrix.shape, dtype=bool), half_step=step / 2)
        # Large entries gain a little; none is off by more than a step and a bit.
        assert np.abs(found.matrix - matrix)[np.outer(found.rows, found.columns)].max() < 2 * step
        assert found.equivalent_noise() < 20 * step
